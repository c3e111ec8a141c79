"""Shard numbers as compact text: `0-287` for a plate, `3,7,9-11` for what is left of it."""

from collections.abc import Iterable


def to_ranges(numbers: Iterable[int]) -> str:
    """Ascending numbers as text; empty for none."""
    ranges: list[tuple[int, int]] = []
    for number in numbers:
        if ranges and number == ranges[-1][1] + 1:
            ranges[-1] = (ranges[-1][0], number)
        else:
            ranges.append((number, number))
    return ",".join(str(first) if first == last else f"{first}-{last}" for first, last in ranges)


def from_ranges(text: str) -> tuple[int, ...]:
    """Read what `to_ranges` wrote."""
    numbers: list[int] = []
    for part in filter(None, text.split(",")):
        first, _, last = part.partition("-")
        numbers += range(int(first), int(last or first) + 1)
    return tuple(numbers)
