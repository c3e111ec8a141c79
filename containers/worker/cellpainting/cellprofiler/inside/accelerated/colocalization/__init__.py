"""MeasureColocalization: what is needed of each image, or of each object in it, is found once and not for each pair.

Ranks are of all images; Costes's thresholds, which are of whole images, are not sought for each kind of objects again.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

import numpy as np
from cellprofiler.modules.measurecolocalization import (
    F_CORRELATION_FORMAT,
    F_COSTES_FORMAT,
    F_K_FORMAT,
    F_MANDERS_FORMAT,
    F_OVERLAP_FORMAT,
    F_RWC_FORMAT,
    F_SLOPE_FORMAT,
    MeasureColocalization,
)

from ..kernel import Array
from ..regions import regions_of
from ..replacing import replace_method
from .channels import Pair
from .objects import measure_objects
from .values import OtherwiseThanUsual, Values
from .whole_images import measure_whole_images

# By what there is a setting for, in CellProfiler's order: names of a pair, and those of the pair the other way round.
FEATURES_OF_IMAGES = {
    "corr_and_slope": ((F_CORRELATION_FORMAT, F_SLOPE_FORMAT), ()),
    "overlap": ((F_OVERLAP_FORMAT, F_K_FORMAT), (F_K_FORMAT,)),
    "manders": ((F_MANDERS_FORMAT,), (F_MANDERS_FORMAT,)),
    "rwc": ((F_RWC_FORMAT,), (F_RWC_FORMAT,)),
    "costes": ((F_COSTES_FORMAT,), (F_COSTES_FORMAT,)),
}
FEATURES_OF_OBJECTS = {
    "corr_and_slope": ((F_CORRELATION_FORMAT,), ()),
    **{name: FEATURES_OF_IMAGES[name] for name in ("manders", "rwc", "overlap", "costes")},
}


def install() -> None:
    """Replace the method that measures all pairs."""
    replace_method(MeasureColocalization, "run", run)


def run(self: Any, workspace: Any) -> Any:
    """Measure all pairs of images as a whole, and in objects."""
    pairs = list(self.get_image_pairs())
    images = {name: workspace.image_set.get_image(name, must_be_grayscale=True) for name in self.images_list.value}
    names = self.objects_list.value if self.wants_objects() else []
    regions = {name: regions_of(workspace.object_set.get_objects(name)) for name in names}
    labels = {name: found.labels for name, found in regions.items() if found is not None}
    if not pairs or len(labels) < len(names) or not are_usual(images.values(), labels.values()):
        return NotImplemented
    wanted = {name for name in FEATURES_OF_IMAGES if getattr(self, f"do_{name}").value}
    try:
        with np.errstate(divide="ignore", invalid="ignore"):
            whole, common = measure_whole_images(self, images, pairs, wanted)
            of_objects = measure_objects(images, pairs, wanted, labels, common, self.thr.value)
    except OtherwiseThanUsual:
        return NotImplemented
    for pair in pairs:
        if self.wants_images():
            for name, value in named(FEATURES_OF_IMAGES, pair, whole[pair]):
                workspace.measurements.add_image_measurement(name, value)
        for object_name in names:
            for name, values in named(FEATURES_OF_OBJECTS, pair, of_objects[object_name, pair]):
                workspace.measurements.add_measurement(object_name, name, values)
    return None


def are_usual(images: Collection[Any], labels: Iterable[Array]) -> bool:
    """Whether images and objects are in two dimensions, all of one size, and images of real numbers."""
    shapes = {array.shape for image in images for array in (image.pixel_data, image.mask)}
    shapes.update(array.shape for array in labels)
    types = {image.pixel_data.dtype for image in images}
    return len(shapes) == 1 and len(shapes.pop()) == 2 and types <= {np.dtype(np.float32), np.dtype(np.float64)}


def named(
    features: Mapping[str, tuple[tuple[str, ...], tuple[str, ...]]], pair: Pair, values: Values
) -> Iterator[tuple[str, Any]]:
    """Names of measurements and their values, in order."""
    for feature, (formats, formats_of_reversed) in features.items():
        if feature in values:
            names = [text % pair for text in formats] + [text % pair[::-1] for text in formats_of_reversed]
            yield from zip(names, values[feature])
