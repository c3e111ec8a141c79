"""Shard numbers as text: short where they follow each other, and the same when they are read again."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cellpainting.dispatch.shard_ranges import from_ranges, to_ranges


@pytest.mark.parametrize(
    ("numbers", "text"),
    [((), ""), ((0,), "0"), (tuple(range(288)), "0-287"), ((3, 7, 9, 10, 11), "3,7,9-11")],
)
def test_numbers_that_follow_each_other_are_one_range(numbers: tuple[int, ...], text: str) -> None:
    assert to_ranges(numbers) == text


@given(st.sets(st.integers(0, 10_000)))
def test_what_is_read_is_what_was_written(numbers: set[int]) -> None:
    assert from_ranges(to_ranges(sorted(numbers))) == tuple(sorted(numbers))
