"""Sorting of many single-precision numbers."""

from __future__ import annotations

import numpy as np

from ..kernel import Array, kernel

DIGIT_BITS = 11  # three digits make the 31 bits of numbers that are not negative


@kernel("int64[::1](int32[::1])")
def order_of(bits: Array) -> Array:
    """The indices that sort single-precision numbers, given as their bits, none of them below 0, not even -0.0."""
    count = 1 << DIGIT_BITS
    order = np.arange(len(bits))
    spare = np.empty_like(order)
    for shift in range(0, 3 * DIGIT_BITS, DIGIT_BITS):
        starts = np.zeros(count + 1, np.int64)
        for value in bits:
            starts[((value >> shift) & (count - 1)) + 1] += 1
        for digit in range(count):
            starts[digit + 1] += starts[digit]
        for index in order:
            digit = (bits[index] >> shift) & (count - 1)
            spare[starts[digit]] = index
            starts[digit] += 1
        order, spare = spare, order
    return order
