"""MeasureGranularity of both images, with objects."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def module(**settings: Any) -> Any:
    """The module with these settings."""
    from cellprofiler.modules.measuregranularity import MeasureGranularity

    made = MeasureGranularity()
    made.images_list.value = "One, Two"
    made.wants_objects.value = True
    made.objects_list.value = settings.get("objects", "Cells, Nuclei")
    made.subsample_size.value = settings.get("subsample", 0.5)
    made.image_sample_size.value = settings.get("background", 0.5)
    made.element_size.value = settings.get("radius", 5)
    made.granular_spectrum_length.value = settings.get("scales", 8)
    return made


PART = "MeasureGranularity"
SETTINGS: dict[str, Callable[[], Any]] = {
    "half": module,
    "full size": lambda: module(subsample=1, background=1),
    "full size with small background": lambda: module(subsample=1, background=0.25),
    "sizes that are no whole numbers": lambda: module(subsample=0.3, background=0.7, radius=2, scales=3),
    "a disk as large as the image": lambda: module(subsample=0.9, background=0.2, radius=16),
}
# Reconstruction writes beyond its arrays.
NOT_TRIED = ("NaN", "infinity")
