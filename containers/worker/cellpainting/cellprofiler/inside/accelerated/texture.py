"""MeasureTexture: Haralick's features of all objects at once, and no statistics for a window: there is none.

One kernel takes the place of `mahotas.features.haralick`, which makes its tables of 256 x 256 for each object,
direction and scale.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import skimage.exposure
import skimage.util
from cellprofiler.modules.measuretexture import F_HARALICK, TEXTURE, MeasureTexture

from .kernel import Array
from .kernels.haralick import DIRECTIONS, haralick
from .regions import Regions, regions_of
from .replacing import replace_method


def install() -> None:
    """Replace the method that measures all images, each of which is made grey levels once."""
    replace_method(MeasureTexture, "run", run)


def run(self: Any, workspace: Any) -> Any:
    """Measure all images, at all scales, as a whole and in objects."""
    images = {name: workspace.image_set.get_image(name, must_be_grayscale=True) for name in self.images_list.value}
    names = self.objects_list.value if self.wants_object_measurements() else []
    found = {name: regions_of(workspace.get_objects(name)) for name in names}
    objects = {name: regions for name, regions in found.items() if regions is not None}
    scales = [group.scale.value for group in self.scale_groups]
    if len(objects) < len(found) or not all(
        _is_measurable(image.pixel_data, objects, scales) for image in images.values()
    ):
        return NotImplemented
    for image_name, image in images.items():
        levels = _levels(image.pixel_data, self.gray_levels.value)
        for scale in scales:
            if self.wants_image_measurements():
                for name, value in _named(self, image_name, scale, _of_image(levels, scale)):
                    workspace.measurements.add_image_measurement(name, value[0])
            if image.has_mask and any(map(len, objects.values())):
                image.pixel_data[~image.mask] = 0  # in place, for whoever reads it later too: so does the original
                levels = _levels(image.pixel_data, self.gray_levels.value)
            for object_name, regions in objects.items():
                for name, values in _named(self, image_name, scale, _of_objects(levels, regions, scale)):
                    workspace.add_measurement(object_name, name, values)
    return None


def _is_measurable(pixels: Array, objects: dict[str, Regions], scales: list[int]) -> bool:
    """Whether all is in two dimensions and of one size, and has pairs at all scales; the original raises for others."""
    if pixels.ndim != 2 or min(pixels.shape) <= max(scales):
        return False
    return all(not len(regions) or regions.labels.shape == pixels.shape for regions in objects.values())


def _of_image(levels: Array, scale: int) -> Array:
    height, width = levels.shape
    whole = np.array([[0, height, 0, width]])
    return haralick(levels, np.ones(levels.shape, np.int32), np.ones(1, np.int32), whole, scale, False)


def _of_objects(levels: Array, regions: Regions, scale: int) -> Array:
    if not len(regions):
        return np.zeros((DIRECTIONS, len(F_HARALICK), 0))
    features = haralick(levels, regions.labels, regions.numbers, regions.boxes, scale, True)
    features[~np.isfinite(features)] = 0
    return features


def _levels(pixels: Array, count: int) -> Array:
    """Grey levels 0 to count - 1, uint8."""
    levels = skimage.util.img_as_ubyte(pixels)
    if count != 256:
        levels = skimage.exposure.rescale_intensity(levels, in_range=(0, 255), out_range=(0, count - 1))
    return np.ascontiguousarray(levels, np.uint8)


def _named(module: Any, image_name: str, scale: int, features: Array) -> Iterator[tuple[str, Array]]:
    for direction, direction_features in enumerate(features):
        for name, values in zip(F_HARALICK, direction_features):
            scales = f"{scale:d}_{direction:02d}_{module.gray_levels.value:d}"
            yield f"{TEXTURE}_{name}_{image_name}_{scales}", values
