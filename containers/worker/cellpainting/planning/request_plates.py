"""The plates that a `process_plate` request is about, each with its own image sets."""

from collections.abc import Iterable
from dataclasses import dataclass

from cellpainting.errors import InvalidField, InvalidRequest
from cellpainting.jobs.plate_source import PlateSource, read_plate_table
from cellpainting.jobs.process_plate import ProcessPlate
from cellpainting.load_data import LoadData
from cellpainting.load_data.places import Places
from cellpainting.load_data.read_csv import read_csv
from cellpainting.load_data.read_table import read_table
from cellpainting.load_data.write_table import write_table
from cellpainting.planning.plates import plates_of, rows_of_plate
from cellpainting.storage.base import Storage

BATCH = "Metadata_Batch"


@dataclass(frozen=True)
class Plate:
    """One plate: its image sets, the imaging batch that it belongs to, and the key of its platemap, if it has one."""

    name: str
    batch: str
    table: LoadData
    platemap: str | None


def plate_sources(job: ProcessPlate, storage: Storage) -> tuple[PlateSource, ...]:
    """Where the plates come from, as the request or its table of plates says.

    Raises
    ------
    MissingInput, InvalidRequest
        If the table is not there, or cannot be used.
    """
    if job.plate_table is None:
        return job.sources
    sources = read_plate_table(storage.read(job.plate_table), job.plate_table)
    job.require_platemaps(sources)
    return sources


def read_plates(job: ProcessPlate, sources: Iterable[PlateSource], storage: Storage) -> tuple[Plate, ...]:
    """Read the tables of image sets, each once, and divide them by plate.

    Raises
    ------
    MissingInput, InvalidRequest
        If a table is not there or cannot be used, has not the plate, or a plate is named twice.
    """
    settings = job.cellprofiler
    places = Places.of(storage.uri(""), remap=settings.path_remap, base=settings.input or "")
    tables: dict[str, LoadData] = {}
    plates: dict[str, Plate] = {}
    for source in sources:
        key = source.load_data
        if key not in tables:
            tables[key] = read_table(storage.read(key), key, places)
        for plate in _plates(source, tables[key], storage):
            if plate.name in plates:
                raise InvalidField("plates", plate.name, "it is named twice; name each plate once")
            plates[plate.name] = plate
    return tuple(plates.values())


def _plates(source: PlateSource, table: LoadData, storage: Storage) -> list[Plate]:
    names = plates_of(table)
    if source.plate and source.plate not in names:
        raise InvalidRequest(
            f"load data {source.load_data}: got no plate {source.plate!r}, but {', '.join(names[:10])}; correct 'plate'"
        )
    wanted = [source.plate] if source.plate else names
    return [_plate(source, name, _as_written(rows_of_plate(table, name), source.load_data, storage)) for name in wanted]


def _plate(source: PlateSource, name: str, table: LoadData) -> Plate:
    return Plate(name, source.batch or _batch(source, name, table), table, source.platemap)


def _as_written(table: LoadData, name: str, storage: Storage) -> LoadData:
    """The table as stages read it: the types of columns may be others when only one plate is looked at."""
    uri = storage.uri("")
    return read_csv(write_table(table, uri).encode(), f"{name}.csv", Places.of(uri))


def _batch(source: PlateSource, name: str, table: LoadData) -> str:
    at = table.positions.get(BATCH)
    batches = sorted({row[at] for row in table.rows}) if at is not None else []
    if len(batches) != 1:
        raise InvalidField("batch", None, f"load data {source.load_data} has for plate {name!r} {batches}; write one")
    return batches[0]
