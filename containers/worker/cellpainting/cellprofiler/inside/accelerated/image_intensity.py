"""MeasureImageIntensity: medians and percentiles of whole images by counting."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from cellprofiler.modules import measureimageintensity
from cellprofiler.modules.measureimageintensity import MeasureImageIntensity

from . import order
from .kernel import Array
from .replacing import replace_method

# By the names of their constants, in the order of the original.
FEATURES = (
    "TOTAL_INTENSITY",
    "MEAN_INTENSITY",
    "MEDIAN_INTENSITY",
    "STD_INTENSITY",
    "MAD_INTENSITY",
    "MAX_INTENSITY",
    "MIN_INTENSITY",
    "TOTAL_AREA",
    "PERCENT_MAXIMAL",
    "LOWER_QUARTILE",
    "UPPER_QUARTILE",
)
QUARTILES = [25, 75]


def install() -> None:
    """Replace the method that measures the pixels of an image, or of objects in it."""
    replace_method(MeasureImageIntensity, "measure", measure)


def measure(
    self: Any,
    pixels: Array,
    image_name: str,
    object_name: str | None,
    measurement_name: str,
    workspace: Any,
    percentiles: Sequence[float] | None = None,
) -> Any:
    """Measure pixels."""
    wanted = [*QUARTILES, *(percentiles or [])]
    values, at_percentiles = [0] * (len(FEATURES) - len(QUARTILES)), np.zeros(len(wanted), int)
    is_finite = np.isfinite(pixels)
    if is_finite.any():
        values, at_percentiles = _measured(pixels.ravel() if is_finite.all() else pixels[is_finite], wanted)
    elif pixels.size:
        return NotImplemented  # the original raises
    add = workspace.measurements.add_image_measurement
    for feature, value in zip(FEATURES, [*values, *at_percentiles[:2]]):
        add(getattr(measureimageintensity, f"F_{feature}") % measurement_name, value)
    for percentile, value in zip(wanted[2:], at_percentiles[2:]):
        add(f"Intensity_Percentile_{percentile}_{measurement_name}", value)
    return []


def _measured(pixels: Array, wanted: list[float]) -> tuple[list[Any], Array]:
    """Values of the features but the quartiles, and percentiles, of pixels in one dimension."""
    total, count, highest, middle = np.sum(pixels), np.int64(pixels.size), np.max(pixels), order.median(pixels)
    values = [
        total,
        total / float(count),
        middle,
        np.std(pixels),
        order.median(np.abs(pixels - middle)),
        highest,
        np.min(pixels),
        count,
        100.0 * float(np.count_nonzero(pixels == highest)) / float(count),
    ]
    return values, order.percentiles(pixels, wanted)
