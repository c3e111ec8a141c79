"""Colocalization in whole images: CellProfiler's formulas, in the precision of the images, in which it adds up."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import scipy.linalg
from cellprofiler.modules.measurecolocalization import M_FASTER, get_scale

from ..kernel import Array
from .channels import Channel, Pair, by_pixels
from .costes import costes_thresholds
from .values import OtherwiseThanUsual, Values

SIZES = {"corr_and_slope": 2, "overlap": 3, "manders": 2, "rwc": 2, "costes": 2}


@dataclass
class Common:
    """What objects need of whole images.

    Attributes
    ----------
    channels : by name
        Images with all of their pixels.
    costes : by pair
        Thresholds.
    without_pixels : pairs
        No pixel of which counts.
    """

    channels: dict[str, Channel] = field(default_factory=dict)
    costes: dict[Pair, tuple[float, float]] = field(default_factory=dict)
    without_pixels: set[Pair] = field(default_factory=set)


def measure_whole_images(
    module: Any, images: Mapping[str, Any], pairs: Iterable[Pair], wanted: Collection[str]
) -> tuple[dict[Pair, Values], Common]:
    """Measure pairs of images, if the settings want that, and what is common to all objects in them.

    Raises
    ------
    OtherwiseThanUsual
        Where the original raises an error, or may.
    """
    common = Common()
    values: dict[Pair, Values] = {}
    valid = {name: valid_pixels(image) for name, image in images.items()}
    for mask, members in by_pixels(pairs, valid):
        channels: dict[str, Channel] = common.channels if mask is None else {}
        for pair in members:
            if mask is not None and not mask.any():
                common.without_pixels.add(pair)
                values[pair] = {feature: (np.nan,) * SIZES[feature] for feature in wanted}
                continue
            for name in pair:
                if name not in channels:
                    channels[name] = Channel(images[name].pixel_data, mask)
            a, b = (channels[name] for name in pair)
            if "costes" in wanted:
                common.costes[pair] = thresholds(module, a, b, get_scale(*(images[name].scale for name in pair)))
            if module.wants_images():
                values[pair] = measure(a, b, wanted, module.thr.value, common.costes.get(pair))
    return values, common


def valid_pixels(image: Any) -> Array | None:
    """The pixels within the mask that are numbers; None if these are all."""
    valid = image.mask & ~np.isnan(image.pixel_data)
    return None if valid.all() else valid


def thresholds(module: Any, a: Channel, b: Channel, scale: float) -> tuple[float, float]:
    """Costes's."""
    method = module.fast_costes.value
    if np.isinf([a.lowest, a.highest, b.lowest, b.highest]).any() or (len(a.values) < 2 and method != M_FASTER):
        raise OtherwiseThanUsual
    return costes_thresholds(method, a, b, scale)


def measure(a: Channel, b: Channel, wanted: Collection[str], percent: float, costes: Any) -> Values:
    """All that is wanted of one pair."""
    values: dict[str, tuple[Any, ...]] = {}
    if "corr_and_slope" in wanted:
        line = scipy.linalg.lstsq(np.array((a.values, np.ones_like(a.values))).transpose(), b.values)[0]
        values["corr_and_slope"] = np.corrcoef((a.values, b.values))[1, 0], line[0]
    if any(feature in wanted for feature in ("manders", "rwc", "overlap")):
        values.update(measure_bright(a, b, wanted, percent))
    if "costes" in wanted:
        values["costes"] = shares(a.values, b.values, *costes)
    return values


def shares(a: Array, b: Array, above_a: float, above_b: float) -> tuple[Any, Any]:
    """Manders's coefficients: how much of what is above the threshold is where the other image is above its own."""
    both = (a > above_a) & (b > above_b)
    return a[both].sum() / a[a > above_a].sum(), b[both].sum() / b[b > above_b].sum()


def measure_bright(a: Channel, b: Channel, wanted: Collection[str], percent: float) -> dict[str, tuple[Any, ...]]:
    """What is measured of pixels above some per cent of the maximum."""
    values: dict[str, tuple[Any, ...]] = {}
    above_a, above_b = (percent * channel.values.max() / 100 for channel in (a, b))
    both = (a.values > above_a) & (b.values > above_b)
    bright_a, bright_b = a.values[both], b.values[both]
    if "manders" in wanted:
        values["manders"] = shares(a.values, b.values, above_a, above_b)
    if "rwc" in wanted:
        ranks = np.int64(max(a.ranks.max(), b.ranks.max())) + 1
        weights = (ranks - np.abs(a.ranks[both] - b.ranks[both])) / ranks
        values["rwc"] = (
            (bright_a * weights).sum() / a.values[a.values > above_a].sum(),
            (bright_b * weights).sum() / b.values[b.values > above_b].sum(),
        )
    if "overlap" in wanted:
        products, squares_a, squares_b = (bright_a * bright_b).sum(), (bright_a**2).sum(), (bright_b**2).sum()
        values["overlap"] = products / np.sqrt(squares_a * squares_b), products / squares_a, products / squares_b
    return values
