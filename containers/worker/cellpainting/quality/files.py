"""Files below `quality_control/`: what images and replicates are like, and profiling-recipe's summary and pictures."""

import io
from collections.abc import Iterator, Sequence
from contextlib import suppress

import pandas as pd

from cellpainting.errors import InvalidRequest, MissingInput
from cellpainting.profiles.aggregate_plate import PlateBackend
from cellpainting.profiles.config import ProfilingConfig
from cellpainting.profiles.names import TREATMENTS
from cellpainting.profiles.place import Place
from cellpainting.profiles.profiles import Profiles
from cellpainting.quality.recipe_heatmaps import cell_count_png, correlation_png, position_effect_png
from cellpainting.quality.recipe_summary import PlateSummary, plate_summary, summary_tsv
from cellpainting.quality.replicates import replicate_quality
from cellpainting.quality.well_quality import plate_quality

FOLDER = "quality_control"
WELLS, REPLICATES, HEATMAPS = f"{FOLDER}/wells", f"{FOLDER}/replicates", f"{FOLDER}/heatmap"
SUMMARY = f"{FOLDER}/summary/summary.tsv"
LOAD_DATA = ("load_data.csv.gz", "load_data.csv")


def well_quality_file(batch: str, plate: str) -> str:
    """Where the quality of a plate's wells is told, for programs."""
    return f"{WELLS}/{batch}/{plate}.json"


def replicate_quality_file(name: str) -> str:
    """Where that of replicates is told; `name` is that of the profiles."""
    return f"{REPLICATES}/{name}.json"


def cell_count_picture(batch: str, plate: str) -> str:
    """Where the picture of a plate's cell counts is."""
    return f"{HEATMAPS}/{batch}/{plate}/{plate}_cell_count.png"


def correlation_picture(batch: str, plate: str) -> str:
    """Where that of its wells' correlations is."""
    return f"{HEATMAPS}/{batch}/{plate}/{plate}_correlation.png"


def write_well_quality(backend: PlateBackend, batch: str, plate: str, output: Place) -> None:
    """Judge the images of a plate's wells, as CSV and JSON."""
    quality = plate_quality(backend.open_images(), plate)
    _write(output, f"{WELLS}/{batch}/{plate}.csv", quality.to_csv())
    _write(output, well_quality_file(batch, plate), quality.to_json())


def write_replicate_quality(config: ProfilingConfig, profiles: Profiles, name: str, output: Place) -> None:
    """Say how alike replicates are in some profiles, as CSV and JSON. Without a column of treatments there are none.

    Raises
    ------
    InvalidRequest
        If a column is named that is not there.
    """
    treatment = treatment_column(config, profiles)
    if treatment is None:
        return
    quality = replicate_quality(profiles, treatment, config.controls)
    _write(output, f"{REPLICATES}/{name}.csv", quality.to_csv())
    _write(output, replicate_quality_file(name), quality.to_json())


def treatment_column(config: ProfilingConfig, profiles: Profiles) -> str | None:
    """The column that is named, or the first of those that are usual."""
    return config.treatment_column or next((name for name in TREATMENTS if name in profiles.metadata), None)


def write_cell_count(profiles: Profiles, batch: str, plate: str, output: Place) -> None:
    """Draw how many cells each well has."""
    _write(output, cell_count_picture(batch, plate), cell_count_png(profiles, plate))


def write_correlations(profiles: Profiles, batch: str, plate: str, output: Place) -> None:
    """Draw how alike wells are, and how much those of one row or column are more so."""
    position_effect = f"{HEATMAPS}/{batch}/{plate}/{plate}_position_effect.png"
    _write(output, position_effect, position_effect_png(profiles, plate))
    _write(output, correlation_picture(batch, plate), correlation_png(profiles, plate))


def write_summary(config: ProfilingConfig, columns: tuple[str, str], data: Place, output: Place) -> None:
    """Count wells and sites of all plates, by their load data; plates of other configurations stay in the table.

    Raises
    ------
    MissingInput
        If the load data of a plate is not there; those of the others are in the table.
    """
    missing: list[str] = []
    summaries = list(_summaries(config, columns, data, missing))
    if summaries:
        existing = None
        with suppress(MissingInput):
            existing = output.read(SUMMARY)
        _write(output, SUMMARY, summary_tsv(summaries, existing))
    if missing:
        raise MissingInput(
            f"there is no load data to count of {', '.join(missing)}; put {LOAD_DATA[0]} into load_data_csv/<batch>/"
            "<plate>/, or leave the summary out"
        )


def _summaries(
    config: ProfilingConfig, columns: tuple[str, str], data: Place, missing: list[str]
) -> Iterator[PlateSummary]:
    for batch in config.batches:
        for plate in batch.plates:
            content = _load_data(data, [f"load_data_csv/{batch.name}/{plate}/{name}" for name in LOAD_DATA])
            if content is None:
                missing.append(f"{batch.name} {plate}")
            else:
                yield plate_summary(batch.name, plate, _table(content, plate), columns)


def _load_data(data: Place, names: Sequence[str]) -> bytes | None:
    for name in names:
        with suppress(MissingInput):
            return data.read(name)
    return None


def _table(content: bytes, plate: str) -> pd.DataFrame:
    try:
        return pd.read_csv(io.BytesIO(content), dtype=str, compression="gzip" if content[:2] == b"\x1f\x8b" else None)
    except (ValueError, OSError) as error:
        raise InvalidRequest(f"the load data of plate {plate} is no CSV ({error}); put a whole one there") from error


def _write(output: Place, name: str, content: bytes) -> None:
    output.storage.write(output.key(name), content)
