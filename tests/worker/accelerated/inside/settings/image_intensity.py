"""MeasureImageIntensity of both images, as a whole and within objects, with percentiles."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def module(objects: str = "", percentiles: str = "") -> Any:
    """The module, within objects if there are any."""
    from cellprofiler.modules.measureimageintensity import MeasureImageIntensity

    made = MeasureImageIntensity()
    made.images_list.value = "One, Two"
    made.wants_objects.value = bool(objects)
    made.objects_list.value = objects
    made.wants_percentiles.value = bool(percentiles)
    made.percentiles.value = percentiles
    return made


PART = "MeasureImageIntensity"
SETTINGS: dict[str, Callable[[], Any]] = {
    "with percentiles": lambda: module(percentiles="0, 1, 10, 33, 66, 99, 100"),
    "objects": lambda: module("Cells, Nuclei"),
}
