"""The load data of all plates as one Parquet data set, with what is known of each well.

    <folder>/Metadata_Source=<source>/<batch>__<plate>.parquet    a file per plate, partitioned as Hive does
    <folder>/load_data_report.json                                what became of each plate

Columns: batch, plate, well and site, `FileName_Orig<channel>` and `PathName_Orig<channel>` of the five channels of Cell
Painting, and of the metadata those that tell the perturbation. All are text. A plate's file tells in its own metadata
which object it was made from: what is there already and has not changed is not fetched again.
"""

import hashlib
import json
import re
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path, PurePosixPath

import polars as pl
import pyarrow.parquet as pq

from cellpainting.errors import InvalidRequest, MissingInput, NoImageSets, StorageUnavailable
from cellpainting.jobs.download_images import CHANNELS
from cellpainting.jump.gallery import load_data_folder
from cellpainting.jump.metadata import GENE_ID, INCHIKEY, MODALITY, NAME, PERT_TYPE, SYMBOL
from cellpainting.jump.tables import BATCH, JCP2022, PLATE, PLATE_TYPE, SITE, SOURCE, WELL
from cellpainting.load_data import Places
from cellpainting.load_data.places import MOUNTS
from cellpainting.load_data.read_table import read_table
from cellpainting.storage import Storage, StoredObject

# The names that a plate's load data has, the best first: Parquet is the smallest, and illumination is not needed.
NAMES = tuple(
    f"{name}.{suffix}" for name in ("load_data", "load_data_with_illum") for suffix in ("parquet", "csv.gz", "csv")
)
PERTURBATION = (
    PLATE_TYPE,
    JCP2022,
    MODALITY,
    PERT_TYPE,
    NAME,
    SYMBOL,
    GENE_ID,
    INCHIKEY,
    "Metadata_InChI",
    "Metadata_SMILES",
)
ORIGIN = b"cellpainting"  # the key of what a file was made from, in its own metadata
NOT_IN_NAMES = re.compile(r"[/\\\x00-\x1f]")
REPORT = "load_data_report.json"


class PlateState(StrEnum):
    """What became of a plate's load data."""

    DONE = "done"
    MISSING = "missing"
    EMPTY = "empty"
    DAMAGED = "damaged"
    UNREACHABLE = "unreachable"


@dataclass(frozen=True)
class Plate:
    """A plate as the metadata names it."""

    source: str
    batch: str
    plate: str

    @property
    def label(self) -> str:
        """What a person calls it."""
        return f"{self.source} {self.batch} {self.plate}"

    def path(self, folder: Path) -> Path:
        """The plate's file in a data set."""
        return folder / f"{SOURCE}={self.source}" / (NOT_IN_NAMES.sub("_", f"{self.batch}__{self.plate}") + ".parquet")


@dataclass(frozen=True)
class PlateReport:
    """One plate: its state, the reason unless it is done, and how its image sets and wells fit the metadata."""

    source: str
    batch: str
    plate: str
    state: PlateState
    reason: str = ""
    image_sets: int = 0
    wells: int = 0
    wells_without_metadata: tuple[str, ...] = ()
    wells_without_images: tuple[str, ...] = ()


def read_metadata(path: Path) -> pl.DataFrame:
    """Read `complete_metadata.parquet`.

    Raises
    ------
    InvalidRequest
        If it is not that table.
    """
    try:
        metadata = pl.read_parquet(path)
    except (OSError, pl.exceptions.PolarsError) as error:
        raise InvalidRequest(f"{path}: {error}; make it with 'cpb jump metadata'") from error
    missing = [name for name in (SOURCE, BATCH, PLATE, WELL) if name not in metadata.columns]
    if missing:
        raise InvalidRequest(f"{path} has not the columns {missing}; make it with 'cpb jump metadata'")
    return metadata


def plates_of(metadata: pl.DataFrame) -> list[Plate]:
    """All plates of the metadata that have a batch, in order."""
    named = metadata.select(SOURCE, BATCH, PLATE).drop_nulls().unique(maintain_order=True)
    return [Plate(*row) for row in named.iter_rows()]


def collect(
    plates: Sequence[Plate], metadata: pl.DataFrame, folder: Path, gallery: Storage, workers: int
) -> Iterator[PlateReport]:
    """Bring the load data of plates into a data set; yields each plate's report when it is done, in any order.

    A plate that is missing, empty, damaged or out of reach is reported, and does not keep the others back.
    """
    wells = {
        key: frame.drop(SOURCE, BATCH, PLATE)
        for key, frame in metadata.select(SOURCE, BATCH, PLATE, WELL, *_known(metadata))
        .partition_by(SOURCE, BATCH, PLATE, as_dict=True)
        .items()
    }
    with ThreadPoolExecutor(workers) as pool:
        try:
            for future in as_completed(
                [
                    pool.submit(_collect_plate, plate, wells[plate.source, plate.batch, plate.plate], folder, gallery)
                    for plate in plates
                ]
            ):
                yield future.result()
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


def write_report(folder: Path, reports: Sequence[PlateReport]) -> Path:
    """Write the reports of all plates, by name."""
    ordered = sorted(reports, key=lambda report: (report.source, report.batch, report.plate))
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / REPORT
    partial = path.with_name(f".{REPORT}.partial")
    partial.write_text(json.dumps([asdict(report) for report in ordered], indent=1), encoding="utf-8")
    return partial.replace(path)


def _known(metadata: pl.DataFrame) -> list[str]:
    return [name for name in PERTURBATION if name in metadata.columns]


def _collect_plate(plate: Plate, wells: pl.DataFrame, folder: Path, gallery: Storage) -> PlateReport:
    def failed(state: PlateState, error: Exception) -> PlateReport:
        if state is not PlateState.UNREACHABLE:
            plate.path(folder).unlink(missing_ok=True)  # of an earlier time: it is not what there is now
        return PlateReport(plate.source, plate.batch, plate.plate, state, str(error))

    try:
        frame = _frame(plate, wells, folder, gallery)
    except MissingInput as error:
        return failed(PlateState.MISSING, error)
    except NoImageSets as error:
        return failed(PlateState.EMPTY, error)
    except InvalidRequest as error:
        return failed(PlateState.DAMAGED, error)
    except StorageUnavailable as error:
        return failed(PlateState.UNREACHABLE, error)
    return _report(plate, frame, wells)


def _frame(plate: Plate, wells: pl.DataFrame, folder: Path, gallery: Storage) -> pl.DataFrame:
    """The plate's image sets, from the data set if they are there already and nothing has changed."""
    stored = _find(plate, gallery)
    origin = json.dumps([stored.key, stored.size, stored.etag, _digest(wells)])
    path = plate.path(folder)
    if path.is_file() and (pq.read_schema(path).metadata or {}).get(ORIGIN) == origin.encode():
        return pl.read_parquet(path, hive_partitioning=False)
    if not stored.size:
        raise NoImageSets(f"{gallery.uri(stored.key)} has 0 bytes; report it to the Gallery")
    frame = _joined(_read(stored.key, plate, gallery), wells)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.partial")
    table = frame.to_arrow()
    pq.write_table(table.replace_schema_metadata({ORIGIN: origin.encode()}), partial, compression="zstd")
    partial.replace(path)
    return frame


def _find(plate: Plate, gallery: Storage) -> StoredObject:
    folder = load_data_folder(plate.source, plate.batch, plate.plate)
    there = {PurePosixPath(item.key).name: item for item in gallery.list(folder)}
    for name in NAMES:
        if name in there:
            return there[name]
    raise MissingInput(f"{gallery.uri(folder)} has none of {', '.join(NAMES)}, only {sorted(there) or 'nothing'}")


def _read(key: str, plate: Plate, gallery: Storage) -> pl.DataFrame:
    """The columns of the data set, of a plate's own load data."""
    table = read_table(gallery.read(key), key, Places(MOUNTS))
    columns = {name: [row[at] for row in table.rows] for name, at in table.positions.items()}
    for name, told in ((SOURCE, plate.source), (BATCH, plate.batch), (PLATE, plate.plate)):
        others = set(columns.get(name, ())) - {told}
        if others:
            raise InvalidRequest(f"{gallery.uri(key)} is of {name} {sorted(others)}, not {told!r}; leave it out")
    missing = [name for name in (WELL, SITE) if name not in columns]
    if missing:
        raise InvalidRequest(f"{gallery.uri(key)} has not the columns {missing}; leave it out")
    frame = {BATCH: [plate.batch] * len(table.rows), PLATE: [plate.plate] * len(table.rows)}
    frame |= {name: columns[name] for name in (WELL, SITE)}
    for channel in CHANNELS:
        places = [_address(place, gallery) for place in columns.get(f"URL_Orig{channel}", [""] * len(table.rows))]
        frame[f"FileName_Orig{channel}"] = [place.rpartition("/")[2] for place in places]
        frame[f"PathName_Orig{channel}"] = [place[: place.rfind("/") + 1] for place in places]
    return pl.DataFrame(frame, schema=dict.fromkeys(frame, pl.String)).with_columns(
        pl.col(r"^(FileName|PathName)_.*$").replace("", None)
    )


def _address(place: str, gallery: Storage) -> str:
    """A path of the machine that the file was made on, as it shows the Gallery, is a key there."""
    return place if not place or place.startswith("s3://") else gallery.uri(place)


def _joined(frame: pl.DataFrame, wells: pl.DataFrame) -> pl.DataFrame:
    joined = frame.join(wells, on=WELL, how="left", maintain_order="left")
    missing = [pl.lit(None, pl.String).alias(name) for name in PERTURBATION if name not in joined.columns]
    return joined.with_columns(missing).select(*frame.columns, *PERTURBATION)


def _digest(wells: pl.DataFrame) -> str:
    return hashlib.sha256(wells.sort(WELL).write_csv().encode()).hexdigest()[:16]


def _report(plate: Plate, frame: pl.DataFrame, wells: pl.DataFrame) -> PlateReport:
    imaged, known = set(frame[WELL].to_list()), set(wells[WELL].to_list())
    return PlateReport(
        plate.source,
        plate.batch,
        plate.plate,
        PlateState.DONE,
        image_sets=len(frame),
        wells=len(imaged),
        wells_without_metadata=tuple(sorted(imaged - known)),
        wells_without_images=tuple(sorted(known - imaged)),
    )
