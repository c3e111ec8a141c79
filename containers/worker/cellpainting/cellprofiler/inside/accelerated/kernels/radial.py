"""Intensities of objects by distance from a centre and by direction."""

from __future__ import annotations

from math import sqrt

import numpy as np

from ..kernel import Array, kernel, part_of_kernels

WEDGES = 8


@part_of_kernels
def relax(lengths: Array, y: int, x: int, is_down: bool) -> bool:
    """Take a shorter way to a pixel by one of the four neighbours that come before it, if there is one."""
    side = -1 if is_down else 1
    shortest = min(
        min(lengths[y + side, x], lengths[y, x + side]) + 1.0,
        min(lengths[y + side, x - 1], lengths[y + side, x + 1]) + sqrt(2.0),
    )
    if shortest < lengths[y, x]:
        lengths[y, x] = shortest
        return True
    return False


@kernel("float64[::1](int32[:,:], int32[:], int64[:,:], int32[:,::1], int64[::1], boolean[:,:])")
def lengths_of_ways(labels: Array, numbers: Array, boxes: Array, pixels: Array, starts: Array, is_seed: Array) -> Array:
    """How long the shortest way within its object is from a seed to each pixel, in steps of 1 and sqrt(2).

    These are the distances of `centrosome.propagate` in an image without any heights: the least that steps add up to,
    rounded one after the other, whatever the order in which pixels are visited.

    Parameters
    ----------
    labels, numbers, boxes, pixels, starts
        As `Regions` has them.
    is_seed : (h, w) bool
        Where ways begin.

    Returns
    -------
    (m,)
        Infinity where there is no way.
    """
    found = np.empty(len(pixels))
    for index in range(len(numbers)):
        top, bottom, left, right = boxes[index]
        lengths = np.full((bottom - top + 2, right - left + 2), np.inf)
        first, beyond = starts[index], starts[index + 1]
        for at in range(first, beyond):
            y, x = pixels[at]
            if is_seed[y, x]:
                lengths[y - top + 1, x - left + 1] = 0
        is_changed = True
        while is_changed:
            is_changed = False
            for at in range(first, beyond):
                is_changed |= relax(lengths, pixels[at, 0] - top + 1, pixels[at, 1] - left + 1, True)
            for at in range(beyond - 1, first - 1, -1):
                is_changed |= relax(lengths, pixels[at, 0] - top + 1, pixels[at, 1] - left + 1, False)
        for at in range(first, beyond):
            found[at] = lengths[pixels[at, 0] - top + 1, pixels[at, 1] - left + 1]
    return found


@part_of_kernels
def add_up(image: Array, pixels: Array, starts: Array, places: Array, by_ring: Array, by_wedge: Array) -> None:
    """Add each pixel to its ring, and to its wedge of that, in the image's own precision."""
    for index in range(len(starts) - 1):
        for at in range(starts[index], starts[index + 1]):
            place = places[at]
            if place >= 0:
                value = image[pixels[at, 0], pixels[at, 1]]
                by_ring[index, place // WEDGES] += value
                by_wedge[index, place] += value


# Parameters and results of both: image (h, w), pixels (m, 2), starts (n + 1,), places (m,), by_ring (n, r) and
# by_wedge (n, 8r). A place is eight times the ring, and the wedge; below zero it is none. The last two are added to.
@kernel("void(float32[:,:], int32[:,::1], int64[::1], int32[::1], float32[:,::1], float32[:,::1])")
def add_up_single(image: Array, pixels: Array, starts: Array, places: Array, by_ring: Array, by_wedge: Array) -> None:
    """Add up an image of single precision, rounding each sum to that."""
    add_up(image, pixels, starts, places, by_ring, by_wedge)


@kernel("void(float64[:,:], int32[:,::1], int64[::1], int32[::1], float64[:,::1], float64[:,::1])")
def add_up_double(image: Array, pixels: Array, starts: Array, places: Array, by_ring: Array, by_wedge: Array) -> None:
    """Add up an image of double precision."""
    add_up(image, pixels, starts, places, by_ring, by_wedge)


@kernel("int64[:,::1](int64[::1], int32[::1], int64)")
def count_places(starts: Array, places: Array, rings: int) -> Array:
    """How many pixels each object has at each place: (n, 8r)."""
    counts = np.zeros((len(starts) - 1, WEDGES * rings), np.int64)
    for index in range(len(starts) - 1):
        for at in range(starts[index], starts[index + 1]):
            if places[at] >= 0:
                counts[index, places[at]] += 1
    return counts
