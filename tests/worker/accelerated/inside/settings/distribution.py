"""MeasureObjectIntensityDistribution on both images and objects, from centres of all kinds."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Bins = tuple[bool, int, int]  # scaled or not, their number, their radius


def module(center: str, *bins: Bins, zernikes: str = "None", degree: int = 9) -> Any:
    """The module with these settings."""
    from cellprofiler.modules.measureobjectintensitydistribution import MeasureObjectIntensityDistribution

    made = MeasureObjectIntensityDistribution()
    made.images_list.value = "One, Two"
    made.wants_zernikes.value, made.zernike_degree.value = zernikes, degree
    made.add_object()
    for of_one, name, other in zip(made.objects, ("Cells", "Nuclei"), ("Nuclei", "Cells")):
        of_one.object_name.value, of_one.center_choice.value, of_one.center_object_name.value = name, center, other
    for index, (is_scaled, count, radius) in enumerate(bins):
        if index:
            made.add_bin_count()
        settings = made.bin_counts[index]
        settings.wants_scaled.value, settings.bin_count.value, settings.maximum_radius.value = is_scaled, count, radius
    return made


PART = "MeasureObjectIntensityDistribution"
SETTINGS: dict[str, Callable[[], Any]] = {
    "own centres": lambda: module("These objects", (True, 4, 100), zernikes="Magnitudes and phase", degree=4),
    "centres of others": lambda: module("Centers of other objects", (False, 16, 9), (False, 5, 20)),
    "edges of others": lambda: module(
        "Edges of other objects", (True, 4, 100), (False, 3, 8), zernikes="Magnitudes only"
    ),
}
