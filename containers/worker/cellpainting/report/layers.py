"""Values by well, for the plate that the page draws."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import pandas as pd

from cellpainting.ledger.plate_map import PlateMap, Well, plate_format, well_name, well_position
from cellpainting.profiles.names import OBJECT_COUNT, WELL
from cellpainting.profiles.platemap import canonical_well
from cellpainting.profiles.profiles import Profiles
from cellpainting.quality.well_quality import WellQuality
from cellpainting.report.chosen_features import choose_features
from cellpainting.report.edge_effects import edge_effects
from cellpainting.report.page_data import Group, Layer, Plate
from cellpainting.report.sources import PlateSources
from cellpainting.report.treatments import Treatment

Value = float | int | str | None
DIGITS = 4  # significant ones, of numbers that are shown: pages are to be small
NOT_PLANNED = "not planned"
GOOD = "good"


def plate_of(sources: PlateSources, features: Sequence[str]) -> Plate | None:
    """The wells with all layers; None if there is no well. `features` are shown beside those that are chosen.

    Raises
    ------
    InvalidRequest
        If a feature is named that no profile has.
    """
    states = PlateMap.of(sources.plate, sources.outcomes)
    counted = _rows_by_well(sources.annotated)
    judged = {canonical_well(one.well) or one.well: one for one in sources.quality.wells} if sources.quality else {}
    named = [*counted, *judged]
    places = sorted({*states.states, *(place for place in map(well_position, named) if place)})
    if not places:
        return None
    wells = tuple(map(well_name, places))
    layers = (
        *_ledger(states, places),
        *_layout(sources.treatments, wells),
        *_counts(sources.annotated, counted, judged, wells),
        *_quality(judged, wells),
        *_features(sources, features, wells),
    )
    return Plate(*plate_format(places), wells, layers, edge_effects(layers, places))


def _ledger(states: PlateMap, places: Sequence[Well]) -> Iterator[Layer]:
    if states.states:
        values = tuple(states.states[place].value if place in states.states else NOT_PLANNED for place in places)
        yield Layer("state", Group.LEDGER, values, is_category=True, about="The worst state of the well's image sets.")


def _layout(treatments: Mapping[str, Treatment], wells: Sequence[str]) -> Iterator[Layer]:
    found = [treatments.get(well, Treatment()) for well in wells]
    if any(one.kind for one in found):
        kinds = tuple(one.kind or None for one in found)
        yield Layer("control type", Group.LAYOUT, kinds, is_category=True, about="As the platemap has it; trt is none.")
    if any(one.name for one in found):
        names = tuple(one.name or None for one in found)
        yield Layer("treatment", Group.LAYOUT, names, is_category=True, about="As the platemap has it.")


def _counts(
    profiles: Profiles | None, rows: Mapping[str, int], judged: Mapping[str, WellQuality], wells: Sequence[str]
) -> Iterator[Layer]:
    cells: list[Value] = [judged[well].cells if well in judged else None for well in wells]
    if profiles is not None and OBJECT_COUNT in profiles.metadata:
        counts = profiles.metadata[OBJECT_COUNT]
        cells = [_number(counts[rows[well]]) if well in rows else None for well in wells]
    if any(count is not None for count in cells):
        yield Layer("cells", Group.COUNTS, tuple(cells), unit="cells", about="Cells of all sites of the well.")
    sites = tuple(judged[well].sites if well in judged else None for well in wells)
    if len(set(sites) - {None}) > 1:  # where all are equal there is nothing to see
        yield Layer("sites", Group.COUNTS, sites, unit="sites", about="Image sets that were measured.")


def _quality(judged: Mapping[str, WellQuality], wells: Sequence[str]) -> Iterator[Layer]:
    if not judged:
        return
    flags = tuple(", ".join(judged[well].flags) or GOOD if well in judged else None for well in wells)
    yield Layer("flags", Group.QUALITY, flags, is_category=True, about="Saturated, blurred or empty by its worst site.")
    for name, unit, about, values in (
        ("saturation", "%", "Pixels at the largest value of their image, in the worst site and channel.", "saturation"),
        (
            "sharpness",
            "robust deviations",
            "Slope of the power spectrum, from the plate's median, in the blurriest site and channel.",
            "slope_deviation",
        ),
    ):
        found = tuple(_number(getattr(judged[well], values)) if well in judged else None for well in wells)
        if any(value is not None for value in found):
            yield Layer(name, Group.QUALITY, found, unit=unit, about=about)


def _features(sources: PlateSources, wanted: Sequence[str], wells: Sequence[str]) -> Iterator[Layer]:
    profiles = sources.normalized
    if profiles is None:
        return
    rows = _rows_by_well(profiles)
    positions = {name: position for position, name in enumerate(profiles.features)}
    for name in choose_features(profiles, sources, wanted):
        column = profiles.values[:, positions[name]]
        values = tuple(_number(column[rows[well]]) if well in rows else None for well in wells)
        yield Layer(name, Group.FEATURES, values)


def _rows_by_well(profiles: Profiles | None) -> dict[str, int]:
    """The first row of each well; profiles by site have several."""
    if profiles is None:
        return {}
    rows: dict[str, int] = {}
    for row, well in enumerate(profiles.metadata[WELL]):
        place = well_position(str(well))
        if place:
            rows.setdefault(well_name(place), row)
    return rows


def _number(value: object) -> float | int | None:
    """A number as JSON has it; infinite and missing ones are None."""
    if value is None or pd.isna(value) or not np.isfinite(value):  # type: ignore[call-overload]
        return None
    number = float(f"{value:.{DIGITS}g}")
    return int(number) if isinstance(value, int | np.integer) and number == value else number
