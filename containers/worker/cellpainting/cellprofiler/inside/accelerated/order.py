"""`numpy.median` and `numpy.percentile` of many numbers in single precision, by counting instead of sorting in part."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .kernel import Array
from .kernels.selection import select

FEW = 8192  # Below, NumPy is faster.


def median(values: Array) -> Any:
    """What `numpy.median` gives, of the same type."""
    if not _is_made_for(values):
        return np.median(values)
    middle = values.size // 2
    positions = [middle] if values.size % 2 else [middle - 1, middle]
    return np.mean(_at(values, positions))


def percentiles(values: Array, wanted: Sequence[float]) -> Array:
    """What `numpy.percentile` gives, which is in double precision, from differences in single precision."""
    if not _is_made_for(values):
        return np.asarray(np.percentile(values, wanted))
    positions = np.divide(wanted, 100) * (values.size - 1)
    below = np.floor(positions).astype(np.int64)
    one, other = np.split(_at(values, [*below, *np.minimum(below + 1, values.size - 1)]), 2)
    share = positions - below
    step = other - one
    return np.asarray(np.where(share < 0.5, one + step * share, other - step * (1 - share)))


def _is_made_for(values: Array) -> bool:
    return values.dtype == np.float32 and values.size >= FEW and not np.isnan(values.min())


def _at(values: Array, positions: Sequence[int]) -> Array:
    bits = np.ravel(values).view(np.int32)
    selected: Array = select(bits, np.asarray(positions, np.int64)).view(np.float32)
    return selected
