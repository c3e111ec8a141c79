"""MeasureTexture on both images, objects and images as a whole."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def module(**settings: Any) -> Any:
    """The module with these settings."""
    from cellprofiler.modules.measuretexture import MeasureTexture

    made = MeasureTexture()
    made.images_list.value = "One, Two"
    made.objects_list.value = "Cells, Nuclei"
    made.scale_groups[0].scale.value = settings.get("scale", 3)
    made.gray_levels.value = settings.get("gray_levels", 256)
    made.images_or_objects.value = settings.get("what", "Both")
    return made


PART = "MeasureTexture"
SETTINGS: dict[str, Callable[[], Any]] = {
    "256 grey levels": module,
    "16 grey levels": lambda: module(gray_levels=16),
    "a scale larger than most objects": lambda: module(scale=30),
    "objects only": lambda: module(what="Objects"),
}
