"""OverlayOutlines of cells and nuclei, on a blank image and on one of the images."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def module(mode: str = "Inner", is_blank: bool = True, color: str = "Grayscale") -> Any:
    """The module with outlines of this mode."""
    from cellprofiler.modules.overlayoutlines import OverlayOutlines

    made = OverlayOutlines()
    made.blank_image.value, made.image_name.value = is_blank, "One"
    made.wants_color.value, made.line_mode.value = color, mode
    made.output_image_name.value = "Outlines"
    made.add_outline()
    for outline, name in zip(made.outlines, ("Cells", "Nuclei")):
        outline.objects_name.value = name
    return made


PART = "OverlayOutlines"
SETTINGS: dict[str, Callable[[], Any]] = {
    "blank": module,
    "in colour on an image": lambda: module(is_blank=False, color="Color"),
    "thick": lambda: module("Thick"),
}
