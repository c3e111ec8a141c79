"""Sums over the pixels of objects in one image, and in two.

Pixels are sorted by object, and within an object as they lie in the image, the order in which CellProfiler adds them.
"""

from __future__ import annotations

from math import sqrt

import numpy as np

from ..kernel import Array, kernel, part_of_kernels

# What is summed over an object in images A and B, by row. "Both" are the pixels that reach the object's own thresholds
# in both images, "above" are those above the thresholds of the whole images (Costes's) in both.
SUMS = 14
(
    DEVIATIONS,
    BOTH,
    BOTH_A,
    BOTH_B,
    BOTH_A_BY_RANKS,
    BOTH_B_BY_RANKS,
    BOTH_A_SQUARED,
    BOTH_B_SQUARED,
    BOTH_A_TIMES_B,
    ABOVE,
    ABOVE_A,
    ABOVE_B,
    REACHING_A,
    REACHING_B,
) = range(SUMS)


@kernel("Tuple((int32[::1], int64[::1]))(int32[:,:], boolean[:,:], int64)")
def sort_by_object(labels: Array, mask: Array, count: int) -> tuple[Array, Array]:
    """The positions of the pixels of objects 1 to `count` within the mask, and where those of each begin and end."""
    height, width = labels.shape
    starts = np.zeros(count + 1, np.int64)
    for y in range(height):
        for x in range(width):
            if labels[y, x] > 0 and mask[y, x]:
                starts[labels[y, x]] += 1
    for number in range(count):
        starts[number + 1] += starts[number]
    following = starts[:-1].copy()
    pixels = np.empty(starts[count], np.int32)
    for y in range(height):
        for x in range(width):
            if labels[y, x] > 0 and mask[y, x]:
                pixels[following[labels[y, x] - 1]] = y * width + x
                following[labels[y, x] - 1] += 1
    return pixels, starts


@kernel("float64[:,::1](float64[::1], int64[::1])")
def describe(values: Array, starts: Array) -> Array:
    """Mean, root of the sum of squared deviations, and maximum (0 of no pixels, NaN if one is) of each object."""
    found = np.empty((3, len(starts) - 1))
    for index in range(len(starts) - 1):
        total = 0.0
        highest = values[starts[index]] if starts[index] < starts[index + 1] else 0.0
        for at in range(starts[index], starts[index + 1]):
            value = values[at]
            total += value
            if value > highest or value != value:
                highest = value
        mean = total / (starts[index + 1] - starts[index])
        squares = 0.0
        for at in range(starts[index], starts[index + 1]):
            squares += (values[at] - mean) ** 2
        found[0, index], found[1, index], found[2, index] = mean, sqrt(squares), highest
    return found


@kernel("float64[::1](float64[::1], int64[::1], float64[::1])")
def sum_reaching(values: Array, starts: Array, thresholds: Array) -> Array:
    """The sum of the pixels of each object that are not below its threshold."""
    sums = np.zeros(len(thresholds))
    for index in range(len(thresholds)):
        for at in range(starts[index], starts[index + 1]):
            if values[at] >= thresholds[index]:
                sums[index] += values[at]
    return sums


@part_of_kernels
def product(one: float, other: float, is_single: bool) -> float:
    """One times the other, rounded to single precision or not."""
    return np.float64(np.float32(one * other)) if is_single else one * other


@kernel(
    "float64[:,::1](float64[::1], float64[::1], int32[::1], int32[::1], int64[::1],"
    " float64[:,:], float64[:,:], float64, float64, boolean, boolean)"
)
def sum_pairs(
    a: Array,
    b: Array,
    ranks_a: Array,
    ranks_b: Array,
    starts: Array,
    of_a: Array,
    of_b: Array,
    above_a: float,
    above_b: float,
    is_single_a: bool,
    is_single_b: bool,
) -> Array:
    """Sums over each object in two images.

    Parameters
    ----------
    a, b : (pixels,)
        Values.
    ranks_a, ranks_b : (pixels,)
        Their ranks among all these pixels.
    starts : (n + 1,)
        Where the pixels of each object begin.
    of_a, of_b : (2, n)
        Means and thresholds of the objects.
    above_a, above_b : float
        Thresholds of the whole images.
    is_single_a, is_single_b : bool
        Whether the images are in single precision, in which CellProfiler multiplies them.

    Returns
    -------
    (SUMS, n)
    """
    ranks = 0
    for at in range(len(a)):
        ranks = max(ranks, ranks_a[at] + 1, ranks_b[at] + 1)
    sums = np.zeros((SUMS, len(starts) - 1))
    for index in range(len(starts) - 1):
        mean_a, threshold_a = of_a[0, index], of_a[1, index]
        mean_b, threshold_b = of_b[0, index], of_b[1, index]
        deviations = both_a = both_b = both_a_by_ranks = both_b_by_ranks = 0.0
        both_a_squared = both_b_squared = both_a_times_b = 0.0
        above_in_a = above_in_b = reaching_a = reaching_b = 0.0
        both = above = 0
        for at in range(starts[index], starts[index + 1]):
            in_a, in_b = a[at], b[at]
            deviations += (in_a - mean_a) * (in_b - mean_b)
            if in_a >= threshold_a and in_b >= threshold_b:
                weight = ranks - abs(ranks_a[at] - ranks_b[at])
                both += 1
                both_a += in_a
                both_b += in_b
                both_a_by_ranks += in_a * weight
                both_b_by_ranks += in_b * weight
                both_a_squared += product(in_a, in_a, is_single_a)
                both_b_squared += product(in_b, in_b, is_single_b)
                both_a_times_b += product(in_a, in_b, is_single_a and is_single_b)
            if in_a > above_a and in_b > above_b:
                above += 1
                above_in_a += in_a
                above_in_b += in_b
            if in_a >= above_a:
                reaching_a += in_a
            if in_b >= above_b:
                reaching_b += in_b
        sums[DEVIATIONS, index], sums[BOTH, index], sums[ABOVE, index] = deviations, both, above
        sums[BOTH_A, index], sums[BOTH_B, index] = both_a, both_b
        sums[BOTH_A_BY_RANKS, index], sums[BOTH_B_BY_RANKS, index] = both_a_by_ranks / ranks, both_b_by_ranks / ranks
        sums[BOTH_A_SQUARED, index], sums[BOTH_B_SQUARED, index] = both_a_squared, both_b_squared
        sums[BOTH_A_TIMES_B, index] = both_a_times_b
        sums[ABOVE_A, index], sums[ABOVE_B, index] = above_in_a, above_in_b
        sums[REACHING_A, index], sums[REACHING_B, index] = reaching_a, reaching_b
    return sums
