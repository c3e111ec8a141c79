"""What CellProfiler measured of whole images: a backend's table of image sets, as numbers per well and channel."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from cellpainting.backend.names import COUNT, IMAGE, WELL
from cellpainting.backend.read_backend import Backend
from cellpainting.profiles.profiles import Values

OLD_PREFIX = "Image_"  # of these columns in older backends
ORIGINAL, ILLUMINATION = "Orig", "Illum"  # what images as they were taken, and illumination functions, are called
USUAL_COUNTS = ("Count_Cells", "Count_Nuclei")
SATURATION = "ImageQuality_PercentMaximal_"
SLOPE = "ImageQuality_PowerLogLogSlope_"


@dataclass(frozen=True)
class ImageMeasurements:
    """An entry per image set that has a well. `channels` are those of the images that were measured.

    `cells` are counts of shape (image sets,), `saturations` in percent and `slopes` are of shape (image sets,
    channels); NaN where there is no number. `counted` is the column that cells are counted in, None if there is none;
    `without_well` is how many image sets were left out.
    """

    wells: tuple[str, ...]
    channels: tuple[str, ...]
    counted: str | None
    cells: Values
    saturations: Values
    slopes: Values
    without_well: int


def image_measurements(backend: Backend) -> ImageMeasurements:
    """Read the measurements of image quality and the counts of a backend.

    Channels are the original images, if there are any, else all but illumination functions.

    Source: the columns are those of CellProfiler's MeasureImageQuality, and of modules that find objects.
    """
    table = backend.tables()[IMAGE]
    columns = {name.removeprefix(OLD_PREFIX): name for name in table.columns}
    channels = _channels(columns)
    counted = _counted(columns)
    wanted = [
        WELL,
        *([counted] if counted else ()),
        *(f"{kind}{one}" for kind in (SATURATION, SLOPE) for one in channels),
    ]
    there = {name: columns[name] for name in wanted if name in columns}
    rows = _read(backend, there)
    has_well = rows[WELL] != ""
    named = rows.filter(has_well)
    return ImageMeasurements(
        wells=tuple(named[WELL]),
        channels=channels,
        counted=counted,
        cells=_numbers(named, [counted or ""])[:, 0],
        saturations=_numbers(named, [f"{SATURATION}{one}" for one in channels]),
        slopes=_numbers(named, [f"{SLOPE}{one}" for one in channels]),
        without_well=len(rows) - len(named),
    )


def _read(backend: Backend, columns: Mapping[str, str]) -> pl.DataFrame:
    """Some columns of the table of image sets, under new names; the well is text, empty where it is not known."""
    table = backend.tables()[IMAGE]
    parts = [
        part.rename({old: new for new, old in columns.items()}) for part in backend.rows(table, (*columns.values(),))
    ]
    rows = pl.concat(parts) if parts else pl.DataFrame(schema=dict.fromkeys(columns, pl.String))
    wells = rows[WELL] if WELL in columns else pl.Series(WELL, [None] * len(rows), dtype=pl.String)
    return rows.with_columns(wells.cast(pl.String).fill_null("").str.strip_chars().alias(WELL))


def _channels(columns: Iterable[str]) -> tuple[str, ...]:
    found = dict.fromkeys(
        name.removeprefix(kind) for kind in (SATURATION, SLOPE) for name in columns if name.startswith(kind)
    )
    originals = tuple(name for name in found if name.startswith(ORIGINAL))
    return originals or tuple(name for name in found if not name.startswith(ILLUMINATION))


def _counted(columns: Iterable[str]) -> str | None:
    """The column that says best how many cells there are."""
    counts = [name for name in columns if name.startswith(COUNT)]
    return next((name for name in (*USUAL_COUNTS, *counts) if name in counts), None)


def _numbers(rows: pl.DataFrame, columns: Sequence[str]) -> Values:
    """float64 of shape (rows, columns); what is no finite number, or no column, is NaN."""
    values = np.full((len(rows), len(columns)), np.nan)
    for position, name in enumerate(columns):
        if name in rows.columns:
            values[:, position] = rows[name].cast(pl.Float64, strict=False).fill_null(np.nan).to_numpy()
    values[~np.isfinite(values)] = np.nan
    return values
