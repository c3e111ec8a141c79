"""Which objects come near to each other, and where they touch, from their outlines.

Two objects that do not overlap are as far from each other as their outlines are, so that nothing has to be dilated.
"""

from __future__ import annotations

from math import floor, sqrt

import numpy as np

from ..kernel import Array, kernel, part_of_kernels


@kernel("float64[:,::1](int32[:,:], int64)")
def centers(labels: Array, count: int) -> Array:
    """Mean row and column of objects 1 to `count`, (2, count); NaN for one without pixels."""
    sums = np.zeros((3, count + 1), np.int64)
    for y in range(labels.shape[0]):
        for x in range(labels.shape[1]):
            sums[0, labels[y, x]] += y
            sums[1, labels[y, x]] += x
            sums[2, labels[y, x]] += 1
    means = np.empty((2, count))
    for number in range(1, count + 1):
        means[0, number - 1] = sums[0, number] / sums[2, number]
        means[1, number - 1] = sums[1, number] / sums[2, number]
    return means


@part_of_kernels
def is_outline(labels: Array, y: int, x: int) -> bool:
    """Whether a pixel of an object is at the border of the image, or has another label beside it, also diagonally."""
    height, width = labels.shape
    if y in (0, height - 1) or x in (0, width - 1):
        return True
    for row in range(y - 1, y + 2):
        for column in range(x - 1, x + 2):
            if labels[row, column] != labels[y, x]:
                return True
    return False


@kernel("Tuple((int32[:,::1], int64[::1]))(int32[:,:], int64)")
def outlines(labels: Array, count: int) -> tuple[Array, Array]:
    """Outlines of objects 1 to `count`.

    Returns
    -------
    following : (h, w + 1) int32
        The column of the first pixel of an outline that is in this row, here or to the right; w if there is none.
    lengths : (count,) int64
        Of how many pixels each is.
    """
    height, width = labels.shape
    following = np.empty((height, width + 1), np.int32)
    lengths = np.zeros(count, np.int64)
    for y in range(height):
        following[y, width] = width
        for x in range(width - 1, -1, -1):
            following[y, x] = following[y, x + 1]
            if labels[y, x] > 0 and is_outline(labels, y, x):
                following[y, x] = x
                lengths[labels[y, x] - 1] += 1
    return following, lengths


@part_of_kernels
def half_widths(radius: float) -> Array:
    """How far a disk reaches to the left and right in each of its rows, from the middle one down."""
    widths = np.empty(int(radius) + 1, np.int64)
    for row in range(len(widths)):
        widths[row] = floor(sqrt(radius * radius - row * row))
    return widths


@kernel(
    "Tuple((boolean[:,::1], int64[::1]))"
    "(int32[:,:], int32[:,:], int32[:,::1], int32[:,::1], int64, int64, boolean, int64)"
)
def meetings(
    labels: Array,
    others: Array,
    following: Array,
    following_of_others: Array,
    count: int,
    count_of_others: int,
    are_same: bool,
    distance: int,
) -> tuple[Array, Array]:
    """Which objects have which others no farther than a distance, and how many pixels of their outlines touch others.

    Parameters
    ----------
    labels, others : (h, w)
        Objects 1 to `count`, and those that may be near to them.
    following, following_of_others : (h, w + 1)
        From `outlines`.
    are_same : bool
        Whether the others are the same objects, of which none is near to itself.
    distance : int
        In pixels. Half a pixel more counts as touching.

    Returns
    -------
    are_near : (count + 1, count_of_others + 1)
        By labels.
    touching : (count,)
    """
    height, width = labels.shape
    are_near = np.zeros((count + 1, count_of_others + 1), np.bool_)
    touching = np.zeros(count, np.int64)
    if not are_same:
        for y in range(height):
            for x in range(width):
                are_near[labels[y, x], others[y, x]] = True
    near, touch = half_widths(distance), half_widths(distance + 0.5)
    for y in range(height):
        x = following[y, 0]
        while x < width:
            label = labels[y, x]
            touches = not are_same and others[y, x] > 0
            for row in range(max(0, y - distance), min(height, y + distance + 1)):
                nearest, farthest = near[abs(row - y)], touch[abs(row - y)]
                at = following_of_others[row, max(0, x - farthest)]
                while at <= x + farthest and at < width:
                    other = others[row, at]
                    if not are_same or other != label:
                        touches = True
                        if abs(at - x) <= nearest:
                            are_near[label, other] = True
                    at = following_of_others[row, at + 1]
            touching[label - 1] += touches
            x = following[y, x + 1]
    return are_near, touching
