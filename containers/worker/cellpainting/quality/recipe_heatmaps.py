"""profiling-recipe's pictures of a plate: cell counts, correlations of all wells, and effects of the position."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cellpainting.errors import InvalidRequest
from cellpainting.ledger.plate_map import FORMATS, row_name, well_position
from cellpainting.profiles.names import OBJECT_COUNT, WELL
from cellpainting.profiles.profiles import Profiles, Values
from cellpainting.quality.heatmap import BAR_STEPS, Labels, Scale, draw_heatmap
from cellpainting.quality.position_effect import correlations, percent_matching

MOST_COLUMNS, MOST_ROWS = 24, 16  # that have room for a label each; of more, every other is labelled


@dataclass(frozen=True)
class PlacedWells:
    """The wells of a profile in the order of the plate, with row and column from 0."""

    profiles: Profiles
    rows: NDArray[np.int64]
    columns: NDArray[np.int64]


def cell_count_png(profiles: Profiles, plate: str) -> bytes:
    """How many cells each well has, as a PNG file: `<plate>_cell_count.png`.

    Raises
    ------
    InvalidRequest
        If cells were not counted, or the wells are not those of one plate.
    """
    if OBJECT_COUNT not in profiles.metadata:
        raise InvalidRequest(
            f"there is no column {OBJECT_COUNT} to draw, the profiles have {', '.join(profiles.metadata)}; make them "
            "from a backend with objects"
        )
    placed = _placed(profiles)
    counts = placed.profiles.metadata[OBJECT_COUNT].to_numpy(dtype=np.float64, na_value=np.nan)
    most = BAR_STEPS * np.ceil(np.nanmax(counts, initial=1) / BAR_STEPS)  # so that the bar has whole numbers
    return _plate_png(f"{plate}: cell count", "Cells per well; hatched: not measured.", placed, counts, float(most))


def correlation_png(profiles: Profiles, plate: str) -> bytes:
    """The correlations of all wells with all, row by row of the plate, as a PNG file: `<plate>_correlation.png`.

    Raises
    ------
    InvalidRequest
        If the wells are not those of one plate.
    """
    placed = _placed(profiles)
    firsts = _first_of_rows(placed.rows)
    return draw_heatmap(
        f"{plate}: correlation of all wells with all",
        "Pearson correlation of profiles, wells row by row, labels at the first of a row; hatched: not known.",
        correlations(placed.profiles.values),
        Labels(firsts, firsts),
        Scale(-1, 1, is_diverging=True),
    )


def position_effect_png(profiles: Profiles, plate: str) -> bytes:
    """How much more alike than others wells of a row or column are, as a PNG file: `<plate>_position_effect.png`.

    Raises
    ------
    InvalidRequest
        If the wells are not those of one plate.
    """
    placed = _placed(profiles)
    matching = percent_matching(correlations(placed.profiles.values), placed.rows, placed.columns)
    about = "Correlations within row and column above the 95th percentile of others, 5% by chance; hatched: not known."
    return _plate_png(f"{plate}: position effect", about, placed, matching, 100.0, unit="%")


def _placed(profiles: Profiles) -> PlacedWells:
    """The wells that have a place on a plate."""
    places = [well_position(str(name)) for name in profiles.metadata[WELL]]
    known = [place for place in places if place]
    if not known or len(set(known)) < len(known):
        raise InvalidRequest(
            f"{len(set(known))} wells with a place on a plate are in {len(places)} rows of the profiles; give the "
            "profiles of one plate, a row per well, with wells such as A01"
        )
    order = sorted((place, row) for row, place in enumerate(places) if place)
    taken = [row for _, row in order]
    metadata = profiles.metadata.iloc[taken].reset_index(drop=True)
    placed = Profiles(metadata, profiles.values[taken], profiles.features)
    rows, columns = np.array([place for place, _ in order], dtype=np.int64).T
    return PlacedWells(placed, rows, columns)


def _plate_png(title: str, about: str, placed: PlacedWells, values: Values, most: float, unit: str = "") -> bytes:
    """A number per well, where the wells are, in the smallest of the usual formats."""
    rows, columns = next(
        (rows, columns) for rows, columns in FORMATS if placed.rows.max() < rows and placed.columns.max() < columns
    )
    plate = np.full((rows, columns), np.nan)
    plate[placed.rows, placed.columns] = values
    step = 1 if columns <= MOST_COLUMNS else 2
    labels = Labels(
        {row: row_name(row) for row in range(0, rows, step)},
        {column: str(column + 1) for column in range(0, columns, step)},
    )
    return draw_heatmap(title, about, plate, labels, Scale(0, most, unit=unit))


def _first_of_rows(rows: NDArray[np.int64]) -> dict[int, str]:
    """The name of each row of the plate, or of every other, at its first well."""
    found, firsts = np.unique(rows, return_index=True)
    step = 1 if len(found) <= MOST_ROWS else 2
    return {int(first): row_name(int(row)) for row, first in list(zip(found, firsts, strict=True))[::step]}
