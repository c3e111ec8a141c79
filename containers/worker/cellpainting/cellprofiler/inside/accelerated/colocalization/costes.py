"""Costes's thresholds: the line that two images follow, and how far down it their pixels below still correlate.

CellProfiler asks `scipy.stats.pearsonr` at each step, of whole images. Here sums are kept while thresholds move, and
SciPy decides only where their rounding could.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.stats
from cellprofiler.modules.measurecolocalization import M_ACCURATE, M_FASTER

from ..kernel import Array
from ..kernels.costes import LOWEST, ROUNDED_OFF, STATE, SUMS, THRESHOLD, move_double, move_single
from .channels import Channel

# Correlations that decide how to go on.
DECISIVE = np.array([0, 0.25, 0.35, 0.45])
# A correlation from sums may be off by this, if deviations are no less than a share of the squares that are summed.
UNCERTAIN = 1e-6
SHARE_OF_DEVIATIONS = 1e-9


def costes_thresholds(method: str, a: Channel, b: Channel, scale: float) -> tuple[float, float]:
    """The thresholds of two images by one of CellProfiler's three methods.

    Raises
    ------
    ValueError
        As the original does of less than two pixels, but not for the "Faster" method.
    """
    slope, intercept = orthogonal_line(a.values, b.values)
    below = PixelsBelow(a, b)
    if method == M_FASTER:
        threshold = bisect(below, slope, intercept, scale)
    else:
        threshold = step_down(below, slope, intercept, scale, is_accurate=method == M_ACCURATE)
    return threshold, slope * threshold + intercept


def orthogonal_line(a: Array, b: Array) -> tuple[Any, Any]:
    """Slope and intercept of the orthogonal regression of the pixels that are above zero in either image.

    In the precision of the images, in which variances and means are rounded: thresholds are compared with pixels.
    """
    is_above = (a > 0) | (b > 0)
    if not is_above.all():
        a, b = a[is_above], b[is_above]
    variance_a, variance_b = np.var(a, ddof=1), np.var(b, ddof=1)
    covariance = 0.5 * (np.var(a + b, ddof=1) - (variance_a + variance_b))
    difference = variance_b - variance_a
    slope = (difference + np.sqrt(difference * difference + 4 * (covariance * covariance))) / (2 * covariance)
    return slope, np.mean(b) - slope * np.mean(a)


class PixelsBelow:
    """The pixels of two images that are below a threshold in at least one of them."""

    def __init__(self, a: Channel, b: Channel) -> None:
        self._a, self._b = a.values, b.values
        self._types = a.values.dtype.type, b.values.dtype.type
        is_single = self._types == (np.float32, np.float32)
        self._move, precision = (move_single, np.dtype("f4")) if is_single else (move_double, np.dtype("f8"))
        self._ascending = [
            values.astype(precision, copy=False)
            for values in (a.ascending, b.values[a.order], b.ascending, a.values[b.order])
        ]
        self._state = np.zeros(STATE)
        self._state[THRESHOLD, :2] = -np.inf
        self._state[LOWEST, :2] = a.lowest, b.lowest
        self.highest = a.highest, b.highest

    @property
    def count(self) -> int:
        """How many they are."""
        return int(self._state[SUMS, 0])

    def move(self, to_a: float, to_b: float) -> None:
        """Move the thresholds, which are rounded to the precision of the images, as NumPy does to compare."""
        type_a, type_b = self._types
        a, b_by_a, b, a_by_b = self._ascending
        self._move(a, b_by_a, b, a_by_b, float(type_a(to_a)), float(type_b(to_b)), self._state)

    def correlation(self) -> float:
        """Pearson's; NaN where one image is constant; near to what is decisive, SciPy's.

        Raises
        ------
        ValueError
            For less than two pixels.
        """
        count, a, b, a_squared, b_squared, products = self._state[SUMS] + self._state[ROUNDED_OFF]
        if count > 2:
            deviations_a, deviations_b = a_squared - a * a / count, b_squared - b * b / count
            if deviations_a > SHARE_OF_DEVIATIONS * a_squared and deviations_b > SHARE_OF_DEVIATIONS * b_squared:
                correlation = (products - a * b / count) / np.sqrt(deviations_a * deviations_b)
                if np.abs(DECISIVE - correlation).min() > UNCERTAIN:
                    return float(correlation)
        below_a, below_b = self._state[THRESHOLD, :2]
        is_below = (self._a < below_a) | (self._b < below_b)
        return float(scipy.stats.pearsonr(self._a[is_below], self._b[is_below])[0])


def bisect(below: PixelsBelow, slope: Any, intercept: Any, scale: float) -> float:
    """The "Faster" method: of a window of levels, the one at five sixths of it is tried, until it stays the same."""
    lower, upper = 1.0, scale
    level, tried, still_positive = (upper - lower) // (6 / 5) + lower, 0.0, 1.0
    while level != tried:
        threshold = level / scale
        below.move(threshold, slope * threshold + intercept)
        correlation = correlation_or_negative(below)
        if correlation < 0:
            lower = level - 1
        elif correlation >= 0:
            upper, still_positive = level + 1, level
        tried = level
        level = (upper - lower) // (6 / 5 if upper - lower > 6 else 2) + lower
    return (still_positive - 1) / scale


def correlation_or_negative(below: PixelsBelow) -> float:
    """What counts as below zero, too: two pixels or less, and what SciPy refuses."""
    if below.count <= 2:
        return -1.0
    try:
        return below.correlation()
    except ValueError:
        return -1.0


def step_down(below: PixelsBelow, slope: Any, intercept: Any, scale: float, *, is_accurate: bool) -> float:
    """The other two methods: level by level, or by several at once while the correlation is far from zero."""
    step = 1 / scale
    tried = threshold = step * (max(below.highest) // step + 1)
    while threshold > below.highest[0] and slope * threshold + intercept > below.highest[1]:
        threshold -= step
    count, correlation = None, np.nan
    while threshold > step:
        tried = threshold
        below.move(threshold, slope * threshold + intercept)
        if below.count != count:
            try:
                correlation = below.correlation()
            except ValueError:
                break
            count = below.count
        if correlation <= 0:
            break
        threshold -= step * (1 if is_accurate or threshold < step * 10 else levels_at_once(correlation))
    return float(tried)


def levels_at_once(correlation: float) -> int:
    """How far the "Fast" method goes."""
    for limit, levels in ((0.45, 10), (0.35, 5), (0.25, 2)):
        if correlation > limit:
            return levels
    return 1
