"""Which of several seeds is nearest, on ways that stay inside."""

from __future__ import annotations

from math import sqrt

import numpy as np

from ..kernel import Array, kernel, part_of_kernels


@part_of_kernels
def is_before(one: Array, other: Array) -> bool:
    """Whether an entry of the queue comes before another: by its length, then its seed, then its place."""
    return one[0] < other[0] or (one[0] == other[0] and one[1] < other[1])  # type: ignore[no-any-return]


@part_of_kernels
def push(queue: Array, count: int, length: int, seed_and_place: int) -> None:
    """Add an entry to a heap of `count`."""
    at = count
    while at > 0:
        parent = (at - 1) // 2
        if queue[parent, 0] < length or (queue[parent, 0] == length and queue[parent, 1] <= seed_and_place):
            break
        queue[at, 0], queue[at, 1] = queue[parent, 0], queue[parent, 1]
        at = parent
    queue[at, 0], queue[at, 1] = length, seed_and_place


@part_of_kernels
def remove_first(queue: Array, count: int) -> None:
    """Take the first entry from a heap of which `count` are left."""
    length, seed_and_place = queue[count]
    at = 0
    while 2 * at + 1 < count:
        child = 2 * at + 1
        if child + 1 < count and is_before(queue[child + 1], queue[child]):
            child += 1
        if queue[child, 0] > length or (queue[child, 0] == length and queue[child, 1] >= seed_and_place):
            break
        queue[at, 0], queue[at, 1] = queue[child, 0], queue[child, 1]
        at = child
    queue[at, 0], queue[at, 1] = length, seed_and_place


@part_of_kernels
def first_queue(is_inside: Array, seeds: Array) -> tuple[Array, int]:
    """The seeds inside, and their number, from left to right and down: not yet a heap, as in the original."""
    height, width = seeds.shape
    queue = np.empty((max(1024, (is_inside & (seeds > 0)).sum()), 2), np.int64)
    count = 0
    for y in range(height):
        for x in range(width):
            if seeds[y, x] > 0 and is_inside[y, x]:
                queue[count, 0], queue[count, 1] = 0, (np.int64(seeds[y, x]) << 32) | (y * width + x)
                count += 1
    return queue, count


@kernel("Tuple((int32[:,::1], float64[:,::1]))(boolean[:,:], int32[:,:])")
def nearest_seeds(is_inside: Array, seeds: Array) -> tuple[Array, Array]:
    """The number of the nearest seed, and how long the way to it is, in steps of 1 and sqrt(2).

    These are the labels and distances of `centrosome.propagate` (1.2.3) in an image without any heights, and so are
    seeds at the same distance decided upon: pixels spread in the order of their length, without its last bit, their
    seed and their place.

    Parameters
    ----------
    is_inside : (h, w) bool
        Where ways may be.
    seeds : (h, w)
        The numbers of seeds, and 0.

    Returns
    -------
    (h, w), (h, w)
        0 and -1 where there is no way. Seeds outside have their own number, and 0.
    """
    height, width = seeds.shape
    lengths = np.where(seeds > 0, 0.0, -1.0)
    queue, count = first_queue(is_inside, seeds)
    nearest = np.zeros(seeds.shape, np.int32)
    one_length = np.zeros(1)
    bits = one_length.view(np.int64)
    while count:
        seed, place = queue[0, 1] >> 32, queue[0, 1] & 0xFFFFFFFF
        count -= 1
        remove_first(queue, count)
        y, x = place // width, place % width
        if nearest[y, x]:
            continue
        nearest[y, x] = seed
        for step in range(9):
            y2, x2 = y + step // 3 - 1, x + step % 3 - 1
            if not (0 <= y2 < height and 0 <= x2 < width) or nearest[y2, x2] or not is_inside[y2, x2]:
                continue
            length = (1.0 if y2 == y or x2 == x else sqrt(2.0)) + lengths[y, x]
            if lengths[y2, x2] == -1 or lengths[y2, x2] > length:
                lengths[y2, x2] = one_length[0] = length
                if count == len(queue):
                    queue = np.concatenate((queue, queue))
                push(queue, count, bits[0] >> 1, (seed << 32) | (y2 * width + x2))
                count += 1
    return np.where(seeds > 0, seeds, nearest), lengths
