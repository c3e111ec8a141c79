"""Ranks of pixels: equal values have one rank, and the next value has the next.

As `numpy.lexsort` and a comparison of neighbours give them: -0 is 0, and NaN is larger than all, and not equal to NaN.
"""

from __future__ import annotations

import numpy as np

from ..kernel import Array, kernel, part_of_kernels

DIGIT_BITS = 11  # at most; a table of counts is to stay in the processor's first cache
KEY_BITS = 32  # sorted at once; the other half of a word is the pixel's position


@part_of_kernels
def sort_keys(values: Array) -> tuple[Array, int]:
    """Whole numbers in the order of the values, uint64, and of how many bits they are, which are as few as possible."""
    sign = np.uint64(1) << np.uint64(63)
    canonical = np.empty(len(values), np.float64)
    for at in range(len(values)):
        value = values[at]
        canonical[at] = value + 0.0 if value == value else np.nan
    keys = canonical.view(np.uint64)
    lowest = ~np.uint64(0)
    for at in range(len(keys)):
        bits = keys[at]
        keys[at] = ~bits if bits & sign else bits | sign
        lowest = min(lowest, keys[at])
    differing = np.uint64(0)
    for at in range(len(keys)):
        keys[at] -= lowest
        differing |= keys[at]
    unused = np.uint64(0)  # lowest bits that are zero in all: 29, if the values were in single precision
    while differing and not differing & np.uint64(1):
        differing >>= np.uint64(1)
        unused += np.uint64(1)
    width = 0
    while differing:
        differing >>= np.uint64(1)
        width += 1
    for at in range(len(keys)):
        keys[at] >>= unused
    return keys, width


@part_of_kernels
def sort_upper_half(words: Array, width: int) -> Array:
    """Sort by the lowest `width` bits of the upper half of each word, digit by digit; `words` are lost."""
    passes = max(1, (width + DIGIT_BITS - 1) // DIGIT_BITS)
    digit_bits = (width + passes - 1) // passes
    mask = (np.uint64(1) << np.uint64(digit_bits)) - np.uint64(1)
    others = np.empty_like(words)
    starts = np.empty(1 << digit_bits, np.int64)
    for number in range(passes):
        shift = np.uint64(KEY_BITS + number * digit_bits)
        starts[:] = 0
        for at in range(len(words)):
            starts[np.int64((words[at] >> shift) & mask)] += 1
        start = 0
        for at in range(len(starts)):
            start += starts[at]
            starts[at] = start - starts[at]
        for at in range(len(words)):
            digit = np.int64((words[at] >> shift) & mask)
            others[starts[digit]] = words[at]
            starts[digit] += 1
        words, others = others, words
    return words


@kernel("Tuple((int32[::1], int32[::1]))(float64[:])")
def sort_and_rank(values: Array) -> tuple[Array, Array]:
    """Where the lowest value is, the next, and so on; and the rank of each, from 0."""
    keys, width = sort_keys(values)
    words = np.arange(len(keys)).astype(np.uint64)
    position = (np.uint64(1) << np.uint64(KEY_BITS)) - np.uint64(1)
    for sorted_bits in range(0, max(1, width), KEY_BITS):
        for at in range(len(words)):
            place = words[at] & position
            words[at] = (keys[np.int64(place)] >> np.uint64(sorted_bits)) << np.uint64(KEY_BITS) | place
        words = sort_upper_half(words, min(KEY_BITS, width - sorted_bits))
    order, ranks = np.empty(len(words), np.int32), np.empty(len(words), np.int32)
    rank = 0
    for at in range(len(words)):
        order[at] = np.int64(words[at] & position)
        if at and (keys[order[at]] != keys[order[at - 1]] or values[order[at]] != values[order[at]]):
            rank += 1
        ranks[order[at]] = rank
    return order, ranks


@kernel("int32[::1](int32[::1], int32[::1])")
def ranks_among(ranks: Array, chosen: Array) -> Array:
    """The ranks that the chosen pixels have among themselves, by their ranks among all."""
    highest = -1
    for at in range(len(chosen)):
        highest = max(highest, ranks[chosen[at]])
    new = np.zeros(highest + 1, np.int32)
    for at in range(len(chosen)):
        new[ranks[chosen[at]]] = 1
    lower = 0
    for rank in range(len(new)):
        occurs = new[rank]
        new[rank] = lower
        lower += occurs
    among = np.empty(len(chosen), np.int32)
    for at in range(len(chosen)):
        among[at] = new[ranks[chosen[at]]]
    return among
