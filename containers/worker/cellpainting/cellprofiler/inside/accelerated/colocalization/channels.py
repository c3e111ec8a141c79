"""Pixels of images that are measured together: which of them count, and in what order they are."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from typing import Any

import numpy as np

from ..kernel import Array
from ..kernels.ranks import sort_and_rank

Pair = tuple[str, str]


class Channel:
    """The pixels of one image that count.

    Attributes
    ----------
    values : (n,) float32 or float64
        Row by row. Not to be written to: it may be the image itself.
    """

    def __init__(self, pixels: Array, mask: Array | None) -> None:
        self.values = np.ascontiguousarray(pixels).ravel() if mask is None else pixels[mask]

    @property
    def order(self) -> Array:
        """(n,) int32: where the lowest is, the next, and so on."""
        return self._order_and_ranks[0]

    @property
    def ranks(self) -> Array:
        """(n,) int32: 0 for the lowest and all that are equal to it, and so on."""
        return self._order_and_ranks[1]

    @property
    def is_sorted(self) -> bool:
        """Whether order and ranks are known already."""
        return "_order_and_ranks" in vars(self)

    @cached_property
    def _order_and_ranks(self) -> tuple[Array, Array]:
        return sort_and_rank(self.values.astype(np.float64))

    @cached_property
    def ascending(self) -> Array:
        """(n,): the values from the lowest to the highest."""
        return self.values[self.order]

    @property
    def lowest(self) -> Any:
        """The lowest value."""
        return self.values[self.order[0]]

    @property
    def highest(self) -> Any:
        """The highest value."""
        return self.values[self.order[-1]]


def by_pixels(pairs: Iterable[Pair], masks: Mapping[str, Array | None]) -> Iterator[tuple[Array | None, list[Pair]]]:
    """Pairs of images that have the same pixels in common, together; with those pixels, None for all."""
    distinct: list[Array] = []
    numbers: dict[str, frozenset[int]] = {}
    for name, mask in masks.items():
        known = () if mask is None else [at for at, other in enumerate(distinct) if np.array_equal(mask, other)]
        if mask is not None and not known:
            known = [len(distinct)]
            distinct.append(mask)
        numbers[name] = frozenset(known)
    together: dict[frozenset[int], list[Pair]] = {}
    for one, other in pairs:
        together.setdefault(numbers[one] | numbers[other], []).append((one, other))
    for combined, members in together.items():
        yield (np.logical_and.reduce([distinct[at] for at in combined]) if combined else None), members
