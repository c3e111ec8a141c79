"""MeasureGranularity: all scales of an image from one tree of its parts, and objects by the weights of its pixels.

The original reconstructs an image at each scale and interpolates it to its full size: see `kernels/granularity.py`.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import isqrt
from typing import Any

import numpy as np
import scipy.ndimage
import scipy.sparse
from cellprofiler.modules.measuregranularity import MeasureGranularity

from .kernel import Array
from .kernels.granularity import component_tree, erode, interpolate, largest_in_parts, reconstruct, sums, weigh_pixels
from .kernels.ordering import order_of
from .regions import Regions, regions_of
from .replacing import replace_method

EPSILON = np.finfo(float).eps
MOST_SCALES = np.iinfo(np.uint16).max


def install() -> None:
    """Replace the method that measures all images, since they share the weights of objects."""
    replace_method(MeasureGranularity, "run", run)


def run(self: Any, workspace: Any) -> Any:
    """Measure all images."""
    images = [workspace.image_set.get_image(name, must_be_grayscale=True) for name in self.images_list.value]
    regions = [regions_of(workspace.object_set.get_objects(name)) for name in self.objects_list.value]
    if self.granular_spectrum_length.value > MOST_SCALES:
        return NotImplemented
    if not all(_is_measurable(image.pixel_data, self) for image in images):
        return NotImplemented
    if not all(_fit(item, image.pixel_data) for image in images for item in regions):
        return NotImplemented
    shared: dict[tuple[int, ...], list[Weighed]] = {}
    for name, image in zip(self.images_list.value, images):
        shape = image.pixel_data.shape
        small, small_mask = _small(image.pixel_data, image.mask, self)
        objects = None if image.has_mask else shared.get(shape)
        if objects is None:
            objects = [Weighed(item, image.mask, small.shape, self.subsample_size.value) for item in regions]
        if not image.has_mask:
            shared[shape] = objects
        _add_measurements(self, workspace, name, image.pixel_data, objects, small, small_mask)
    return None


def _is_measurable(pixels: Array, module: Any) -> bool:
    if pixels.ndim != 2 or pixels.dtype not in (np.float32, np.float64) or not np.isfinite(pixels).all():
        return False
    factor, background_factor = module.subsample_size.value, module.image_sample_size.value
    least = min(pixels.shape) * factor
    # For a disk that is larger than the image SciPy takes pixels from elsewhere.
    is_large = least > 1 and least * background_factor >= module.element_size.value
    return bool(is_large and max(factor, background_factor) <= 1)


def _fit(regions: Regions | None, pixels: Array) -> bool:
    return regions is not None and (not len(regions) or regions.labels.shape == pixels.shape)


def _small(pixels: Array, mask: Array, module: Any) -> tuple[Array, Array]:
    """The image that is measured, without background, and its mask."""
    factor, background_factor = module.subsample_size.value, module.image_sample_size.value
    size = np.multiply(pixels.shape, factor)
    small, small_mask = (pixels.copy(), mask) if factor == 1 else _subsampled(pixels, mask, size, factor)
    radius = module.element_size.value
    if background_factor == 1:
        background = _opened(small, small_mask, radius)
    else:
        background_size = size * background_factor
        background = _opened(*_subsampled(small, small_mask, background_size, background_factor), radius)
        background = _resized(background, small.shape, background_size, size)
    small -= background.astype(small.dtype)
    small[small <= 0] = 0  # -0.0, too
    return small, small_mask


def _subsampled(pixels: Array, mask: Array, size: Array, factor: float) -> tuple[Array, Array]:
    """An image and its mask at a smaller size, which is not a whole number."""
    rows, columns = (np.arange(np.ceil(length)) / factor for length in size)
    subsampled = interpolate(pixels.astype(np.float64), rows, columns).astype(pixels.dtype)
    if mask.all():
        # What the spline of ones is within the image. The last row or column can be beyond it.
        last_row, last_column = np.subtract(mask.shape, 1)
        return subsampled, (rows <= last_row)[:, np.newaxis] & (columns <= last_column)
    grid = np.meshgrid(rows, columns, indexing="ij")
    return subsampled, scipy.ndimage.map_coordinates(mask.astype(float), grid) > 0.9


def _resized(pixels: Array, shape: tuple[int, ...], size: Array, new_size: Array) -> Array:
    """An image of a size, which is not a whole number, interpolated to a shape, of which the size is `new_size`."""
    return interpolate(pixels.astype(np.float64), *_coordinates(shape, size, new_size))


def _coordinates(shape: tuple[int, ...], size: Array, new_size: Array) -> Iterator[Array]:
    """The rows and columns of a shape in pixels of the image of another size; the last can be beyond that image."""
    for count, length, new_length in zip(shape, size, new_size):
        yield np.arange(float(count)) * ((length - 1) / (new_length - 1))


def _opened(pixels: Array, mask: Array, radius: int) -> Array:
    """Minimum and then maximum over a disk, where the mask counts as 0."""
    eroded = _lowest_in_disk(np.where(mask, pixels, 0), radius)
    return -_lowest_in_disk(-np.where(mask, eroded, 0), radius)


def _lowest_in_disk(pixels: Array, radius: int) -> Array:
    """The minimum over a disk; at borders over what lies within, since what is mirrored there is in the disk, too."""
    height = len(pixels)
    lowest = pixels.copy()
    runs, half_width = pixels, 0  # minima over 2 * half_width + 1 columns
    for down in range(radius, -1, -1):
        while half_width < isqrt(radius**2 - down**2):
            half_width += 1
            narrower, runs = runs, runs.copy()
            np.minimum(runs[:, 1:], narrower[:, :-1], out=runs[:, 1:])
            np.minimum(runs[:, :-1], narrower[:, 1:], out=runs[:, :-1])
        if down < height:
            np.minimum(lowest[down:], runs[: height - down], out=lowest[down:])
            np.minimum(lowest[: height - down], runs[down:], out=lowest[: height - down])
    return lowest


class Weighed:
    """Objects, and how much each pixel of the small image weighs in the mean over each."""

    def __init__(self, regions: Any, mask: Array, shape: tuple[int, ...], factor: float) -> None:
        self._numbers = regions.numbers
        self._count = int(regions.numbers.max(initial=0))
        self._labels = regions.labels if mask.all() or not self._count else np.where(mask, regions.labels, 0)
        size = np.multiply(self._labels.shape, factor)
        rows, columns = _coordinates(self._labels.shape, size, np.array(self._labels.shape))
        starts, pixels, weights, self._sizes = weigh_pixels(
            self._labels, self._numbers, regions.boxes, rows, columns, *shape
        )
        self._weights = scipy.sparse.csr_matrix((weights, pixels, starts), (len(regions), np.prod(shape)))

    def means(self, small: Array) -> Array:
        """Of the small image (float64) interpolated, by number; NaN for numbers that no object has."""
        return self._by_number(self._weights @ small.ravel())

    def means_of_image(self, pixels: Array) -> Array:
        """Of an image of full size (float64), by number."""
        return self._by_number(sums(pixels, self._labels, self._count)[self._numbers])

    def _by_number(self, totals: Array) -> Array:
        means = np.full(self._count, np.nan)
        with np.errstate(invalid="ignore"):
            means[self._numbers - 1] = totals / self._sizes
        return means


def _add_measurements(
    module: Any, workspace: Any, name: str, pixels: Array, objects: list[Weighed], small: Array, mask: Array
) -> None:
    """Measure and add the spectra of an image and of objects."""
    mean: Any = np.mean(small[mask])  # float32 as the pixels: so is the original's
    start = max(mean, EPSILON)
    pixels = pixels.astype(np.float64)
    means = [item.means_of_image(pixels) for item in objects]
    starts = [np.maximum(item, EPSILON) for item in means]
    scales = module.granular_spectrum_length.value
    for scale, remaining in enumerate(_reconstructions(small, mask, scales), 1):
        feature = module.granularity_feature(scale, name)
        before, mean = mean, np.mean(remaining[mask])
        workspace.measurements.add_image_measurement(feature, (before - mean) * 100 / start)
        for index, (object_name, item) in enumerate(zip(module.objects_list.value, objects)):
            before, means[index] = means[index], item.means(remaining)
            spectrum = (before - means[index]) * 100 / starts[index]
            workspace.measurements.add_measurement(object_name, feature, spectrum)


def _reconstructions(small: Array, mask: Array, scales: int) -> Iterator[Array]:
    """What remains of an image at each scale, float64, in the same array."""
    order = order_of(small.ravel().view(np.int32)) if small.dtype == np.float32 else np.argsort(small, axis=None)
    values = np.concatenate([[0], small.ravel()[order]])
    ranks = np.empty(small.shape, np.int32)
    ranks.ravel()[order] = np.arange(1, small.size + 1)
    parents = component_tree(ranks, order)
    sizes = np.zeros(len(values), np.uint16)
    eroded, spare = np.where(mask, ranks, 0).astype(np.int32), ranks
    for scale in range(1, scales + 1):
        erode(eroded, spare, scale, sizes)
        eroded, spare = spare, eroded
    largest_in_parts(parents, sizes)
    levels, remaining = np.empty(len(values)), np.empty(small.shape)
    for scale in range(1, scales + 1):
        reconstruct(parents, sizes, scale, values, order, levels, remaining.ravel())
        yield remaining
