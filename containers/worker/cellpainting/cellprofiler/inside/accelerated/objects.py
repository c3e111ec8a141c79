"""Objects: which lie in which, where their centres are, and their holes, for all modules that make objects.

All of these are whole numbers, or quotients of whole numbers, and so the same in whatever order they are summed.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.ndimage
from cellprofiler_core.object import Objects
from centrosome import cpmorphology
from centrosome._cpmorphology2 import fill_labeled_holes_loop

from .kernel import Array
from .kernels.overlap import overlaps, position_sums
from .replacing import replace_function, replace_method


def install() -> None:
    """Replace methods of all objects, and functions that modules call by the name of their module."""
    replace_method(Objects, "relate_children", relate_children)
    replace_method(Objects, "center_of_mass", center_of_mass)
    replace_function(cpmorphology, "centers_of_labels", centers_of_labels)
    replace_function(cpmorphology, "fill_labeled_holes", fill_labeled_holes)


def relate_children(self: Any, children: Any) -> Any:
    """The number of children of each parent, and the parent of each child: the one that it shares most pixels with."""
    ours, theirs = plane(self), plane(children)
    if ours is None or theirs is None:
        return NotImplemented
    return self.relate_histogram(overlaps(ours, theirs, int(ours.max()), int(theirs.max())))


def center_of_mass(self: Any) -> Any:
    """Row and column of each number that occurs, (n, 2)."""
    labels = plane(self)
    if labels is None:
        return NotImplemented
    sums = position_sums(labels, int(labels.max()))
    sums = sums[sums[:, 0] > 0]
    return sums[:, 1:] / sums[:, :1] if len(sums) else NotImplemented


def centers_of_labels(labels: Any) -> Any:
    """Row and column of each number up to the largest, (2, n), NaN for those that do not occur."""
    if not is_plane(labels):
        return NotImplemented
    largest = int(labels.max())
    if largest == 0:
        return np.zeros((2, 0), int)
    sums = position_sums(np.ascontiguousarray(labels, np.int32), largest)[1:]
    with np.errstate(invalid="ignore"):
        return (sums[:, 1:] / sums[:, :1]).transpose()


def plane(objects: Any) -> Array | None:
    """The label image of objects in two dimensions that do not overlap and are held as an image, as int32."""
    segmentation = objects._Objects__segmented
    if segmentation is None or not segmentation.has_dense() or objects.volumetric:
        return None
    planes = objects.get_labels()
    if len(planes) != 1 or not is_plane(planes[0][0]):
        return None
    return np.ascontiguousarray(planes[0][0], np.int32)


def is_plane(labels: Any) -> bool:
    """Whether these are whole numbers in two dimensions."""
    return isinstance(labels, np.ndarray) and labels.ndim == 2 and labels.size > 0 and labels.dtype.kind in "iu"


def fill_labeled_holes(labels: Any, mask: Any = None, size_fn: Any = None) -> Any:
    """A copy in which the background that one object encloses, and what lies in it, has the number of that object.

    As in the original, pieces of background are numbered as objects are, a graph is made of what touches, and the
    compiled loop walks it from the border.
    """
    if mask is not None or not (is_plane(labels) or (labels.ndim == 2 and labels.dtype == bool)) or not labels.size:
        return NotImplemented
    pieces, count = scipy.ndimage.label(labels == 0, cpmorphology.four_connect)
    largest = int(labels.max())
    regions = np.where(labels == 0, pieces + (largest + 1), labels).astype(np.int64)
    size = largest + count + 2
    border = np.unique(np.hstack((regions[0], regions[:, 0], regions[-1], regions[:, -1])))
    is_open, enclosing = np.zeros(size, np.uint8), np.zeros(size, np.uint32)
    is_open[border] = True
    starts, ends = touching(regions, size)
    if len(starts):
        to_visit = [*border, *_too_small(regions, is_open, largest, size_fn)]
        counts = np.bincount(starts, minlength=size)
        fill_labeled_holes_loop(
            starts.astype(np.uint32),
            ends.astype(np.uint32),
            (np.cumsum(counts) - counts).astype(np.uint32),
            counts.astype(np.uint32),
            is_open,
            enclosing,
            np.array(to_visit + [0] * (size - len(to_visit)), np.uint32),
            largest,
            len(to_visit),
        )
    numbers = np.arange(size).astype(np.uint32)
    numbers[largest + 1 :] = 0
    is_hole = is_open == 0
    numbers[is_hole] = enclosing[is_hole]
    return numbers[regions].astype(labels.dtype)


def touching(regions: Array, size: int) -> tuple[Array, Array]:
    """All pairs of numbers, in order, of which pixels lie beside or below each other, both ways around."""
    pairs = []
    for one, other in ((regions[:-1], regions[1:]), (regions[:, :-1], regions[:, 1:])):
        differ = one != other
        first, second = one[differ], other[differ]
        pairs += [first * size + second, second * size + first]
    keys = np.unique(np.hstack(pairs))
    return keys // size, keys % size


def _too_small(regions: Array, is_open: Array, largest: int, size_fn: Any) -> list[int]:
    """The regions that are not to be filled for their size, which are marked as open."""
    if size_fn is None:
        return []
    areas = np.bincount(regions.ravel())
    found = [
        number
        for number, area in enumerate(areas)
        if number > 0 and area > 0 and not is_open[number] and not size_fn(area, number <= largest)
    ]
    is_open[found] = True
    return found
