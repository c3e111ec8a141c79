"""Which values an array would have at some positions if it were sorted."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..kernel import Array, kernel, part_of_kernels

HALF = 1 << 16


@part_of_kernels
def key(bits: int) -> tuple[Any, Any]:
    """The upper and the lower half of a number that is in the order of single-precision numbers with these bits."""
    ordered = np.int64(bits) if bits >= 0 else np.int64(bits) ^ 0x7FFFFFFF
    return (ordered >> 16) + HALF // 2, ordered & (HALF - 1)


@kernel("int32[::1](int32[::1], int64[::1])")
def select(bits: Array, positions: Array) -> Array:
    """The bits of the single-precision numbers at some positions in order, from the bits of all, none of them NaN.

    Counts their upper halves, and then the lower halves of those that share an upper half with a number looked for.
    """
    upper_counts = np.zeros(HALF, np.int64)
    for value in bits:
        upper_counts[key(value)[0]] += 1
    table_of = np.full(HALF, -1, np.int64)
    uppers = np.empty(len(positions), np.int64)
    before = np.empty(len(positions), np.int64)
    for index in range(len(positions)):
        upper = before[index] = 0
        while before[index] + upper_counts[upper] <= positions[index]:
            before[index] += upper_counts[upper]
            upper += 1
        uppers[index] = upper
        table_of[upper] = index
    lower_counts = np.zeros((len(positions), HALF), np.int32)
    for value in bits:
        upper, lower = key(value)
        if table_of[upper] >= 0:
            lower_counts[table_of[upper], lower] += 1
    selected = np.empty(len(positions), np.int32)
    for index in range(len(positions)):
        lower = 0
        counts = lower_counts[table_of[uppers[index]]]
        while before[index] + counts[lower] <= positions[index]:
            before[index] += counts[lower]
            lower += 1
        ordered = ((uppers[index] - HALF // 2) << 16) + lower
        selected[index] = ordered if ordered >= 0 else ordered ^ 0x7FFFFFFF
    return selected
