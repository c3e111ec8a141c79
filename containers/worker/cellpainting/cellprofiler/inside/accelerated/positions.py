"""Where in their object pixels lie, from a centre: the object's own, or that of another object."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import scipy.ndimage

from .kernel import Array
from .kernels.distances import distances_to_outside
from .kernels.nearest import nearest_seeds
from .kernels.radial import WEDGES, lengths_of_ways
from .maxima import places_of_maxima
from .regions import Regions


class Ways(NamedTuple):
    """The way from a centre to each pixel: (m,) each.

    Attributes
    ----------
    lengths : float64
        In pixels.
    rows, columns : int64
        Of the centre.
    is_found : bool
        Whether there is a centre, and the pixel is to be measured. If not, the others have no meaning.
    """

    lengths: Array
    rows: Array
    columns: Array
    is_found: Array


def distances_to_edges(regions: Regions) -> Array:
    """Of each pixel (m,), where objects at the border of the image may go on beyond it."""
    if len(regions.pixels) == regions.labels.size and len(regions) == 1:
        # There is no edge, and what the original has for a distance then is that from a pixel beyond the corner.
        return scipy.ndimage.distance_transform_edt(regions.labels).ravel()  # type: ignore[no-any-return]
    return distances_to_outside(regions.labels, regions.numbers, regions.boxes, regions.pixels, regions.starts, True)


def ways_from_own_centers(regions: Regions, to_edges: Array) -> Ways:
    """From the pixel of each object that is farthest from its edge."""
    centers = _maxima(regions, to_edges)
    is_seed = np.zeros(regions.labels.shape, bool)
    is_seed.ravel()[centers] = True
    is_seed[0, 0] |= len(regions) < regions.numbers[-1]  # where the original has the centre of numbers without pixels
    lengths = lengths_of_ways(regions.labels, regions.numbers, regions.boxes, regions.pixels, regions.starts, is_seed)
    rows, columns = np.unravel_index(np.repeat(centers, np.diff(regions.starts)), regions.labels.shape)
    return Ways(lengths, rows, columns, np.isfinite(lengths))


def _maxima(regions: Regions, values: Array) -> Array:
    """Which pixel of the image has the maximum of each object's values: background, of value 0, is sorted with them."""
    image = np.zeros(regions.labels.shape)
    image[regions.pixels[:, 0], regions.pixels[:, 1]] = values
    return places_of_maxima(image.ravel(), regions.labels.ravel(), regions.numbers[-1])[regions.numbers]


def ways_from_others(regions: Regions, others: Regions, *, is_from_centers: bool) -> Ways:
    """From the centres of other objects, or from their edges; then pixels within them are not measured."""
    centers = _centers(others)
    rounded = np.zeros((2, others.numbers[-1] + 1 if len(others) else 1), np.int64)
    rounded[:, others.numbers] = (centers + 0.5).astype(int)
    seeds = others.labels
    if is_from_centers:
        seeds = np.zeros_like(others.labels)
        seeds[rounded[0, others.numbers], rounded[1, others.numbers]] = others.numbers
    nearest, lengths = nearest_seeds(regions.labels != 0, seeds)
    pixels = tuple(regions.pixels.T)
    nearest, lengths = nearest[pixels], lengths[pixels]
    is_missing = nearest == 0
    if is_missing.any():
        nearest[is_missing] = _nearest_to_objects(regions, others, rounded)[is_missing]
        down, aside = (regions.pixels[is_missing] - rounded[:, nearest[is_missing]].T).T.astype(np.int64)
        lengths[is_missing] = np.sqrt(down * down + aside * aside)
    is_found = np.ones(len(nearest), bool) if is_from_centers else seeds[pixels] == 0
    return Ways(lengths, rounded[0, nearest], rounded[1, nearest], is_found)


def _centers(regions: Regions) -> Array:
    """Mean row and column of each object: (2, n)."""
    if not len(regions):
        return np.zeros((2, 0))
    sums = np.add.reduceat(regions.pixels, regions.starts[:-1], axis=0, dtype=np.int64)
    return sums.T / np.diff(regions.starts)


def _nearest_to_objects(regions: Regions, others: Regions, centers: Array) -> Array:
    """For each pixel the number of that other object whose centre is nearest to that of the pixel's own object."""
    down, aside = _centers(regions)[:, :, np.newaxis] - centers[:, np.newaxis, others.numbers]
    nearest = others.numbers[np.argsort(down * down + aside * aside)[:, 0]]
    return np.repeat(nearest, np.diff(regions.starts))


def _wedges(regions: Regions, ways: Ways) -> Array:
    """In which of eight wedges around its centre each pixel lies, (m,); -1 for those that are not measured."""
    down, aside = regions.pixels[:, 0] - ways.rows, regions.pixels[:, 1] - ways.columns
    found = (down > 0) + (aside > 0) * 2 + (np.abs(down) > np.abs(aside)) * (WEDGES // 2)
    return np.where(ways.is_found, found, -1).astype(np.int8)


class Positions:
    """How far from the centre the pixels of objects are, and where around it."""

    def __init__(self, regions: Regions, ways: Ways, radii: Any) -> None:
        """`radii` is what lengths are divided by: for each pixel, (m,), or one for all."""
        self._wedges = _wedges(regions, ways)
        self._distances = np.where(ways.is_found, ways.lengths, 0) / radii
        self._places: dict[int, Array] = {}

    def places(self, bin_count: int) -> Array:
        """(m,) int32: eight times the ring, and the wedge; -1 for pixels that are not measured.

        The last ring, one more than bins, is of what is beyond all bins.
        """
        if bin_count not in self._places:
            rings = np.minimum((self._distances * bin_count).astype(int), bin_count)
            self._places[bin_count] = np.where(self._wedges < 0, -1, rings * WEDGES + self._wedges).astype(np.int32)
        return self._places[bin_count]


def positions_of(regions: Regions, others: Regions | None, *, is_from_centers: bool, radius: int | None) -> Positions:
    """Positions from the centre of each object, or from `others`: their centres, or their edges.

    Lengths are relative to `radius`, in pixels, or to the way from the centre over the pixel to the edge.
    """
    to_edges = distances_to_edges(regions)
    if others is None:
        ways = ways_from_own_centers(regions, to_edges)
    else:
        ways = ways_from_others(regions, others, is_from_centers=is_from_centers)
    return Positions(regions, ways, ways.lengths + to_edges + 0.001 if radius is None else radius)
