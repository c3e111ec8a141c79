"""MeasureObjectNeighbors of cells among themselves, and of nuclei and cells."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def module(method: str, distance: int = 5, objects: str = "Cells", neighbors: str = "Cells") -> Any:
    """The module with these settings."""
    from cellprofiler.modules.measureobjectneighbors import MeasureObjectNeighbors

    made = MeasureObjectNeighbors()
    made.object_name.value, made.neighbors_name.value = objects, neighbors
    made.distance_method.value, made.distance.value = method, distance
    return made


def without_excluded() -> Any:
    """The module that takes no account of objects that were discarded."""
    made = module("Within a specified distance", 3)
    made.wants_excluded_objects.value = False
    return made


PART = "MeasureObjectNeighbors"
SETTINGS: dict[str, Callable[[], Any]] = {
    "within 5 pixels": lambda: module("Within a specified distance"),
    "within 12 pixels": lambda: module("Within a specified distance", 12),
    "adjacent": lambda: module("Adjacent"),
    "expanded": lambda: module("Expand until adjacent"),
    "cells near to nuclei": lambda: module("Within a specified distance", 4, "Nuclei", "Cells"),
    "nuclei near to cells, expanded": lambda: module("Expand until adjacent", 1, "Cells", "Nuclei"),
    "without excluded objects": without_excluded,
}
