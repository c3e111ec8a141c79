"""What counts as the same value: within one millionth, or one billionth where it is about zero.

NumPy only; the worker and the tests import it too.
"""

from __future__ import annotations

import re
from typing import Any, NamedTuple

import numpy as np

RELATIVE = 1e-6
ABSOLUTE = 1e-9


class Unstable(NamedTuple):
    """Columns in which CellProfiler's own value depends on how its sums are rounded, and so on the machine."""

    columns: str
    absolute: float
    reason: str


UNSTABLE = (
    Unstable(
        "Texture_InfoMeas2_",
        1e-7,
        "the root of 1 - exp(-x), where x, a difference of entropies, is zero but for rounding: 1e-15 becomes 4e-8",
    ),
)


def difference(column: str, one: Any, other: Any) -> np.ndarray[Any, Any]:
    """How far values are apart, relative to the larger, or to `ABSOLUTE / RELATIVE` where both are smaller than that.

    Parameters
    ----------
    column : str
        The name of the measurement, which decides what "about zero" is.
    one, other : array_like of numbers
        Of the same shape.

    Returns
    -------
    float64 of that shape
        Larger than `RELATIVE` for what is not the same; infinity where only one is NaN.
    """
    one, other = np.asarray(one, np.float64), np.asarray(other, np.float64)
    absolute = max([ABSOLUTE, *(rule.absolute for rule in UNSTABLE if re.match(rule.columns, column))])
    is_same = (one == other) | (np.isnan(one) & np.isnan(other))
    with np.errstate(invalid="ignore"):
        apart = np.abs(one - other) / np.maximum(np.maximum(np.abs(one), np.abs(other)), absolute / RELATIVE)
    return np.where(is_same, 0, np.where(np.isnan(apart), np.inf, apart))
