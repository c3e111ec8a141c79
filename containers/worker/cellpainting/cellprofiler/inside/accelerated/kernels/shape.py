"""Shapes of objects: what is counted of their pixels.

The definitions are those of scikit-image 0.18.3's `regionprops`.
"""

from __future__ import annotations

import numpy as np

from ..kernel import Array, kernel, part_of_kernels
from ._sorting import minimum_from, select

# What is counted, by column of the result.
STRAIGHT, DIAGONAL, MIXED, EULER, CONVEX_AREA = range(5)
COUNTS = 5


@part_of_kernels
def framed(labels: Array, number: int, box: Array) -> Array:
    """Which pixels of a box are of the object, within a frame of two pixels that are not."""
    top, bottom, left, right = box
    inside = np.zeros((bottom - top + 4, right - left + 4), np.int64)
    for y in range(top, bottom):
        for x in range(left, right):
            inside[y - top + 2, x - left + 2] = labels[y, x] == number
    return inside


@part_of_kernels
def count_perimeter(inside: Array, counts: Array) -> None:
    """Count the pixels at the edge by the edges that they touch, of which their share of the perimeter depends.

    The estimator of Benkrid and Crookes: a pixel's neighbours at the edge make straight, diagonal or mixed pieces.
    """
    height, width = inside.shape
    edge = np.zeros((height, width), np.int64)
    for y in range(1, height - 1):
        for x in range(1, width - 1):
            around = inside[y - 1, x] + inside[y + 1, x] + inside[y, x - 1] + inside[y, x + 1]
            edge[y, x] = inside[y, x] if around < 4 else 0
    for y in range(1, height - 1):
        for x in range(1, width - 1):
            if not edge[y, x]:
                continue
            beside = edge[y - 1, x] + edge[y + 1, x] + edge[y, x - 1] + edge[y, x + 1]
            corners = edge[y - 1, x - 1] + edge[y - 1, x + 1] + edge[y + 1, x - 1] + edge[y + 1, x + 1]
            if beside in (2, 3) and corners <= 2:
                counts[STRAIGHT] += 1
            elif (beside, corners) in ((0, 2), (1, 3)):
                counts[DIAGONAL] += 1
            elif beside == 1 and corners in (1, 2):
                counts[MIXED] += 1


@part_of_kernels
def euler_number(inside: Array) -> int:
    """Pieces less holes, where pixels that touch at a corner hang together: from each square of four pixels."""
    height, width = inside.shape
    number = 0
    for y in range(1, height):
        for x in range(1, width):
            first, second = inside[y - 1, x - 1], inside[y - 1, x]
            third, fourth = inside[y, x - 1], inside[y, x]
            if not fourth:
                if first and not second and not third:
                    number += 1
                elif second and third:
                    number -= 1
    return number


@part_of_kernels
def grow_hull(places: Array, values: Array, count: int, place: int, value: int) -> int:
    """Add a point to the lower hull of points from left to right, and return how many it has now."""
    while count >= 2:
        along, up = places[count - 1] - places[count - 2], values[count - 1] - values[count - 2]
        if along * (value - values[count - 2]) > up * (place - places[count - 2]):
            break
        count -= 1
    places[count], values[count] = place, value
    return count + 1


@part_of_kernels
def first_rows(extremes: Array, rows: Array) -> None:
    """For each column the first row that is in the lower hull of the columns' extremes.

    Each pixel of `extremes`, the first row of each column (or -1), is a diamond that reaches half a pixel beyond
    its centre to each side. Everything is counted in halves of pixels.
    """
    width = len(extremes)
    places, values = np.empty(2 * width + 1, np.int64), np.empty(2 * width + 1, np.int64)
    count = 0
    for place in range(-1, 2 * width):
        column = place // 2
        if place % 2 == 0:
            if extremes[column] >= 0:
                count = grow_hull(places, values, count, place, 2 * extremes[column] - 1)
            continue
        lowest = -1
        for beside in (column, column + 1):
            if 0 <= beside < width and extremes[beside] >= 0 and (lowest < 0 or 2 * extremes[beside] < lowest):
                lowest = 2 * extremes[beside]
        if lowest >= 0:
            count = grow_hull(places, values, count, place, lowest)
    piece = 0
    for column in range(width):
        while places[piece + 1] < 2 * column:
            piece += 1
        along, up = places[piece + 1] - places[piece], values[piece + 1] - values[piece]
        numerator = values[piece] * along + up * (2 * column - places[piece])
        rows[column] = -(-numerator // (2 * along))


@part_of_kernels
def convex_area(inside: Array) -> int:
    """How many pixels have their centre in the convex hull of the object's, or on its border."""
    height, width = inside.shape[0] - 4, inside.shape[1] - 4
    tops, bottoms = np.full(width, -1, np.int64), np.full(width, -1, np.int64)
    for x in range(width):
        for y in range(height):
            if inside[y + 2, x + 2]:
                if tops[x] < 0:
                    tops[x] = y
                bottoms[x] = height - 1 - y
    above, below = np.empty(width, np.int64), np.empty(width, np.int64)
    first_rows(tops, above)
    first_rows(bottoms, below)
    return width * height - above.sum() - below.sum()  # type: ignore[no-any-return]


@kernel("int64[:,::1](int32[:,:], int32[:], int64[:,:])")
def count_shapes(labels: Array, numbers: Array, boxes: Array) -> Array:
    """What is counted of each object, (n, 5), by the labels, numbers and boxes that `Regions` has."""
    counts = np.zeros((len(numbers), COUNTS), np.int64)
    for index in range(len(numbers)):
        inside = framed(labels, numbers[index], boxes[index])
        count_perimeter(inside, counts[index])
        counts[index, EULER] = euler_number(inside)
        counts[index, CONVEX_AREA] = convex_area(inside)
    return counts


@kernel("float64[:,::1](float64[:], int64[::1])")
def radii_of(distances: Array, starts: Array) -> Array:
    """Maximum, mean and median of the distances of each object's pixels: (3, n)."""
    radii = np.empty((3, len(starts) - 1))
    for index in range(len(starts) - 1):
        values = distances[starts[index] : starts[index + 1]].copy()
        count = len(values)
        largest, total = 0.0, 0.0
        for value in values:
            largest = max(largest, value)
            total += value
        low = select(values, 0, count, (count - 1) // 2)
        high = low if count % 2 else minimum_from(values, count // 2, count)
        radii[0, index], radii[1, index], radii[2, index] = largest, total / count, (low + high) / 2
    return radii
