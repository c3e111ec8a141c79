"""MeasureImageQuality of both images: blur at four scales, saturation, intensity and Otsu's thresholds."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def module(scales: tuple[int, ...] = (1, 5, 20, 200)) -> Any:
    """The module with these scales of blur."""
    from cellprofiler.modules.measureimagequality import (
        O_BACKGROUND,
        O_ENTROPY,
        O_SELECT,
        O_THREE_CLASS,
        O_TWO_CLASS,
        O_WEIGHTED_VARIANCE,
        MeasureImageQuality,
    )

    made = MeasureImageQuality()
    made.images_choice.value = O_SELECT
    group = made.image_groups[0]
    group.image_names.value = "One, Two"
    group.include_image_scalings.value = False
    methods = [(classes, of) for classes in (O_TWO_CLASS, O_THREE_CLASS) for of in (O_WEIGHTED_VARIANCE, O_ENTROPY)]
    for _ in methods[1:]:
        made.add_threshold_group(group)
    for threshold, (classes, of) in zip(group.threshold_groups, methods):
        threshold.threshold_method.value = "Otsu"
        threshold.two_class_otsu.value, threshold.use_weighted_variance.value = classes, of
        threshold.assign_middle_to_foreground.value = O_BACKGROUND
    for _ in scales[1:]:
        made.add_scale_group(group)
    for scale_group, scale in zip(group.scale_groups, scales):
        scale_group.scale.value = scale
    return made


PART = "MeasureImageQuality"
SETTINGS: dict[str, Callable[[], Any]] = {"four scales": module, "one scale": lambda: module((7,))}
# To which of eight levels NaN belongs is for the processor to say.
LEFT = ("NaN", "infinity")
