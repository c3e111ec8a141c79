"""Where the objects of a label image lie."""

from __future__ import annotations

import numpy as np

from ..kernel import Array, kernel


@kernel("Tuple((int32[::1], int64[:,::1]))(int32[:,:])")
def find_regions(labels: Array) -> tuple[Array, Array]:
    """The numbers above 0 that occur, in order, and the rows and columns (from, to, from, to) that each lies in."""
    height, width = labels.shape
    highest = 0
    for y in range(height):
        for x in range(width):
            highest = max(highest, labels[y, x])
    boxes = np.empty((highest + 1, 4), np.int64)
    boxes[:, 0], boxes[:, 1], boxes[:, 2], boxes[:, 3] = height, -1, width, -1
    for y in range(height):
        for x in range(width):
            number = labels[y, x]
            if number > 0:
                boxes[number, 0] = min(boxes[number, 0], y)
                boxes[number, 1] = y + 1
                boxes[number, 2] = min(boxes[number, 2], x)
                boxes[number, 3] = max(boxes[number, 3], x + 1)
    count = 0
    for number in range(1, highest + 1):
        count += boxes[number, 1] >= 0
    numbers = np.empty(count, np.int32)
    found = np.empty((count, 4), np.int64)
    at = 0
    for number in range(1, highest + 1):
        if boxes[number, 1] >= 0:
            numbers[at] = number
            found[at] = boxes[number]
            at += 1
    return numbers, found


@kernel("Tuple((int32[:,::1], int64[::1]))(int32[:,:], int32[:])")
def list_pixels(labels: Array, numbers: Array) -> tuple[Array, Array]:
    """Row and column of each pixel, object after object, each from left to right and down; and where each begins.

    `numbers` are all that occur; the beginnings are one more, the last of which is the number of pixels.
    """
    height, width = labels.shape
    index_of = np.zeros(numbers[-1] + 1 if len(numbers) else 1, np.int64)
    for index in range(len(numbers)):
        index_of[numbers[index]] = index
    starts = np.zeros(len(numbers) + 1, np.int64)
    for y in range(height):
        for x in range(width):
            if labels[y, x] > 0:
                starts[index_of[labels[y, x]] + 1] += 1
    for index in range(len(numbers)):
        starts[index + 1] += starts[index]
    pixels = np.empty((starts[-1], 2), np.int32)
    next_at = starts.copy()
    for y in range(height):
        for x in range(width):
            if labels[y, x] > 0:
                index = index_of[labels[y, x]]
                pixels[next_at[index], 0], pixels[next_at[index], 1] = y, x
                next_at[index] += 1
    return pixels, starts


@kernel("boolean[::1](int32[:,:], int32[:,::1])")
def find_edges(labels: Array, pixels: Array) -> Array:
    """Which of the pixels have one above, below or beside them that is not of the same object.

    Beyond the image there is none. These are those of `skimage.segmentation.find_boundaries(labels, mode="inner")`.
    """
    height, width = labels.shape
    is_edge = np.empty(len(pixels), np.bool_)
    for at in range(len(pixels)):
        y, x = pixels[at]
        number = labels[y, x]
        is_edge[at] = (
            (y > 0 and labels[y - 1, x] != number)
            or (y + 1 < height and labels[y + 1, x] != number)
            or (x > 0 and labels[y, x - 1] != number)
            or (x + 1 < width and labels[y, x + 1] != number)
        )
    return is_edge
