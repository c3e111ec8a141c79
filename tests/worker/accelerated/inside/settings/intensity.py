"""MeasureObjectIntensity on both images and objects."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def module() -> Any:
    """The module."""
    from cellprofiler.modules.measureobjectintensity import MeasureObjectIntensity

    made = MeasureObjectIntensity()
    made.images_list.value = "One, Two"
    made.objects_list.value = "Cells, Nuclei"
    return made


PART = "MeasureObjectIntensity"
SETTINGS: dict[str, Callable[[], Any]] = {"both images and objects": module}
