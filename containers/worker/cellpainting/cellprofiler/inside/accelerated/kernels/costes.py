"""Sums over the pixels of two images that are below a threshold in at least one, kept while the thresholds move.

Only pixels between the old threshold and the new one are looked at, which the order of the pixels tells.
"""

from __future__ import annotations

import numpy as np

from ..kernel import Array, kernel, part_of_kernels

# Rows of the state: of either image, how many pixels are below its threshold, the threshold, and the lowest value,
# which all others are measured from. Then the sums of 1, x, y, x * x, y * y and x * y, and what they were rounded off:
# with it they are as good when nearly all has been taken away again as if it had never been there.
BELOW, THRESHOLD, LOWEST, SUMS, ROUNDED_OFF = range(5)
STATE = (5, 6)


@part_of_kernels
def count_below(ascending: Array, threshold: float) -> int:
    """How many of the values are below a threshold; none, if it is NaN."""
    low, high = 0, len(ascending)
    while low < high:
        middle = (low + high) // 2
        if ascending[middle] < threshold:
            low = middle + 1
        else:
            high = middle
    return low


@part_of_kernels
def add(total: float, rounded_off: float, term: float) -> tuple[float, float]:
    """A sum with one term more, and all that it was rounded off (Knuth's two-sum)."""
    new = total + term
    added = new - total
    return new, rounded_off + ((total - (new - added)) + (term - added))


@part_of_kernels
def move_one(values: Array, others: Array, which: int, threshold: float, state: Array) -> None:
    """Move the threshold of image `which`, 0 or 1, whose `values` these are, ascending; `others` of the same pixels."""
    old, new = np.int64(state[BELOW, which]), count_below(values, threshold)
    sign = 1.0 if new > old else -1.0
    lowest, lowest_other, other_threshold = state[LOWEST, which], state[LOWEST, 1 - which], state[THRESHOLD, 1 - which]
    x, y, xx, yy, xy = 1 + which, 2 - which, 3 + which, 4 - which, 5
    count = 0
    sum_x, off_x, sum_y, off_y = state[SUMS, x], state[ROUNDED_OFF, x], state[SUMS, y], state[ROUNDED_OFF, y]
    sum_xx, off_xx, sum_yy, off_yy = state[SUMS, xx], state[ROUNDED_OFF, xx], state[SUMS, yy], state[ROUNDED_OFF, yy]
    sum_xy, off_xy = state[SUMS, xy], state[ROUNDED_OFF, xy]
    first, end = (old, new) if old < new else (new, old)
    for at in range(first, end):
        if not others[at] < other_threshold:
            value, other = values[at] - lowest, others[at] - lowest_other
            count += 1
            sum_x, off_x = add(sum_x, off_x, sign * value)
            sum_y, off_y = add(sum_y, off_y, sign * other)
            sum_xx, off_xx = add(sum_xx, off_xx, sign * value * value)
            sum_yy, off_yy = add(sum_yy, off_yy, sign * other * other)
            sum_xy, off_xy = add(sum_xy, off_xy, sign * value * other)
    state[SUMS, 0] += sign * count
    state[SUMS, x], state[ROUNDED_OFF, x], state[SUMS, y], state[ROUNDED_OFF, y] = sum_x, off_x, sum_y, off_y
    state[SUMS, xx], state[ROUNDED_OFF, xx], state[SUMS, yy], state[ROUNDED_OFF, yy] = sum_xx, off_xx, sum_yy, off_yy
    state[SUMS, xy], state[ROUNDED_OFF, xy] = sum_xy, off_xy
    state[BELOW, which], state[THRESHOLD, which] = new, threshold


@part_of_kernels
def begin(a: Array, b: Array, state: Array) -> None:
    """Put thresholds above all pixels."""
    sum_x = off_x = sum_y = off_y = sum_xx = off_xx = sum_yy = off_yy = sum_xy = off_xy = 0.0
    for at in range(len(a)):
        x, y = a[at] - state[LOWEST, 0], b[at] - state[LOWEST, 1]
        sum_x, off_x = add(sum_x, off_x, x)
        sum_y, off_y = add(sum_y, off_y, y)
        sum_xx, off_xx = add(sum_xx, off_xx, x * x)
        sum_yy, off_yy = add(sum_yy, off_yy, y * y)
        sum_xy, off_xy = add(sum_xy, off_xy, x * y)
    state[SUMS] = np.array([len(a), sum_x, sum_y, sum_xx, sum_yy, sum_xy])
    state[ROUNDED_OFF] = np.array([0, off_x, off_y, off_xx, off_yy, off_xy])
    state[BELOW, :2], state[THRESHOLD, :2] = len(a), np.inf


@part_of_kernels
def move_both(a: Array, b_by_a: Array, b: Array, a_by_b: Array, to_a: float, to_b: float, state: Array) -> None:
    """Move the thresholds of both images, at first from above all pixels."""
    if state[THRESHOLD, 0] == -np.inf and state[THRESHOLD, 1] == -np.inf:
        begin(a, b_by_a, state)
    move_one(a, b_by_a, 0, to_a, state)
    move_one(b, a_by_b, 1, to_b, state)


@kernel("void(float32[::1], float32[::1], float32[::1], float32[::1], float64, float64, float64[:,::1])")
def move_single(a: Array, b_by_a: Array, b: Array, a_by_b: Array, to_a: float, to_b: float, state: Array) -> None:
    """Move the thresholds of two images in single precision.

    Parameters
    ----------
    a, b_by_a : (n,)
        Pixels of the first image, ascending, and the same pixels of the other.
    b, a_by_b : (n,)
        Pixels of the other image, ascending, and the same pixels of the first.
    to_a, to_b : float
        New thresholds.
    state : STATE
        Changed in place.
    """
    move_both(a, b_by_a, b, a_by_b, to_a, to_b, state)


@kernel("void(float64[::1], float64[::1], float64[::1], float64[::1], float64, float64, float64[:,::1])")
def move_double(a: Array, b_by_a: Array, b: Array, a_by_b: Array, to_a: float, to_b: float, state: Array) -> None:
    """Move the thresholds of two images in double precision."""
    move_both(a, b_by_a, b, a_by_b, to_a, to_b, state)
