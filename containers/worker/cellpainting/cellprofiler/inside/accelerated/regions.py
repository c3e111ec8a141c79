"""The objects of a label image, found once for all that measures them."""

from __future__ import annotations

import functools
import weakref
from dataclasses import dataclass
from typing import Any

import numpy as np
from centrosome.cpmorphology import convex_hull_ijv, minimum_enclosing_circle

from .kernel import Array
from .kernels.regions import find_edges, find_regions, list_pixels

_known: weakref.WeakKeyDictionary[Any, Regions] = weakref.WeakKeyDictionary()


@dataclass(frozen=True)
class Regions:
    """Objects in two dimensions that do not overlap.

    Attributes
    ----------
    segmented : (h, w)
        CellProfiler's label image; its type depends on the number of objects.
    labels : (h, w) int32, C-contiguous
        The same.
    numbers : (n,) int32
        The labels above 0 that occur, in order; not always 1 to n.
    boxes : (n, 4) int64
        The rows and columns (from, to, from, to; to is exclusive) that each lies in.
    """

    segmented: Array
    labels: Array
    numbers: Array
    boxes: Array

    def __len__(self) -> int:
        return len(self.numbers)

    @functools.cached_property
    def _listed(self) -> tuple[Array, Array]:
        return list_pixels(self.labels, self.numbers)

    @property
    def pixels(self) -> Array:
        """(m, 2) int32: row and column of each pixel, object after object, each from left to right and down."""
        return self._listed[0]

    @property
    def starts(self) -> Array:
        """(n + 1,) int64: where the pixels of each object begin, and m."""
        return self._listed[1]

    @functools.cached_property
    def is_edge(self) -> Array:
        """(m,) bool: which pixels touch, above, below or beside them, what is not of their object."""
        return find_edges(self.labels, self.pixels)

    @functools.cached_property
    def hulls(self) -> tuple[Array, Array]:
        """Number, row and column of the vertices of convex hulls, and how many each number from 1 on has: (v, 3), (k,).

        As centrosome has them, from all pixels or those at edges. Here they are made from the ends of each row.
        """
        numbers = np.repeat(self.numbers, np.diff(self.starts))
        begins_row = np.ones(len(self.pixels) + 1, bool)
        begins_row[1:-1] = (np.diff(self.pixels[:, 0]) != 0) | (np.diff(numbers) != 0)
        is_end = begins_row[1:] | begins_row[:-1]
        ends = np.column_stack([self.pixels[is_end], numbers[is_end]])
        return convex_hull_ijv(ends, np.arange(1, self.numbers[-1] + 1, dtype=np.int32))  # type: ignore[no-any-return]

    @functools.cached_property
    def circles(self) -> tuple[Array, Array]:
        """Centres and radii of the smallest circles around the objects: (n, 2), (n,)."""
        numbers = np.arange(1, self.numbers[-1] + 1, dtype=np.int32)
        centers, radii = minimum_enclosing_circle(self.labels, numbers, self.hulls)
        return centers[self.numbers - 1], radii[self.numbers - 1]


def regions_of(objects: Any) -> Regions | None:
    """The regions of CellProfiler's `Objects`, or None for volumes and for objects that overlap."""
    if objects.volumetric or len(objects.get_labels()) != 1:
        return None
    segmented = objects.segmented
    known = _known.get(objects)
    # CellProfiler itself holds what it derives from a label image as long as nobody sets another.
    if known is None or not np.shares_memory(known.segmented, segmented):
        labels = np.ascontiguousarray(segmented, dtype=np.int32)
        known = _known[objects] = Regions(segmented, labels, *find_regions(labels))
    return known
