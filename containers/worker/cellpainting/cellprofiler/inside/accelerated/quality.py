"""MeasureImageQuality: blur and brightness of whole images, without sorting their pixels.

Of thresholds, only the variances are calculated here that Otsu's method compares. Where the original calculates in
single precision, so does this.
"""

from __future__ import annotations

from math import floor, sqrt
from typing import Any

import centrosome.otsu
import numpy as np
import scipy.fft
import scipy.linalg
from cellprofiler.modules.measureimagequality import (
    C_IMAGE_QUALITY,
    F_CORRELATION,
    F_FOCUS_SCORE,
    F_LOCAL_FOCUS_SCORE,
    F_MAD_INTENSITY,
    F_MAX_INTENSITY,
    F_MEAN_INTENSITY,
    F_MEDIAN_INTENSITY,
    F_MIN_INTENSITY,
    F_POWER_SPECTRUM_SLOPE,
    F_STD_INTENSITY,
    F_TOTAL_AREA,
    F_TOTAL_INTENSITY,
    F_TOTAL_VOLUME,
    MeasureImageQuality,
)

from .kernel import Array
from .kernels.quality import grid_statistics, pair_sums, running_variance
from .order import median
from .replacing import replace_function, replace_method

LEVELS = 8
# In the order of the original.
BRIGHTNESS = (
    F_TOTAL_INTENSITY,
    F_MEAN_INTENSITY,
    F_MEDIAN_INTENSITY,
    F_STD_INTENSITY,
    F_MAD_INTENSITY,
    F_MAX_INTENSITY,
    F_MIN_INTENSITY,
)


def install() -> None:
    """Replace the methods that measure blur and brightness, and a function of Otsu's method."""
    replace_method(MeasureImageQuality, "calculate_focus_scores", calculate_focus_scores)
    replace_method(MeasureImageQuality, "calculate_correlation", calculate_correlation)
    replace_method(MeasureImageQuality, "calculate_power_spectrum", calculate_power_spectrum)
    replace_method(MeasureImageQuality, "run_intensity_measurement", run_intensity_measurement)
    replace_function(centrosome.otsu, "running_variance", running_variance_of)


def running_variance_of(x: Any) -> Any:
    """The variance of all values up to each."""
    return running_variance(x) if x.dtype == np.float64 and len(x) else NotImplemented


def calculate_focus_scores(self: Any, image_group: Any, workspace: Any) -> Any:
    """Measure how far pixels are from their mean, as a whole and by the cells of grids."""
    images = _images(self, image_group, workspace)
    if images is None:
        return NotImplemented
    for name, image in images:
        workspace.add_measurement("Image", f"{C_IMAGE_QUALITY}_{F_FOCUS_SCORE}_{name}", _focus(image))
        pixels, mask = image.pixel_data.astype(np.float64), image.mask
        for scale in _scales(image_group):
            feature = f"{C_IMAGE_QUALITY}_{F_LOCAL_FOCUS_SCORE}_{name}_{scale:d}"
            workspace.add_measurement("Image", feature, _local_focus(pixels, mask, scale))
    return []


def calculate_correlation(self: Any, image_group: Any, workspace: Any) -> Any:
    """Measure how far the levels of neighbours in a row agree."""
    images = _images(self, image_group, workspace)
    if images is None or not all(np.isfinite(image.pixel_data).all() for _, image in images):
        return NotImplemented
    for name, image in images:
        mask = image.mask
        levels = _levels(image.pixel_data, mask)
        for scale in _scales(image_group):
            feature = f"{C_IMAGE_QUALITY}_{F_CORRELATION}_{name}_{scale:d}"
            workspace.add_measurement("Image", feature, _correlation(levels, mask, scale))
    return []


def calculate_power_spectrum(self: Any, image_group: Any, workspace: Any) -> Any:
    """Measure how fast power falls with frequency."""
    images = _images(self, image_group, workspace)
    if images is None:
        return NotImplemented
    for name, image in images:
        pixels = image.pixel_data
        if image.has_mask:
            visible = pixels[image.mask]
            pixels = np.where(image.mask, pixels, np.mean(visible) if visible.size else pixels.dtype.type(0))
        feature = f"{C_IMAGE_QUALITY}_{F_POWER_SPECTRUM_SLOPE}_{name}"
        workspace.add_measurement("Image", feature, _power_slope(pixels))
    return []


def run_intensity_measurement(self: Any, image_name: str, workspace: Any) -> Any:
    """Measure how bright one image is."""
    image = workspace.image_set.get_image(image_name, must_be_grayscale=True)
    pixels = image.pixel_data[image.mask] if image.has_mask else image.pixel_data
    values = dict.fromkeys(BRIGHTNESS, 0)
    if pixels.size:
        middle, total = median(pixels), np.sum(pixels)
        mad = median(np.abs(pixels - middle))
        found = total, total / float(pixels.size), middle, np.std(pixels), mad, np.max(pixels), np.min(pixels)
        values = dict(zip(BRIGHTNESS, found))
    size = F_TOTAL_VOLUME if workspace.pipeline.volumetric() else F_TOTAL_AREA
    for feature, value in [(size, np.int64(pixels.size)), *values.items()]:
        workspace.measurements.add_image_measurement(f"{C_IMAGE_QUALITY}_{feature}_{image_name}", value)
    return []


def _images(module: Any, image_group: Any, workspace: Any) -> list[tuple[str, Any]] | None:
    """The images by name, or None if any is a volume."""
    images = [
        (name, workspace.image_set.get_image(name, must_be_grayscale=True))
        for name in module.images_to_process(image_group, workspace)
    ]
    kinds = np.float32, np.float64
    is_made_for = all(image.pixel_data.ndim == 2 and image.pixel_data.dtype in kinds for _, image in images)
    return images if is_made_for and all(scale > 0 for scale in _scales(image_group)) else None


def _scales(image_group: Any) -> list[int]:
    return [scale_group.scale.value for scale_group in image_group.scale_groups]


def _focus(image: Any) -> Any:
    """Variance over mean."""
    pixels = image.pixel_data[image.mask] if image.has_mask else image.pixel_data
    mean = np.mean(pixels) if len(pixels) else 0
    return np.sum((pixels - mean) ** 2) / (np.int64(pixels.size) * mean) if mean > 0 else 0


def _local_focus(pixels: Array, mask: Array, scale: int) -> Any:
    """The variance, over its median, of variance over mean in each cell of a grid of about the scale."""
    counts = [(length + scale - 1) // scale for length in pixels.shape]
    rows, columns = (
        (np.arange(float(length)) * float(count) / float(length)).astype(np.int64)
        for count, length in zip(counts, pixels.shape)
    )
    starts = np.searchsorted(columns, np.arange(counts[1] + 1))
    sizes, means, squares = grid_statistics(pixels, mask, rows, starts)
    is_counted = (means != 0) & ~np.isnan(means)
    if not is_counted.any():
        return 0
    focus = squares[is_counted] / (sizes[is_counted] * means[is_counted])
    median = np.median(focus)
    return np.var(focus) / median if np.isfinite(median) and median > 0 else 0


def _levels(pixels: Array, mask: Array) -> Array:
    """Each pixel's eighth of the range between the lowest and the highest that is not masked; uint8."""
    visible = pixels[mask]
    low, high = (visible.min(), visible.max()) if visible.size else (0, 0)
    levels = (pixels - low).astype(np.float64)
    if high > low:
        levels /= np.float64(high - low)
    levels *= LEVELS
    return np.clip(levels, 0, LEVELS - 1, out=levels).astype(np.uint8)


def _correlation(levels: Array, mask: Array, scale: int) -> float:
    """Of the levels of two pixels so far apart in a row; 0 where it is not defined."""
    count, one, other, product, one_square, other_square = map(int, pair_sums(levels, mask, scale))
    variances = (count * one_square - one**2) * (count * other_square - other**2)
    return (count * product - one * other) / sqrt(variances) if variances else 0.0


def _power_slope(pixels: Array) -> Any:
    """The slope of a line through power by frequency, both as logarithms, for an eighth of the frequencies."""
    is_constant = np.ptp(pixels) == 0
    magnitudes, powers = (np.zeros(0), np.zeros(0)) if is_constant else _radial_spectrum(pixels)
    is_valid = magnitudes > 0
    if not np.sum(magnitudes) > 0 or np.count_nonzero(is_valid) < 2:
        return 0
    frequencies, powers = np.log(np.flatnonzero(is_valid) + 2), np.log(powers[is_valid])
    is_finite = np.isfinite(powers)
    lines = np.column_stack([frequencies, np.ones(len(frequencies))])[is_finite]
    return scipy.linalg.lstsq(lines, powers[is_finite][:, np.newaxis])[0][0]


def _radial_spectrum(pixels: Array) -> tuple[Array, Array]:
    """Sums of magnitude and power over rings of a width of 1, beginning with the second.

    The original takes the distance from the nearest corner of the spectrum, of which frequency 0 is one. Half of the
    spectrum mirrors the other.
    """
    end = floor(min(pixels.shape) / 8)
    height = len(pixels)
    if end <= 2:
        return np.zeros(0), np.zeros(0)
    pixels = pixels / median(np.abs(pixels - pixels.mean()))
    spectrum = scipy.fft.rfft(pixels - np.mean(pixels))[:, : end + 1]
    magnitudes = np.abs(scipy.fft.fft(spectrum, axis=0))
    rows = np.concatenate([np.arange(end), np.arange(height - end, height)])
    distances = np.minimum(rows, height - 1 - rows)[:, np.newaxis] ** 2 + np.arange(end) ** 2
    rings = np.floor(np.sqrt(distances)).astype(int).ravel() + 1
    corners = np.stack([magnitudes[rows, :end], magnitudes[-rows, 1:]])
    corners[0, end:, 0] = magnitudes[end:0:-1, 0]  # in the first column, too, one half of SciPy's mirrors the other
    rings = np.concatenate([rings, rings])
    return np.bincount(rings, corners.ravel())[2:end], np.bincount(rings, corners.ravel() ** 2)[2:end]
