"""Intensities of objects, and where they are.

The formulas are those of CellProfiler 4.2.8.1's MeasureObjectIntensity, and its sums add up the same values in the
same order, from left to right and down, in double precision.
"""

from __future__ import annotations

from math import sqrt

import numpy as np

from ..kernel import Array, kernel, part_of_kernels
from ._sorting import minimum_from, select

# What is measured, by row of the result.
INTEGRATED, MEAN, STD, MINIMUM, MAXIMUM = range(5)
EDGE = 5  # the same five, of the pixels at the edge
MASS_DISPLACEMENT, LOWER_QUARTILE, MEDIAN, MAD, UPPER_QUARTILE = range(10, 15)
CENTER_X, CENTER_Y, CENTER_Z, MAXIMUM_X, MAXIMUM_Y, MAXIMUM_Z = range(15, 21)
FEATURES = 21


@part_of_kernels
def summarize(values: Array, summary: Array) -> None:
    """Sum, mean, standard deviation, minimum and maximum of one object's values.

    A maximum of values with NaN is NaN, which sorts last; a minimum is so if all are. Those of nothing are 0.
    """
    count = len(values)
    total = 0.0
    smallest, largest = np.inf, -np.inf
    nans = 0
    for value in values:
        total += value
        if np.isnan(value):
            nans += 1
        if value < smallest:
            smallest = value
        if value > largest:
            largest = value
    mean = total / count
    squares = 0.0
    for value in values:
        squares += (value - mean) * (value - mean)
    if nans:
        largest = np.nan
        smallest = np.nan if nans == count else smallest
    if count == 0:
        smallest = largest = 0.0
    summary[0], summary[1], summary[2], summary[3], summary[4] = total, mean, sqrt(squares / count), smallest, largest


@part_of_kernels
def quantile(values: Array, valid: int, fraction: float, sorted_before: int) -> float:
    """What a fraction of the values is below, interpolated; from `valid` on they are NaN.

    All before `sorted_before` are known to be no larger than those after it.
    """
    position = len(values) * fraction
    rank = int(position)
    share = position - rank
    low = select(values, sorted_before, valid, rank) if rank < valid else np.nan
    if rank >= len(values) - 1:
        return low
    high = minimum_from(values, rank + 1, valid) if rank + 1 < valid else np.nan
    return low * (1 - share) + high * share


@part_of_kernels
def valid_first(values: Array) -> int:
    """Put NaN behind all others, and count these."""
    valid = 0
    for at in range(len(values)):
        if not np.isnan(values[at]):
            values[valid], values[at] = values[at], values[valid]
            valid += 1
    return valid


@part_of_kernels
def measure_ranks(values: Array, features: Array) -> None:
    """Quartiles, and the median of distances from the median. The values lose their order and become those."""
    if len(values) == 0:
        return
    valid = valid_first(values)
    features[LOWER_QUARTILE] = quantile(values, valid, 0.25, 0)
    features[MEDIAN] = quantile(values, valid, 0.5, int(len(values) * 0.25))
    features[UPPER_QUARTILE] = quantile(values, valid, 0.75, int(len(values) * 0.5))
    for at in range(len(values)):
        values[at] = abs(values[at] - features[MEDIAN])
    features[MAD] = quantile(values, valid_first(values), 0.5, 0)


@part_of_kernels
def measure_places(pixels: Array, values: Array, features: Array) -> bool:
    """Centre of mass, and the place of the maximum; returns whether there are more of these."""
    sum_x, sum_y, sum_z = 0.0, 0.0, 0.0
    mass_x, mass_y = 0.0, 0.0
    maxima = 0
    for at in range(len(values)):
        y, x = pixels[at]
        value = values[at]
        sum_x += x
        sum_y += y
        mass_x += x * value
        mass_y += y * value
        sum_z += 0.0 * value  # NaN for infinity
        if value == features[MAXIMUM] or (np.isnan(value) and np.isnan(features[MAXIMUM])):
            features[MAXIMUM_X], features[MAXIMUM_Y] = x, y
            maxima += 1
    mass = features[INTEGRATED]
    features[CENTER_X], features[CENTER_Y], features[CENTER_Z] = mass_x / mass, mass_y / mass, sum_z / mass
    aside, down = sum_x / len(values) - features[CENTER_X], sum_y / len(values) - features[CENTER_Y]
    features[MASS_DISPLACEMENT] = sqrt(aside * aside + down * down + features[CENTER_Z] * features[CENTER_Z])
    return maxima > 1


@part_of_kernels
def correct_for_none(counts: Array, edges: int, first_y: int, first_x: int, features: Array) -> None:
    """Features of objects of which no pixel was looked at, as the original has them.

    All are zero, those of edges or others, if no object at all has any; and where there is no maximum, it is in the
    first pixel of all.
    """
    if edges == 0:
        features[:, EDGE:MASS_DISPLACEMENT] = 0
    if counts.sum() == 0:
        features[:] = 0
        return
    for index in range(len(counts)):
        if counts[index] == 0:
            features[index, MAXIMUM_X], features[index, MAXIMUM_Y] = first_x, first_y


@kernel("Tuple((float64[:,::1], boolean[::1]))(float64[:,:], boolean[:,:], int32[:,::1], int64[::1], boolean[::1])")
def intensities(image: Array, mask: Array, pixels: Array, starts: Array, is_edge: Array) -> tuple[Array, Array]:
    """Intensities of each object.

    Parameters
    ----------
    image, mask : (h, w)
        The image, and which of its pixels are looked at.
    pixels, starts, is_edge : (m, 2), (n + 1,), (m,)
        As `Regions` has them.

    Returns
    -------
    (21, n), (n,)
        By feature and object; and whose maximum is in several pixels, so that its place is not known.
    """
    count = len(starts) - 1
    largest = np.diff(starts).max()
    features = np.zeros((count, FEATURES))
    is_tied = np.zeros(count, np.bool_)
    counts = np.zeros(count, np.int64)
    used, values, edges = np.empty((largest, 2), np.int32), np.empty(largest), np.empty(largest)
    all_edges = 0
    first_y, first_x = image.shape
    for index in range(count):
        within, at_edge = 0, 0
        for at in range(starts[index], starts[index + 1]):
            y, x = pixels[at]
            if mask[y, x]:
                used[within, 0], used[within, 1] = y, x
                values[within] = image[y, x]
                within += 1
                if is_edge[at]:
                    edges[at_edge] = image[y, x]
                    at_edge += 1
        counts[index] = within
        all_edges += at_edge
        if within and (used[0, 0] < first_y or (used[0, 0] == first_y and used[0, 1] < first_x)):
            first_y, first_x = used[0]
        summarize(values[:within], features[index, :EDGE])
        summarize(edges[:at_edge], features[index, EDGE:MASS_DISPLACEMENT])
        is_tied[index] = measure_places(used[:within], values[:within], features[index])
        measure_ranks(values[:within], features[index])
    correct_for_none(counts, all_edges, first_y, first_x, features)
    return np.ascontiguousarray(features.T), is_tied
