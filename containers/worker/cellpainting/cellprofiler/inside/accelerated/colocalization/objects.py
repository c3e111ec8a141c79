"""Colocalization in objects."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from ..kernel import Array
from ..kernels import colocalization as rows
from ..kernels.colocalization import describe, sort_by_object, sum_pairs, sum_reaching
from ..kernels.ranks import ranks_among
from .channels import Channel, Pair, by_pixels
from .values import OtherwiseThanUsual, Values
from .whole_images import Common

SIZES = {"corr_and_slope": 1, "manders": 2, "rwc": 2, "overlap": 3, "costes": 2}


def measure_objects(
    images: Mapping[str, Any],
    pairs: Sequence[Pair],
    wanted: Collection[str],
    labels: Mapping[str, Array],
    common: Common,
    percent: float,
) -> dict[tuple[str, Pair], Values]:
    """Measure all pairs of images in objects of all names; `common.channels` is empty afterwards.

    Raises
    ------
    OtherwiseThanUsual
        Where the original raises an error.
    """
    values: dict[tuple[str, Pair], Values] = {}
    counts = {name: int(numbers.max(initial=0)) for name, numbers in labels.items()}
    ranks = ranks_in_images(images, labels, common) if "rwc" in wanted and any(counts.values()) else {}
    common.channels.clear()
    masks = {name: None if image.mask.all() else image.mask for name, image in images.items()}
    for object_name, count in counts.items():
        measured = [pair for pair in pairs if count and pair not in common.without_pixels]
        nothing = np.full(count, np.nan)
        for pair in pairs:
            values[object_name, pair] = {feature: (nothing,) * SIZES[feature] for feature in wanted}
        for mask, members in by_pixels(measured, masks):
            within = ObjectsInImages(images, ranks, labels[object_name], count, mask, percent)
            for pair in members:
                values[object_name, pair] = within.measure(pair, wanted, common.costes.get(pair, (np.inf, np.inf)))
    return values


def ranks_in_images(images: Mapping[str, Any], labels: Mapping[str, Array], common: Common) -> dict[str, Array]:
    """Ranks of all pixels of each image, int32; or of all pixels of objects, and 0 elsewhere, which takes less time."""
    is_labelled = np.logical_or.reduce([numbers > 0 for numbers in labels.values()])
    ranks: dict[str, Array] = {}
    for name, image in images.items():
        channel = common.channels.pop(name, None)
        if channel is not None and channel.is_sorted:
            ranks[name] = channel.ranks
        else:
            ranks[name] = np.zeros(is_labelled.size, np.int32)
            ranks[name][is_labelled.ravel()] = Channel(image.pixel_data, is_labelled).ranks
    return ranks


class ObjectsInImages:
    """Objects of one name, and their pixels in images that are masked alike."""

    def __init__(
        self,
        images: Mapping[str, Any],
        ranks: Mapping[str, Array],
        labels: Array,
        count: int,
        mask: Array | None,
        percent: float,
    ) -> None:
        mask = np.ones(labels.shape, bool) if mask is None else mask
        self._pixels, self._starts = sort_by_object(labels, mask, count)
        if len(self._pixels) == 0:
            raise OtherwiseThanUsual
        self._images, self._ranks, self._percent = images, ranks, percent
        self._known: dict[str, ObjectsInImage] = {}

    def _in_image(self, name: str) -> ObjectsInImage:
        if name not in self._known:
            ranks = (
                ranks_among(self._ranks[name], self._pixels) if self._ranks else np.zeros(len(self._pixels), np.int32)
            )
            pixels = self._images[name].pixel_data.ravel()[self._pixels]
            self._known[name] = ObjectsInImage(pixels, ranks, self._starts, self._percent)
        return self._known[name]

    def measure(self, pair: Pair, wanted: Collection[str], costes: tuple[float, float]) -> Values:
        """All that is wanted of one pair."""
        a, b = (self._in_image(name) for name in pair)
        above_a, above_b = (float(one.dtype.type(to)) for one, to in ((a, costes[0]), (b, costes[1])))
        of_images = a.values, b.values, a.ranks, b.ranks, self._starts, a.of_objects, b.of_objects
        sums = sum_pairs(*of_images, above_a, above_b, a.dtype == np.float32, b.dtype == np.float32)
        return {feature: values for feature, values in features(sums, a, b) if feature in wanted}


class ObjectsInImage:
    """Objects of one name in one image.

    Attributes
    ----------
    dtype
        Of the image.
    values, ranks : (pixels,) float64, int32
    of_objects : (2, n) float64
        Means and thresholds of the objects.
    spread, total : (n,) float64
        Root of the sum of squared deviations from the mean, and the sum of what reaches the threshold.
    """

    def __init__(self, pixels: Array, ranks: Array, starts: Array, percent: float) -> None:
        self.dtype = pixels.dtype
        self.values, self.ranks = pixels.astype(np.float64), ranks
        mean, self.spread, highest = describe(self.values, starts)
        thresholds = (percent / 100) * highest.astype(self.dtype)  # in the image's precision: pixels may be equal to it
        if not (highest >= thresholds)[starts[:-1] < starts[1:]].any():
            raise OtherwiseThanUsual
        self.of_objects = np.stack([mean, thresholds.astype(np.float64)])
        self.total = sum_reaching(self.values, starts, self.of_objects[1])


def features(sums: Array, a: ObjectsInImage, b: ObjectsInImage) -> Iterator[tuple[str, tuple[Array, ...]]]:
    """Everything by what there is a setting for; zeros where no pixel of any object reaches thresholds."""
    products = sums[rows.BOTH_A_TIMES_B]
    squares_a, squares_b = sums[rows.BOTH_A_SQUARED], sums[rows.BOTH_B_SQUARED]
    is_any, is_any_above = sums[rows.BOTH].any(), sums[rows.ABOVE].any()
    nothing = np.zeros(sums.shape[1])
    yield "corr_and_slope", (sums[rows.DEVIATIONS] / (a.spread * b.spread),)
    yield "manders", (sums[rows.BOTH_A] / a.total, sums[rows.BOTH_B] / b.total) if is_any else (nothing,) * 2
    by_ranks = sums[rows.BOTH_A_BY_RANKS] / a.total, sums[rows.BOTH_B_BY_RANKS] / b.total
    yield "rwc", by_ranks if is_any else (nothing,) * 2
    overlap = products / np.sqrt(squares_a * squares_b), products / squares_a, products / squares_b
    yield "overlap", overlap if is_any else (nothing,) * 3
    above = sums[rows.ABOVE_A] / sums[rows.REACHING_A], sums[rows.ABOVE_B] / sums[rows.REACHING_B]
    yield "costes", above if is_any_above else (nothing,) * 2
