"""Values in order, as far as it is asked for."""

from __future__ import annotations

from ..kernel import Array, part_of_kernels


@part_of_kernels
def median_of_three(values: Array, low: int, middle: int, high: int) -> float:
    """Put three values in order, and return the middle one."""
    if values[middle] < values[low]:
        values[middle], values[low] = values[low], values[middle]
    if values[high] < values[low]:
        values[high], values[low] = values[low], values[high]
    if values[high] < values[middle]:
        values[high], values[middle] = values[middle], values[high]
    return values[middle]  # type: ignore[no-any-return]


@part_of_kernels
def select(values: Array, low: int, high: int, rank: int) -> float:
    """The value that sorted `values` have at `rank`; those before it become no larger, those after it no smaller.

    Of `values` only those from `low` to before `high` take part: what lies outside is known to be smaller, or larger.
    None of them may be NaN. Hoare's algorithm, with the median of three.
    """
    high -= 1
    while low < high:
        pivot = median_of_three(values, low, (low + high) // 2, high)
        left, right = low, high
        while left <= right:
            while values[left] < pivot:
                left += 1
            while values[right] > pivot:
                right -= 1
            if left <= right:
                values[left], values[right] = values[right], values[left]
                left += 1
                right -= 1
        if rank <= right:
            high = right
        elif rank >= left:
            low = left
        else:
            break
    return values[rank]  # type: ignore[no-any-return]


@part_of_kernels
def minimum_from(values: Array, low: int, high: int) -> float:
    """The smallest of `values[low:high]`, of which there is one."""
    smallest = values[low]
    for at in range(low + 1, high):
        smallest = min(smallest, values[at])
    return smallest  # type: ignore[no-any-return]
