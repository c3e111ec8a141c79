"""How far pixels of objects are from what is not of their object."""

from __future__ import annotations

from math import sqrt

import numpy as np

from ..kernel import Array, kernel, part_of_kernels

FAR = 1 << 30  # farther than an image is large; its square is still a whole number


@part_of_kernels
def fill_heights(is_inside: Array, is_open_above: bool, is_open_below: bool, heights: Array) -> None:
    """How far above or below the next pixel outside is; there is none beyond an open side."""
    height, width = is_inside.shape
    for x in range(width):
        distance = FAR if is_open_above else 0
        for y in range(height):
            distance = min(distance + 1, FAR) if is_inside[y, x] else 0
            heights[y, x] = distance
        distance = FAR if is_open_below else 0
        for y in range(height - 1, -1, -1):
            distance = min(distance + 1, FAR) if is_inside[y, x] else 0
            heights[y, x] = min(heights[y, x], distance)


@part_of_kernels
def squared_distance(heights: Array, x: int, is_open_left: bool, is_open_right: bool) -> int:
    """From the pixel at `x` to the next one outside, by the heights of its row, from near to far."""
    width = len(heights)
    best = heights[x] * heights[x]
    if not is_open_left:
        best = min(best, (x + 1) * (x + 1))
    if not is_open_right:
        best = min(best, (width - x) * (width - x))
    aside = 1
    while aside * aside < best and (x - aside >= 0 or x + aside < width):
        if x - aside >= 0:
            best = min(best, aside * aside + heights[x - aside] * heights[x - aside])
        if x + aside < width:
            best = min(best, aside * aside + heights[x + aside] * heights[x + aside])
        aside += 1
    return best  # type: ignore[no-any-return]


@kernel("float64[::1](int32[:,:], int32[:], int64[:,:], int32[:,::1], int64[::1], boolean)")
def distances_to_outside(
    labels: Array, numbers: Array, boxes: Array, pixels: Array, starts: Array, is_image_open: bool
) -> Array:
    """Euclidean distance of each pixel to the next one that is not of its object: 1 at the edge.

    Parameters
    ----------
    labels, numbers, boxes, pixels, starts
        As `Regions` has them.
    is_image_open : bool
        Whether an object may go on beyond the image. If not, what lies there is outside. An object that is the whole
        of an open image is far from everything.

    Returns
    -------
    (m,)
        Roots of whole numbers, as `scipy.ndimage.distance_transform_edt` has them.
    """
    height, width = labels.shape
    distances = np.empty(len(pixels))
    for index in range(len(numbers)):
        top, bottom, left, right = boxes[index]
        is_inside = labels[top:bottom, left:right] == numbers[index]
        heights = np.empty((bottom - top, right - left), np.int64)
        fill_heights(is_inside, is_image_open and top == 0, is_image_open and bottom == height, heights)
        is_open_left, is_open_right = is_image_open and left == 0, is_image_open and right == width
        for at in range(starts[index], starts[index + 1]):
            y, x = pixels[at]
            distances[at] = sqrt(squared_distance(heights[y - top], x - left, is_open_left, is_open_right))
    return distances
