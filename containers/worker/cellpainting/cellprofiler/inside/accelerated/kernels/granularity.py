"""Granular spectra: which parts of an image survive erosion, and what that means for objects.

Erosion by a cross, i times, is the minimum over a diamond of radius i; reconstruction then gives every pixel the
highest level at which the part of the image that it lies in, {pixels >= level}, holds such a diamond. So what is
needed of an image is its tree of such parts (L. Vincent, Granulometries and opening trees, 2000), and for each the
largest diamond in it. Pixels are told apart by their rank, 1 for the lowest; 0 stands for what is masked.
"""

from __future__ import annotations

from math import floor

import numpy as np

from ..kernel import Array, kernel, part_of_kernels


@kernel("float64[:,::1](float64[:,:], float64[:], float64[:])")
def interpolate(image: Array, rows: Array, columns: Array) -> Array:
    """`scipy.ndimage.map_coordinates` of order 1 (SciPy 1.9), to the last digit, on a grid of rows and columns.

    Parameters
    ----------
    image : (h, w)
    rows, columns : (m,), (n,)
        Where to, in pixels of the image. What is not within it becomes 0.

    Returns
    -------
    (m, n)
    """
    height, width = image.shape
    interpolated = np.zeros((len(rows), len(columns)))
    for y in range(len(rows)):
        if not 0 <= rows[y] <= height - 1:
            continue
        top = int(rows[y])
        bottom = min(top + 1, height - 1)
        upper = 1 - (rows[y] - floor(rows[y]))
        for x in range(len(columns)):
            if 0 <= columns[x] <= width - 1:
                left = int(columns[x])
                right = min(left + 1, width - 1)
                nearer = 1 - (columns[x] - floor(columns[x]))
                interpolated[y, x] = (
                    image[top, left] * upper * nearer
                    + image[top, right] * upper * (1 - nearer)
                    + image[bottom, left] * (1 - upper) * nearer
                    + image[bottom, right] * (1 - upper) * (1 - nearer)
                )
    return interpolated


@part_of_kernels
def root(roots: Array, number: int) -> int:
    """The top of the part that a pixel has been put into so far, and a shorter way to it for the next time."""
    while roots[number] != number:
        roots[number] = roots[roots[number]]
        number = roots[number]
    return number


@kernel("int32[::1](int32[:,::1], int64[::1])")
def component_tree(ranks: Array, order: Array) -> Array:
    """For each pixel the one that is the lowest of the next larger part.

    Parameters
    ----------
    ranks : (h, w)
        A rank from 1 for each pixel.
    order : (h * w,)
        Pixels, lowest first.

    Returns
    -------
    (h * w + 1,)
        By rank and as ranks, each lower than its own. That of the lowest pixel is 0.
    """
    height, width = ranks.shape
    parents = np.zeros(len(order) + 1, np.int32)
    roots = np.zeros(len(order) + 1, np.int32)
    for rank in range(len(order), 0, -1):
        y, x = divmod(order[rank - 1], width)
        roots[rank] = rank
        for down, aside in ((-1, 0), (0, -1), (0, 1), (1, 0)):
            if 0 <= y + down < height and 0 <= x + aside < width:
                neighbour = ranks[y + down, x + aside]
                if neighbour > rank:
                    top = root(roots, neighbour)
                    if top != rank:
                        parents[top] = roots[top] = rank
    return parents


@kernel("void(int32[:,::1], int32[:,::1], int64, uint16[::1])")
def erode(ranks: Array, eroded: Array, scale: int, sizes: Array) -> None:
    """Write the minimum over a cross to `eroded`, and the scale to `sizes` for each rank that occurs there."""
    height, width = ranks.shape
    for y in range(height):
        above, below = max(y - 1, 0), min(y + 1, height - 1)
        for x in range(width):
            lowest = min(ranks[y, x], ranks[above, x], ranks[below, x])
            lowest = min(lowest, ranks[y, max(x - 1, 0)], ranks[y, min(x + 1, width - 1)])
            eroded[y, x] = lowest
            sizes[lowest] = scale


@kernel("void(int32[::1], uint16[::1])")
def largest_in_parts(parents: Array, sizes: Array) -> None:
    """Make the sizes of diamonds by their lowest pixel those of the largest diamond in the part of a pixel."""
    for rank in range(len(parents) - 1, 0, -1):
        sizes[parents[rank]] = max(sizes[parents[rank]], sizes[rank])


@kernel("void(int32[::1], uint16[::1], int64, float64[::1], int64[::1], float64[::1], float64[::1])")
def reconstruct(
    parents: Array, sizes: Array, scale: int, values: Array, order: Array, levels: Array, image: Array
) -> None:
    """Write what remains of each pixel's value at a scale to `levels`, by rank, and to `image`, by pixel."""
    levels[0] = values[0]
    for rank in range(1, len(parents)):
        levels[rank] = values[rank] if sizes[rank] >= scale else levels[parents[rank]]
        image[order[rank - 1]] = levels[rank]


@part_of_kernels
def reach(coordinates: Array, length: int) -> tuple[int, int]:
    """The pixels (from, to) that ascending coordinates lie among."""
    return int(coordinates[0]), min(int(coordinates[-1]) + 2, length)


@part_of_kernels
def weigh_object(patch: Array, number: int, rows: Array, columns: Array, shape: tuple[int, int], weights: Array) -> int:
    """Add what the object's pixels of a patch take from each pixel that they lie among, and return how many there are.

    `rows` and `columns` are those of the patch in pixels of an image of `shape`; `weights` begins where they begin.
    """
    height, width = shape
    count = 0
    for y in range(len(rows)):
        top = int(rows[y]) - int(rows[0])
        lower = rows[y] - floor(rows[y])
        for x in range(len(columns)):
            if patch[y, x] != number:
                continue
            count += 1
            if rows[y] > height - 1 or columns[x] > width - 1:
                continue
            left = int(columns[x]) - int(columns[0])
            farther = columns[x] - floor(columns[x])
            weights[top, left] += (1 - lower) * (1 - farther)
            if farther > 0:
                weights[top, left + 1] += (1 - lower) * farther
            if lower > 0:
                weights[top + 1, left] += lower * (1 - farther)
                if farther > 0:
                    weights[top + 1, left + 1] += lower * farther
    return count


@kernel(
    "Tuple((int64[::1], int32[::1], float64[::1], int64[::1]))"
    "(int32[:,:], int32[:], int64[:,:], float64[:], float64[:], int64, int64)"
)
def weigh_pixels(
    labels: Array, numbers: Array, boxes: Array, rows: Array, columns: Array, height: int, width: int
) -> tuple[Array, Array, Array, Array]:
    """How much each pixel of a small image weighs in the sum over an object after interpolation to the size of labels.

    Parameters
    ----------
    labels : (h, w)
    numbers, boxes : (n,), (n, 4)
        The objects, and the rows and columns (from, to, from, to) that each lies in.
    rows, columns : (h,), (w,)
        Where the rows and columns of the labels lie in the small image, ascending from 0.
    height, width : int
        Of the small image.

    Returns
    -------
    starts : (n + 1,)
        Where the pixels of each object begin and end.
    pixels, weights : (starts[n],)
        Pixels of the small image, and how much they weigh.
    counts : (n,)
        The number of pixels of each object.
    """
    starts = np.zeros(len(numbers) + 1, np.int64)
    counts = np.zeros(len(numbers), np.int64)
    capacity = 0
    for top, bottom, left, right in boxes:
        (first, end), (first_aside, end_aside) = reach(rows[top:bottom], height), reach(columns[left:right], width)
        capacity += (end - first) * (end_aside - first_aside)
    pixels = np.empty(capacity, np.int32)
    weights = np.empty(capacity)
    found = 0
    for index in range(len(numbers)):
        top, bottom, left, right = boxes[index]
        (first, end), (first_aside, end_aside) = reach(rows[top:bottom], height), reach(columns[left:right], width)
        taken = np.zeros((end - first, end_aside - first_aside))
        patch = labels[top:bottom, left:right]
        shape = height, width
        counts[index] = weigh_object(patch, numbers[index], rows[top:bottom], columns[left:right], shape, taken)
        for y in range(end - first):
            for x in range(end_aside - first_aside):
                if taken[y, x] > 0:
                    pixels[found] = (first + y) * width + first_aside + x
                    weights[found] = taken[y, x]
                    found += 1
        starts[index + 1] = found
    return starts, pixels[:found].copy(), weights[:found].copy(), counts


@kernel("float64[::1](float64[:,:], int32[:,:], int64)")
def sums(image: Array, labels: Array, highest: int) -> Array:
    """The sum over each label from 0 to the highest."""
    totals = np.zeros(highest + 1)
    height, width = labels.shape
    for y in range(height):
        for x in range(width):
            totals[labels[y, x]] += image[y, x]
    return totals
