"""Sums over the pixels of objects that have the same number, in one pass."""

from __future__ import annotations

import numpy as np

from ..kernel import Array, kernel


@kernel("int64[:, ::1](int32[:, ::1], int64)")
def position_sums(labels: Array, largest: int) -> Array:
    """Number of pixels, sum of rows and sum of columns of each number up to the largest, 0 included but empty."""
    sums = np.zeros((largest + 1, 3), np.int64)
    height, width = labels.shape
    for y in range(height):
        for x in range(width):
            number = labels[y, x]
            if number > 0:
                sums[number, 0] += 1
                sums[number, 1] += y
                sums[number, 2] += x
    return sums


@kernel("int64[:, ::1](int32[:, ::1], int32[:, ::1], int64, int64)")
def overlaps(parents: Array, children: Array, largest_parent: int, largest_child: int) -> Array:
    """How many pixels each number of one label image shares with each of another one, which may be of another size."""
    shared = np.zeros((largest_parent + 1, largest_child + 1), np.int64)
    for y in range(min(parents.shape[0], children.shape[0])):
        for x in range(min(parents.shape[1], children.shape[1])):
            parent, child = parents[y, x], children[y, x]
            if parent > 0 and child > 0:
                shared[parent, child] += 1
    return shared
