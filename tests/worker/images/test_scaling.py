"""Values in 8 bits can be turned back, and are then no further off than is stated."""

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from cellpainting.images.scaling import Limits, restore, scale_to_8bit

EVERY_VALUE = np.arange(2**16, dtype=np.uint16)[None]
values = st.floats(0, 2**16 - 1, width=32)


@settings(deadline=None)
@given(values, values)
@example(4.0, 12.0)
@example(16205.0, 50633.0)
def test_restored_value_between_the_limits_is_within_the_stated_error(one: float, other: float) -> None:
    limits = Limits(min(one, other), max(one, other))
    restored = restore(scale_to_8bit(EVERY_VALUE, limits), limits)
    between = (limits.low <= EVERY_VALUE) & (limits.high >= EVERY_VALUE)
    off = np.abs(restored.astype(float) - EVERY_VALUE)[between]
    assert off.max(initial=0) <= limits.largest_error


def test_stated_error_is_half_of_one_of_255_steps() -> None:
    assert Limits(100, 100 + 255 * 40).largest_error == pytest.approx(20, rel=1e-4)


def test_value_outside_of_the_limits_becomes_the_limit() -> None:
    limits = Limits(1000, 1000 + 255 * 4)
    restored = restore(scale_to_8bit(EVERY_VALUE, limits), limits)
    assert set(np.unique(restored[limits.low > EVERY_VALUE])) == {1002}
    assert set(np.unique(restored[limits.high < EVERY_VALUE])) == {limits.high}


def test_image_is_not_changed_by_scaling() -> None:
    image = EVERY_VALUE.copy()
    scale_to_8bit(image, Limits(10, 20))
    assert np.array_equal(image, EVERY_VALUE)
