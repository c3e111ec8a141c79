"""CorrectIlluminationCalculate for each image: the background, smoothed with a Gaussian."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def module(block: int = 20, width: float = 15) -> Any:
    """The module with blocks of this size and a filter of this width."""
    from cellprofiler.modules.correctilluminationcalculate import (
        EA_EACH,
        FI_MANUALLY,
        IC_BACKGROUND,
        SM_GAUSSIAN_FILTER,
        CorrectIlluminationCalculate,
    )

    made = CorrectIlluminationCalculate()
    made.image_name.value, made.illumination_image_name.value = "One", "Illumination"
    made.intensity_choice.value, made.each_or_all.value = IC_BACKGROUND, EA_EACH
    made.smoothing_method.value, made.automatic_object_width.value = SM_GAUSSIAN_FILTER, FI_MANUALLY
    made.block_size.value, made.size_of_smoothing_filter.value = block, width
    made.rescale_option.value = "No"
    return made


PART = "CorrectIlluminationCalculate"
SETTINGS: dict[str, Callable[[], Any]] = {
    "blocks of 20 pixels": module,
    "blocks of 7 pixels": lambda: module(7, 60),
    "blocks larger than the image": lambda: module(200),
}
# Blocks of masked pixels have a minimum of their own.
LEFT = ("masked", "whole cells masked", "all masked")
