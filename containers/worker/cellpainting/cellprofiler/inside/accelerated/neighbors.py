"""MeasureObjectNeighbors: objects are near to each other if their outlines are; none of them is dilated."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.ndimage
from cellprofiler.modules.measureobjectneighbors import (
    D_ADJACENT,
    D_EXPAND,
    D_WITHIN,
    M_ANGLE_BETWEEN_NEIGHBORS,
    M_FIRST_CLOSEST_DISTANCE,
    M_FIRST_CLOSEST_OBJECT_NUMBER,
    M_NUMBER_OF_NEIGHBORS,
    M_PERCENT_TOUCHING,
    M_SECOND_CLOSEST_DISTANCE,
    M_SECOND_CLOSEST_OBJECT_NUMBER,
    MeasureObjectNeighbors,
)
from cellprofiler_core.constants.measurement import NEIGHBORS

from .kernel import Array
from .kernels.neighbors import centers, meetings, outlines
from .regions import regions_of
from .replacing import replace_method


def install() -> None:
    """Replace the method that measures."""
    replace_method(MeasureObjectNeighbors, "run", run)


@dataclass(frozen=True)
class Kind:
    """Objects of one name.

    Attributes
    ----------
    labels : (h, w) int32
        With those that were discarded for touching the border.
    count : int
        The highest of these labels.
    centers : (2, count) float64
        Rows and columns.
    numbers : (kept,) int64
        The label, of those above, of each object that was kept; 0 for none.
    has_pixels : (kept,) bool
        False for a number that no object has.
    """

    labels: Array
    count: int
    centers: Array
    numbers: Array
    has_pixels: Array


@dataclass(frozen=True)
class Nearest:
    """From objects to the nearest others and to the second nearest: rows and columns, and the angle between, by label.

    In CellProfiler, the nearest of all, also of those that were discarded.
    """

    first: Array
    second: Array
    angle: Array


def run(self: Any, workspace: Any) -> Any:
    """Measure the neighbors of the objects."""
    objects = workspace.object_set.get_objects(self.object_name.value)
    other_objects = workspace.object_set.get_objects(self.neighbors_name.value)
    wants_image = self.wants_count_image.value or self.wants_percent_touching_image.value
    if wants_image or self.distance_method.value not in (D_EXPAND, D_WITHIN, D_ADJACENT):
        return NotImplemented
    if not all_in_one_plane(objects, other_objects):
        return NotImplemented
    if not self.wants_excluded_objects.value:
        # In place, for whoever uses these objects later, too: so does the original.
        other_objects.small_removed_segmented[~(other_objects.segmented > 0)] = 0
    are_same = bool(self.neighbors_are_objects)
    own = kind_of(objects)
    others = own if are_same else kind_of(other_objects)
    with np.errstate(divide="ignore", invalid="ignore"):
        if others.count > are_same:
            record(self, workspace, own, *measure(self, own, others, are_same=are_same))
        else:
            none = np.zeros(own.count)
            nearest = Nearest(np.zeros((2, own.count)), np.zeros((2, own.count)), none)
            numbers = np.zeros((2, own.count), int)
            record(self, workspace, own, none, none, nearest, numbers, np.zeros((2, 0), int))
    return None


def all_in_one_plane(*kinds: Any) -> bool:
    """Whether objects are in two dimensions, do not overlap, and their label images have the same shape."""
    if any(regions_of(objects) is None for objects in kinds):
        return False
    return (
        len({array.shape for objects in kinds for array in (objects.segmented, objects.small_removed_segmented)}) == 1
    )


def kind_of(objects: Any) -> Kind:
    """The objects of one name."""
    kept, labels = objects.segmented, objects.small_removed_segmented
    has_pixels = np.bincount(kept.ravel())[1:] > 0
    if np.array_equal(kept, labels):
        numbers = np.where(has_pixels, np.arange(1, len(has_pixels) + 1), 0)
    else:
        _, numbers = objects.relate_labels(labels, kept)
    labels = np.ascontiguousarray(labels, dtype=np.int32)
    count = int(labels.max(initial=0))
    return Kind(labels, count, centers(labels, count), numbers, has_pixels)


def measure(module: Any, own: Kind, others: Kind, *, are_same: bool) -> tuple[Array, Array, Nearest, Array, Array]:
    """Measure objects that have others.

    Returns
    -------
    counts, percent_touching : (count,) float64
        By label.
    nearest : Nearest
    closest : (2, kept) int64
        The numbers of the first and the second closest.
    pairs : (2, pairs) int64
        Numbers of neighbors.
    """
    labels, other_labels, distance = own.labels, others.labels, 1
    if module.distance_method.value == D_WITHIN:
        distance = module.distance.value
    elif module.distance_method.value == D_EXPAND:
        rows, columns = scipy.ndimage.distance_transform_edt(labels == 0, return_distances=False, return_indices=True)
        labels = labels[rows, columns]
        other_labels = labels if are_same else other_labels
    following, lengths = outlines(labels, own.count)
    following_of_others = following if are_same else outlines(other_labels, others.count)[0]
    are_near, touching = meetings(
        labels, other_labels, following, following_of_others, own.count, others.count, are_same, distance
    )
    are_near[0], are_near[:, 0] = False, False
    is_kept = np.zeros(own.count + 1, bool)
    is_kept[own.numbers] = True
    are_near[~is_kept] = False
    counts = are_near.sum(axis=1)[1:].astype(np.float64)
    percent_touching = np.where(is_kept[1:], touching, 0) * 100 / lengths
    closest = closest_numbers(own, others, int(are_same))
    return counts, percent_touching, nearest_of(own, others, int(are_same)), closest, pairs(own, others, are_near)


def nearest_of(own: Kind, others: Kind, itself: int) -> Nearest:
    """Where the nearest others are, of all labels; `itself` is 1 if an object is the first of them itself."""
    (rows, columns), (other_rows, other_columns) = own.centers[:, :, np.newaxis], others.centers
    distances = np.sqrt((rows - other_rows) ** 2 + (columns - other_columns) ** 2)
    places = tuple(range(min(others.count, 3)))
    order = np.argpartition(distances, places, axis=1)[:, :3]
    first = others.centers[:, order[:, itself]] - own.centers
    if others.count <= itself + 1:
        return Nearest(first, np.zeros_like(first), np.zeros(own.count))
    second = others.centers[:, order[:, itself + 1]] - own.centers
    cosine = (first * second)[::-1].sum(axis=0) / np.sqrt((first**2)[::-1].sum(axis=0) * (second**2)[::-1].sum(axis=0))
    return Nearest(first, second, np.arccos(cosine) * 180.0 / np.pi)


def closest_numbers(own: Kind, others: Kind, itself: int) -> Array:
    """The numbers of the first and second closest of the objects that were kept, 0 for none; (2, kept)."""
    closest = np.zeros((2, len(own.numbers)), int)
    if len(own.numbers) <= itself:
        return closest
    rows, columns = own.centers[:, own.numbers - 1, np.newaxis]
    other_rows, other_columns = others.centers[:, others.numbers - 1]
    down, aside = rows - other_rows, columns - other_columns
    distances = np.sqrt(down * down + aside * aside)
    distances[~own.has_pixels, :] = np.inf
    distances[:, ~others.has_pixels] = np.inf
    order = np.argsort(distances, axis=1, kind="stable")
    closest[0, own.has_pixels] = order[own.has_pixels, itself] + 1
    if order.shape[1] > itself + 1:
        closest[1, own.has_pixels] = order[own.has_pixels, itself + 1] + 1
    return closest


def pairs(own: Kind, others: Kind, are_near: Array) -> Array:
    """Numbers of objects and of their neighbors, of those that were kept; (2, pairs)."""
    number_of = np.zeros(own.count + 1, int)
    number_of[own.numbers] = np.arange(len(own.numbers)) + 1
    number_of_other = np.zeros(others.count + 1, int)
    number_of_other[others.numbers] = np.arange(len(others.numbers)) + 1
    at, other_labels = np.nonzero(are_near[own.numbers])
    found = np.stack([number_of[own.numbers[at]], number_of_other[other_labels]])
    return found[:, (found > 0).all(axis=0)]


def record(
    module: Any,
    workspace: Any,
    own: Kind,
    counts: Array,
    percent_touching: Array,
    nearest: Nearest,
    closest: Array,
    neighbors: Array,
) -> None:
    """Add all measurements, by the numbers of the objects that were kept, and who is neighbor to whom."""
    at = own.numbers - 1
    counts, percent_touching = counts[at], percent_touching[at]
    counts[~own.has_pixels], percent_touching[~own.has_pixels] = 0, 0
    first, second = (np.sqrt((vectors[:, at] ** 2)[::-1].sum(axis=0)) for vectors in (nearest.first, nearest.second))
    name = module.object_name.value
    for feature, values in (
        (M_NUMBER_OF_NEIGHBORS, counts),
        (M_FIRST_CLOSEST_OBJECT_NUMBER, closest[0]),
        (M_FIRST_CLOSEST_DISTANCE, first),
        (M_SECOND_CLOSEST_OBJECT_NUMBER, closest[1]),
        (M_SECOND_CLOSEST_DISTANCE, second),
        (M_ANGLE_BETWEEN_NEIGHBORS, nearest.angle[at]),
        (M_PERCENT_TOUCHING, percent_touching),
    ):
        workspace.measurements.add_measurement(name, module.get_measurement_name(feature), values)
    if neighbors.size:
        image_numbers = np.full(neighbors.shape[1], workspace.measurements.image_set_number)
        workspace.measurements.add_relate_measurement(
            module.module_num,
            NEIGHBORS,
            name,
            module.neighbors_name.value,
            image_numbers,
            neighbors[0],
            image_numbers,
            neighbors[1],
        )
