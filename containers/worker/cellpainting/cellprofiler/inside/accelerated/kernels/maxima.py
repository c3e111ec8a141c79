"""Where the maximum of each object is, if it is in several places."""

from __future__ import annotations

import numpy as np

from ..kernel import Array, kernel, part_of_kernels

SMALL = 15  # the distance of first and last up to which parts are sorted by insertion


@part_of_kernels
def is_less(one: float, other: float) -> bool:
    """NumPy's order of numbers, in which NaN is last."""
    return one < other or (np.isnan(other) and not np.isnan(one))


@part_of_kernels
def swap(order: Array, one: int, other: int) -> None:
    """Exchange two places."""
    order[one], order[other] = order[other], order[one]


@part_of_kernels
def partition(values: Array, order: Array, low: int, high: int) -> int:
    """Divide order[low : high + 1] at the place that is returned: none before it is larger, none after it smaller."""
    middle = low + ((high - low) >> 1)
    if is_less(values[order[middle]], values[order[low]]):
        swap(order, middle, low)
    if is_less(values[order[high]], values[order[middle]]):
        swap(order, high, middle)
    if is_less(values[order[middle]], values[order[low]]):
        swap(order, middle, low)
    pivot = values[order[middle]]
    left, right = low, high - 1
    swap(order, middle, right)
    while True:
        left += 1
        while is_less(values[order[left]], pivot):
            left += 1
        right -= 1
        while is_less(pivot, values[order[right]]):
            right -= 1
        if left >= right:
            break
        swap(order, left, right)
    swap(order, left, high - 1)
    return left


@part_of_kernels
def insert(values: Array, order: Array, low: int, high: int) -> None:
    """Sort order[low : high + 1] by insertion."""
    for at in range(low + 1, high + 1):
        taken = order[at]
        to = at
        while to > low and is_less(values[taken], values[order[to - 1]]):
            order[to] = order[to - 1]
            to -= 1
        order[to] = taken


@part_of_kernels
def is_wanted(values: Array, order: Array, low: int, high: int, wanted: Array) -> bool:
    """Whether one of the wanted values, which are in order, may be in order[low : high + 1].

    What is there lies between the values before it and after it, which are in their place.
    """
    first = 0
    if low > 0:
        least = values[order[low - 1]]
        beyond = len(wanted)
        while first < beyond:
            middle = (first + beyond) // 2
            if is_less(wanted[middle], least):
                first = middle + 1
            else:
                beyond = middle
    return first < len(wanted) and (high + 1 == len(order) or not is_less(values[order[high + 1]], wanted[first]))


@part_of_kernels
def sort_for(values: Array, order: Array, wanted: Array) -> bool:
    """Sort as NumPy's `argsort` does, and leave out parts in which there is none of the wanted values.

    Equal values come into the same order as there (npysort/quicksort.cpp in NumPy 1.23). Returns False where NumPy
    would turn from partition to another way of sorting.
    """
    size = len(order)
    depth = 0
    while size >> (depth + 1):
        depth += 1
    parts = np.empty((2 * depth + 2, 3), np.int64)
    parts[0, 0], parts[0, 1], parts[0, 2] = 0, size - 1, 2 * depth
    count = 1
    while count:
        count -= 1
        low, high, depth = parts[count]
        if not is_wanted(values, order, low, high, wanted):
            continue
        if depth < 0:
            return False
        if high - low <= SMALL:
            insert(values, order, low, high)
            continue
        at = partition(values, order, low, high)
        parts[count, 0], parts[count, 1], parts[count, 2] = low, at - 1, depth - 1
        parts[count + 1, 0], parts[count + 1, 1], parts[count + 1, 2] = at + 1, high, depth - 1
        count += 2
    return True


@kernel("int64[::1](float64[:], int32[:], int64)")
def last_maxima(values: Array, numbers: Array, count: int) -> Array:
    """Which of its maxima `scipy.ndimage.maximum_position` has for the place of each object's maximum.

    Of several that is the one that NumPy's sorting of all values, which does not keep the order of equals, leaves last.

    Parameters
    ----------
    values, numbers : (k,), (k,)
        All values that are sorted, and the numbers of the objects that they are of, or 0.
    count : int
        The highest number.

    Returns
    -------
    (count + 1,)
        By number; 0 for numbers that do not occur. Nothing at all if another way of sorting is called for.
    """
    last = np.zeros(count + 1, np.int64)
    maxima = np.full(count + 1, -np.inf)
    for at in range(len(values)):
        if not is_less(values[at], maxima[numbers[at]]):
            maxima[numbers[at]] = values[at]
    order = np.arange(len(values)).astype(np.int32)
    if not sort_for(values, order, np.sort(maxima[1:])):
        return last[:0]
    for place in order:
        if not is_less(values[place], maxima[numbers[place]]):
            last[numbers[place]] = place
    return last
