"""How good the images of each well are: cells, saturation and blur."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import polars as pl

from cellpainting.backend.read_backend import Backend
from cellpainting.ledger.plate_map import FORMATS, well_position
from cellpainting.profiles.profiles import Values
from cellpainting.quality.image_measurements import ImageMeasurements, image_measurements

SATURATED, BLURRED, EMPTY = "saturated", "blurred", "empty"
FLAGS = (SATURATED, BLURRED, EMPTY)
# Percent of pixels that have their image's largest value. One pixel has it in an image that is not saturated: 0.0001 %
# of a megapixel. Cells take some tens of percent of a field, their brightest parts a few: with 1 %, what was cut off is
# a part of most cells, or a piece of debris that outshines them. There is no published threshold: Bray and Carpenter
# have a classifier learn it from images that a person has looked at, because it depends on the assay.
MOST_SATURATED = 1.0
MOST_BLURRED = -5.0  # robust standard deviations: chance leaves one of three million sharp sites so far behind
FEWEST_WELLS = 8  # that say what is usual on a plate
EMPTY_SHARE = 0.05  # of the cells that a site of the plate has in the median: what is left is debris, or dead
MAD_TO_DEVIATION = 1.4826  # of a normal distribution
SCHEMA: Mapping[str, type[pl.DataType]] = {
    "plate": pl.String,
    "well": pl.String,
    "sites": pl.Int64,
    "cells": pl.Int64,
    "saturation": pl.Float64,
    "saturated_channel": pl.String,
    "slope_deviation": pl.Float64,
    "blurred_channel": pl.String,
    "flags": pl.String,
    "not_known": pl.String,
}


@dataclass(frozen=True)
class WellQuality:
    """One well, by its worst site and channel. Values that are not known are None.

    `cells` are those of all `sites`. `saturation` is the largest percentage of pixels at the largest value of their
    image, `saturated_channel` where. `slope_deviation` says by how many robust standard deviations of the plate the
    slope of the power spectrum is above its median, at the site where it is least; `blurred_channel` where. `flags` are
    those that were found: `saturated`, `blurred`, `empty`.
    """

    well: str
    sites: int
    cells: int | None
    saturation: float | None
    saturated_channel: str | None
    slope_deviation: float | None
    blurred_channel: str | None
    flags: tuple[str, ...]

    @property
    def not_known(self) -> tuple[str, ...]:
        """Flags of which nobody can say whether they are true of this well: it is not good for want of them."""
        values = (self.saturation, self.slope_deviation, self.cells)
        return tuple(flag for flag, value in zip(FLAGS, values, strict=True) if value is None)


@dataclass(frozen=True)
class PlateQuality:
    """The wells of a plate, in their order on it. `channels` are the images that were looked at.

    `remarks` say what is not known, and why.
    """

    plate: str
    wells: tuple[WellQuality, ...]
    channels: tuple[str, ...]
    remarks: tuple[str, ...]

    def to_json(self) -> bytes:
        """The whole as one JSON object."""
        return json.dumps(asdict(self), indent=1, allow_nan=False).encode()

    @classmethod
    def from_json(cls, content: bytes) -> "PlateQuality":
        """Read what `to_json` wrote."""
        document: dict[str, Any] = json.loads(content)
        return cls(
            plate=document["plate"],
            wells=tuple(WellQuality(**{**one, "flags": tuple(one["flags"])}) for one in document["wells"]),
            channels=tuple(document["channels"]),
            remarks=tuple(document["remarks"]),
        )

    def frame(self) -> pl.DataFrame:
        """A row per well; values that are not known are null, several flags have a semicolon between them."""
        rows = [
            {**asdict(one), "plate": self.plate, "flags": ";".join(one.flags), "not_known": ";".join(one.not_known)}
            for one in self.wells
        ]
        return pl.DataFrame(rows, schema=SCHEMA)

    def to_csv(self) -> bytes:
        """The frame as CSV."""
        return self.frame().write_csv().encode()


def plate_quality(backend: Backend, plate: str) -> PlateQuality:
    """Judge the wells of a plate by its backend's measurements of whole images.

    A well is *saturated* with more than 1 % of an image's pixels at its largest value, *blurred* with a slope of the
    power spectrum more than 5 robust standard deviations (1.4826 MAD of all sites) below the plate's median, and
    *empty* without cells, or with fewer per site than 5 % of the plate's median.

    Source: CellProfiler's MeasureImageQuality; Bray et al. 2012 (doi:10.1177/1087057111420292); Bray and Carpenter 2018
    (doi:10.1007/978-1-4939-7357-6_7).
    """
    found = image_measurements(backend)
    deviations = _deviations(found)
    rows: dict[str, list[int]] = {}
    for row, well in enumerate(found.wells):
        rows.setdefault(well, []).append(row)
    counts = {well: _mean(found.cells[members]) for well, members in rows.items()}
    usual = _median([count for count in counts.values() if count is not None])
    wells = tuple(
        _well(well, found, rows[well], deviations[rows[well]], EMPTY_SHARE * usual) for well in sorted(rows, key=_order)
    )
    return PlateQuality(plate, wells, found.channels, tuple(_remarks(found, wells)))


def _well(
    well: str, found: ImageMeasurements, rows: Sequence[int], deviations: Values, fewest_cells: float
) -> WellQuality:
    """One well; `deviations` are those of its sites, of shape (sites, channels)."""
    cells = found.cells[rows]
    per_site = _mean(cells)
    saturation, saturated_channel = _largest(found.saturations[rows], found.channels)
    sharpness, blurred_channel = _largest(-deviations, found.channels)
    is_true = (
        saturation is not None and saturation > MOST_SATURATED,
        sharpness is not None and -sharpness < MOST_BLURRED,
        per_site is not None and (per_site == 0 or per_site < fewest_cells),
    )
    return WellQuality(
        well=well,
        sites=len(rows),
        cells=None if per_site is None else int(np.nansum(cells)),
        saturation=saturation,
        saturated_channel=saturated_channel,
        slope_deviation=None if sharpness is None else -sharpness,
        blurred_channel=blurred_channel,
        flags=tuple(flag for flag, one in zip(FLAGS, is_true, strict=True) if one),
    )


def _deviations(found: ImageMeasurements) -> Values:
    """Slopes in robust standard deviations of the plate's sites, from their median; NaN where that cannot be said."""
    wells = np.array(found.wells, dtype=object)
    deviations = np.full_like(found.slopes, np.nan)
    for position in range(len(found.channels)):
        slopes = found.slopes[:, position]
        is_known = ~np.isnan(slopes)
        if len(set(wells[is_known])) < FEWEST_WELLS:
            continue
        median = np.median(slopes[is_known])
        deviation = MAD_TO_DEVIATION * np.median(np.abs(slopes[is_known] - median))
        if deviation > 0:
            deviations[:, position] = (slopes - median) / deviation
    return deviations


def _remarks(found: ImageMeasurements, wells: Sequence[WellQuality]) -> Iterator[str]:
    if found.without_well:
        yield f"{found.without_well:,} image sets have no well, and were left out."
    saturated = sum(SATURATED in one.flags for one in wells)
    if 2 * saturated > len(wells):
        yield (
            f"{saturated:,} of {len(wells):,} wells are saturated: exposure was too long, or the images were clipped "
            "when they were scaled to 8 bits, and then this says nothing."
        )
    reasons = {
        SATURATED: "no percentage of pixels at the largest value was measured",
        BLURRED: f"no slope of the power spectrum was measured, it is that of fewer than {FEWEST_WELLS} wells, or does "
        "not vary",
        EMPTY: "no objects were counted",
    }
    if not found.channels:
        reasons = {EMPTY: reasons[EMPTY]}
        yield (
            "The pipeline did not measure image quality (MeasureImageQuality): whether wells are saturated or blurred "
            "is not known."
        )
    for flag, why in reasons.items():
        unknown = sum(flag in one.not_known for one in wells)
        if unknown:
            yield f"Whether they are {flag} is not known of {unknown:,} of {len(wells):,} wells: {why}."


def _largest(values: Values, channels: Sequence[str]) -> tuple[float | None, str | None]:
    """The largest of values of shape (sites, channels), and its channel."""
    if np.isnan(values).all():
        return None, None
    position = int(np.nanargmax(values))
    return float(values.flat[position]), channels[position % len(channels)]


def _mean(values: Values) -> float | None:
    known = values[~np.isnan(values)]
    return float(known.mean()) if known.size else None


def _median(values: Sequence[float]) -> float:
    return float(np.median(values)) if values else 0.0


def _order(well: str) -> tuple[int, int, str]:
    """Wells of a plate by row and column, others after them by name."""
    return (*(well_position(well) or (FORMATS[-1][0], 0)), well)
