"""From rows of cells to one row per well or site: mean or median of what is there, as pycytominer has it.

A missing value is left out; where all are missing, so is the aggregate. The order of rows decides the last bit of a
mean, so the same rows in the same order give the same bits, whichever backend they come from.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from cellpainting.backend.batch_record import ImageKey
from cellpainting.backend.names import IMAGE_NUMBER, TABLE_NUMBER
from cellpainting.jobs.build_backend import Aggregate

Values = NDArray[np.float64]
Operation = Callable[[Values], Values]
GROUP = "_group"


def mean(block: Values) -> Values:
    """The mean of each column of a block of shape (rows, features); NaN where all values are."""
    with np.errstate(invalid="ignore", divide="ignore"):
        means = np.asarray(block.sum(axis=0) / len(block), dtype=np.float64)
        incomplete = np.isnan(means)  # few columns, as a rule: only they are looked at value by value
        if incomplete.any():
            part = block[:, incomplete]
            is_there = ~np.isnan(part)
            means[incomplete] = np.where(is_there, part, 0.0).sum(axis=0) / is_there.sum(axis=0)
        return means


def median(block: Values) -> Values:
    """The median of each column of a block of shape (rows, features); NaN where all values are."""
    ordered = np.sort(block, axis=0)  # NaN come last
    count = (~np.isnan(block)).sum(axis=0)
    columns = np.arange(block.shape[1])
    lower = ordered[np.maximum(count - 1, 0) // 2, columns]
    upper = ordered[np.minimum(count // 2, max(len(block) - 1, 0)), columns]
    with np.errstate(invalid="ignore"):
        return np.where(count > 0, np.where(lower == upper, lower, (lower + upper) / 2), np.nan)


def total(block: Values) -> Values:
    """The sum of each column of a block of shape (rows, features); 0 where all values are missing."""
    return np.asarray(np.nansum(block, axis=0), dtype=np.float64)


OPERATIONS: Mapping[Aggregate, Operation] = {"mean": mean, "median": median}


@dataclass(frozen=True)
class Grouping:
    """Groups of image sets: a row of `keys` for each, and each image set's position among them."""

    keys: tuple[tuple[str, ...], ...]
    of_image: Mapping[ImageKey, int]

    @classmethod
    def of(cls, places: Mapping[ImageKey, tuple[str, ...]]) -> "Grouping":
        """Group image sets by their place; groups are sorted."""
        keys = sorted(set(places.values()))
        positions = {key: position for position, key in enumerate(keys)}
        return cls(tuple(keys), {image: positions[place] for image, place in places.items()})

    def totals(self, counts: Mapping[ImageKey, int]) -> NDArray[np.int64]:
        """The sum of a number of each image set, by group."""
        sums = np.zeros(len(self.keys), dtype=np.int64)
        for image, count in counts.items():
            sums[self.of_image[image]] += count
        return sums

    @cached_property
    def frame(self) -> pl.DataFrame:
        """The group of each image set as a table, to join."""
        rows = [(*image, group) for image, group in self.of_image.items()]
        return pl.DataFrame(
            rows, schema={TABLE_NUMBER: pl.Int64, IMAGE_NUMBER: pl.Int64, GROUP: pl.Int64}, orient="row"
        )


class Aggregator:
    """Takes the rows of a table piece by piece, and aggregates each group when its last row has come.

    `counts` are the rows that there will be of each image set: of groups whose rows come one after the other, as a
    backend has them, no more than a few are in memory at a time.
    """

    def __init__(
        self, grouping: Grouping, features: Sequence[str], counts: Mapping[ImageKey, int], operation: Operation
    ) -> None:
        self.features = list(features)
        self._values = np.full((len(grouping.keys), len(features)), np.nan, order="F")  # a row per group
        self._spilled: Path | None = None
        self._grouping, self._operation = grouping, operation
        self._left = grouping.totals(counts)
        self._waiting: dict[int, list[Values]] = {}

    def take(self, rows: pl.DataFrame) -> None:
        """Take a piece; it has all features, and the keys of its image sets."""
        keys = rows.select(TABLE_NUMBER, IMAGE_NUMBER)
        joined = keys.join(self._grouping.frame, on=[TABLE_NUMBER, IMAGE_NUMBER], how="left", maintain_order="left")
        groups = joined[GROUP].to_numpy()
        block = rows.select(self.features).to_numpy()
        starts = np.flatnonzero(np.diff(groups, prepend=-1))
        for start, end in zip(starts, [*starts[1:], len(groups)], strict=True):
            self._take(int(groups[start]), block[start:end])

    def spill(self, path: Path) -> None:
        """Keep what was aggregated in a file: at 3,456 sites, the profile has 200 MB."""
        np.save(path, self._values)
        self._spilled, self._values = path, np.empty((0, 0))

    def rows(self, rows: slice) -> Values:
        """What was aggregated, of shape (groups, features)."""
        return np.array((np.load(self._spilled, mmap_mode="r") if self._spilled else self._values)[rows])

    def _take(self, group: int, block: Values) -> None:
        self._left[group] -= len(block)
        waiting = self._waiting.setdefault(group, [])
        if self._left[group] > 0:
            waiting.append(block.copy())  # not the whole piece
            return
        whole = np.asfortranarray(np.concatenate([*waiting, block]))  # one layout, and so one order of additions
        self._values[group] = self._operation(whole)
        del self._waiting[group]
