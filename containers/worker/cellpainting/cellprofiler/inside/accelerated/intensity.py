"""MeasureObjectIntensity: one pass over the pixels of each object, and no ranking of those of all objects."""

from __future__ import annotations

from typing import Any

import numpy as np
from cellprofiler.modules.measureobjectintensity import (
    ALL_LOCATION_MEASUREMENTS,
    ALL_MEASUREMENTS,
    C_LOCATION,
    INTENSITY,
    MeasureObjectIntensity,
)

from .kernel import Array
from .kernels.intensity import MAXIMUM_X, MAXIMUM_Y, intensities
from .maxima import places_of_maxima
from .regions import Regions, regions_of
from .replacing import replace_method

FEATURES = [(INTENSITY, name) for name in ALL_MEASUREMENTS] + [(C_LOCATION, name) for name in ALL_LOCATION_MEASUREMENTS]


def install() -> None:
    """Replace the method that measures."""
    replace_method(MeasureObjectIntensity, "run", run)


def run(self: Any, workspace: Any) -> Any:
    """Measure all objects in all images."""
    image_names, object_names = self.images_list.value, self.objects_list.value
    if not image_names or not object_names or not set(object_names) <= set(workspace.object_set.object_names):
        return NotImplemented
    found = {name: regions_of(workspace.object_set.get_objects(name)) for name in object_names}
    objects = {name: regions for name, regions in found.items() if regions is not None}
    images = {name: workspace.image_set.get_image(name, must_be_grayscale=True) for name in image_names}
    shapes = {regions.labels.shape for regions in objects.values()}
    if len(objects) < len(found) or not all(_is_made_for(image.pixel_data, shapes) for image in images.values()):
        return NotImplemented
    for image_name, image in images.items():
        pixels = image.pixel_data.astype(np.float64)
        mask = image.mask if image.has_mask else np.broadcast_to(True, pixels.shape)
        for object_name, regions in objects.items():
            for (category, feature), values in zip(FEATURES, _measure(pixels, mask, regions)):
                workspace.measurements.add_measurement(object_name, f"{category}_{feature}_{image_name}", values)
    return None


def _is_made_for(pixels: Array, shapes: set[tuple[int, ...]]) -> bool:
    return pixels.dtype in (np.float32, np.float64) and shapes == {pixels.shape}


def _measure(pixels: Array, mask: Array, regions: Regions) -> Array:
    """By feature and number of the object; zero for numbers that do not occur."""
    if not len(regions):
        return np.zeros((len(FEATURES), 0))
    features, is_tied = intensities(pixels, mask, regions.pixels, regions.starts, regions.is_edge)
    if is_tied.any():
        features[MAXIMUM_Y, is_tied], features[MAXIMUM_X, is_tied] = _maxima(pixels, mask, regions)[:, is_tied]
    by_number = np.zeros((len(FEATURES), regions.numbers[-1]))
    by_number[:, regions.numbers - 1] = features
    return by_number


def _maxima(pixels: Array, mask: Array, regions: Regions) -> Array:
    """Row and column of each object's maximum, among all pixels of objects that are looked at."""
    used = np.flatnonzero((regions.labels > 0) & mask)
    found = places_of_maxima(pixels.ravel()[used], regions.labels.ravel()[used], regions.numbers[-1])
    return np.stack(np.unravel_index(used[found[regions.numbers]], pixels.shape))
