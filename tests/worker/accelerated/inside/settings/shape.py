"""MeasureObjectSizeShape on both objects."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def module(zernikes: bool = True, advanced: bool = True) -> Any:
    """The module with these settings."""
    from cellprofiler.modules.measureobjectsizeshape import MeasureObjectSizeShape

    made = MeasureObjectSizeShape()
    made.objects_list.value = "Cells, Nuclei"
    made.calculate_zernikes.value = zernikes
    made.calculate_advanced.value = advanced
    return made


PART = "MeasureObjectSizeShape"
SETTINGS: dict[str, Callable[[], Any]] = {
    "all features": module,
    "no Zernike features": lambda: module(zernikes=False),
    "no advanced features": lambda: module(advanced=False),
}
