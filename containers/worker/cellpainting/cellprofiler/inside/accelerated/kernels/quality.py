"""What the quality of an image is judged by: pairs of neighbours, variance in the cells of a grid, running variance."""

from __future__ import annotations

import numpy as np

from ..kernel import Array, kernel


@kernel("int64[::1](uint8[:,:], boolean[:,:], int64)")
def pair_sums(levels: Array, mask: Array, distance: int) -> Array:
    """Sums over all pairs of unmasked pixels of levels i and j, the second so far to the right of the first.

    Returns
    -------
    (6,)
        The number of pairs, and the sums of i, j, i * j, i * i and j * j.
    """
    height, width = levels.shape
    sums = np.zeros(6, np.int64)
    for y in range(height):
        for x in range(width - distance):
            if mask[y, x] and mask[y, x + distance]:
                one, other = np.int64(levels[y, x]), np.int64(levels[y, x + distance])
                sums[0] += 1
                sums[1] += one
                sums[2] += other
                sums[3] += one * other
                sums[4] += one * one
                sums[5] += other * other
    return sums


@kernel("float64[:,::1](float64[:,:], boolean[:,:], int64[:], int64[:])")
def grid_statistics(image: Array, mask: Array, rows: Array, starts: Array) -> Array:
    """Sum up each cell of a grid, without masked pixels.

    Parameters
    ----------
    image, mask : (h, w)
    rows : (h,)
        The row of the grid that each row of the image lies in, ascending from 0.
    starts : (n + 1,)
        The column of the image at which each column of the grid begins, and `w`.

    Returns
    -------
    (3, rows of the grid * n)
        The number of pixels, their mean, and the sum of squared differences from it.
    """
    width = len(starts) - 1
    statistics = np.zeros((3, (rows[-1] + 1) * width))
    counts, means, squares = statistics
    for y in range(len(rows)):
        for column in range(width):
            cell = rows[y] * width + column
            count, total = counts[cell], means[cell]
            for x in range(starts[column], starts[column + 1]):
                if mask[y, x]:
                    count += 1
                    total += image[y, x]
            counts[cell], means[cell] = count, total
    means /= counts
    for y in range(len(rows)):
        for column in range(width):
            cell = rows[y] * width + column
            mean, total = means[cell], squares[cell]
            for x in range(starts[column], starts[column + 1]):
                if mask[y, x]:
                    total += (image[y, x] - mean) ** 2
            squares[cell] = total
    return statistics


@kernel("float64[::1](float64[:])")
def running_variance(values: Array) -> Array:
    """The variance of all values up to each, in the order and to the last digit of `centrosome.otsu` (1.2.3).

    Thresholds are where a sum of variances is lowest, and a last digit could decide between two.
    """
    variances = np.zeros(len(values))
    total = mean = values[0]
    squares = 0.0
    for index in range(1, len(values)):
        before = values[index] - mean
        total += values[index]
        mean = total / (index + 1)
        squares += before * (values[index] - mean)
        variances[index] = squares / index
    return variances
