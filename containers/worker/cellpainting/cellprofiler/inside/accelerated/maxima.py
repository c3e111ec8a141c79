"""The place of each object's maximum, as `scipy.ndimage.maximum_position` has it."""

from __future__ import annotations

import numpy as np

from .kernel import Array
from .kernels.maxima import last_maxima


def places_of_maxima(values: Array, numbers: Array, count: int) -> Array:
    """Which of the values is the maximum of each number from 0 to `count`; 0 for numbers that do not occur.

    `values` and `numbers` are all that are sorted, (k,) float64 and int32. That of number 0 has no meaning.
    """
    found = last_maxima(values, numbers, count)
    if not len(found):
        found = np.zeros(count + 1, np.int64)
        order = values.argsort()
        found[numbers[order]] = order
    return found
