"""Sums for Zernike moments of objects."""

from __future__ import annotations

import numpy as np

from ..kernel import Array, kernel, part_of_kernels


@part_of_kernels
def add_pixel(x: float, y: float, weight: float, sums: Array) -> None:
    """Add a pixel's powers, if it is in the unit circle: (y + ix)^m r^2k for all m + 2k below a limit."""
    square = x * x + y * y
    if square > 1:
        return
    limit = len(sums)
    real, imaginary = weight, 0.0
    for m in range(limit):
        one, other = real, imaginary
        for k in range((limit - 1 - m) // 2 + 1):
            sums[m, k, 0] += one
            sums[m, k, 1] += other
            one *= square
            other *= square
        real, imaginary = real * y - imaginary * x, real * x + imaginary * y


@part_of_kernels
def add_infinite_pixel(x: float, y: float, weight: float, indexes: Array, table: Array, found: Array) -> None:
    """Add the polynomials at a pixel that counts infinitely, or NaN: by their powers, infinities would cancel out."""
    square = x * x + y * y
    for number in range(len(indexes)):
        n, m = indexes[number]
        value = 0.0
        for k in range((n - m) // 2 + 1):
            value = value * square + table[number, k]
        if square > 1:
            value = 0.0
        real, imaginary = value, 0.0
        for _ in range(m):
            real, imaginary = real * y - imaginary * x, real * x + imaginary * y
        found[0, number] += weight * real
        found[1, number] += weight * imaginary


@kernel("float64[:,:,::1](int32[:,:], float64[:], int64[:], float64[:,:], float64[:], int32[:,:], float64[:,:])")
def zernike_sums(
    pixels: Array, weights: Array, starts: Array, centers: Array, radii: Array, indexes: Array, table: Array
) -> Array:
    """Each object's sum of each Zernike polynomial.

    Parameters
    ----------
    pixels, weights, starts : (p, 2), (p,), (n + 1,)
        Rows and columns, object after object, what each counts, and where those of each object begin.
    centers, radii : (n, 2), (n,)
        The circle that encloses each object. Pixels that are outside, if only because of rounding, do not count.
    indexes, table : (z, 2), (z, k)
        The polynomials, n and m, and the coefficients of r^(n - m), r^(n - m - 2) and so on, as
        `centrosome.zernike.construct_zernike_lookuptable` makes them.

    Returns
    -------
    (2, z, n)
        Real and imaginary parts. NaN for pixels in a circle of radius 0, where their position is so.
    """
    limit = indexes.max() + 1
    found = np.zeros((2, len(indexes), len(radii)))
    sums = np.empty((limit, (limit + 1) // 2, 2))
    for index in range(len(radii)):
        sums[:] = np.nan if radii[index] == 0 and starts[index + 1] > starts[index] else 0.0
        for at in range(starts[index], starts[index + 1]):
            y = (pixels[at, 0] - centers[index, 0]) / radii[index]
            x = (pixels[at, 1] - centers[index, 1]) / radii[index]
            if np.isfinite(weights[at]):
                add_pixel(x, y, weights[at], sums)
            else:
                add_infinite_pixel(x, y, weights[at], indexes, table, found[:, :, index])
        for number in range(len(indexes)):
            n, m = indexes[number]
            highest = (n - m) // 2
            for k in range(highest + 1):
                found[0, number, index] += table[number, k] * sums[m, highest - k, 0]
                found[1, number, index] += table[number, k] * sums[m, highest - k, 1]
    return found
