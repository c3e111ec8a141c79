"""MeasureColocalization of both images, as a whole and in objects, with all of its methods."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def module(**settings: Any) -> Any:
    """The module with these settings."""
    from cellprofiler.modules.measurecolocalization import MeasureColocalization

    made = MeasureColocalization()
    made.images_list.value = "One, Two"
    made.objects_list.value = "Cells, Nuclei"
    made.thr.value = settings.get("threshold", 15)
    made.images_or_objects.value = settings.get("where", "Both")
    made.fast_costes.value = settings.get("costes", "Faster")
    for name in ("corr_and_slope", "manders", "rwc", "overlap", "costes"):
        getattr(made, f"do_{name}").value = name not in settings.get("without", ())
    return made


PART = "MeasureColocalization"
SETTINGS: dict[str, Callable[[], Any]] = {
    "everything": module,
    "Costes's thresholds level by level": lambda: module(costes="Accurate", where="Across entire image"),
    "Costes's thresholds in steps": lambda: module(costes="Fast", where="Within objects", threshold=0),
    "no ranks and thresholds": lambda: module(without=("rwc", "costes"), threshold=60),
    "no correlation": lambda: module(without=("corr_and_slope", "overlap", "manders")),
}
LEFT = ("infinity",)
