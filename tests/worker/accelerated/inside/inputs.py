"""What accelerated modules are tried on: images and label images of all kinds, by name. NumPy only.

An input is made of images (name to pixels and mask or None) and of objects (name to labels). All have the images One
and Two and the objects Cells and Nuclei; nuclei lie in cells and have their numbers.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Input:
    """Images and objects, on which all modules are run."""

    one: Array
    two: Array
    cells: Array
    nuclei: Array
    mask: Array | None = None
    cells_with_discarded: Array | None = None


def cells(shape: tuple[int, int], count: int, radius: float, seed: int) -> tuple[Array, Array]:
    """Labels of cells, each the pixels nearest to its random centre within a radius, and of their nuclei."""
    rng = np.random.default_rng(seed)
    centres = rng.uniform(0, 1, (count, 2)) * shape
    y, x = np.indices(shape)
    distance = np.full(shape, np.inf)
    labels = np.zeros(shape, np.int32)
    for number, (row, column) in enumerate(centres, 1):
        from_centre = np.hypot(y - row, (x - column) * rng.uniform(0.7, 1.4))
        is_nearer = from_centre < np.minimum(distance, radius)
        labels[is_nearer] = number
        distance = np.minimum(distance, from_centre)
    return labels, np.where(distance < radius / 2, labels, 0).astype(np.int32)


def pixels(labels: Array, seed: int) -> Array:
    """A fluorescent image of cells: float32 from 16 bits, as CellProfiler reads it."""
    rng = np.random.default_rng(seed)
    y, x = np.indices(labels.shape)
    waves = 1 + 0.4 * np.sin(y / rng.uniform(2, 9)) * np.cos(x / rng.uniform(2, 9))
    brightness = rng.uniform(0.02, 0.3, labels.max() + 1)
    brightness[0] = 0.01
    light = np.clip(brightness[labels] * waves + rng.normal(0, 0.01, labels.shape), 0, 1)
    image: Array = (np.round(light * 65535) / 65535).astype(np.float32)
    return image


def random_cells(seed: int, count: int = 12, shape: tuple[int, int] = (90, 110), radius: float = 16) -> Input:
    """Cells, some of which touch each other and the border."""
    labels, nuclei = cells(shape, count, radius, seed)
    return Input(pixels(labels, seed), pixels(labels, seed + 1000), labels, nuclei)


def changed(**changes: Any) -> Input:
    """Random cells with other images or labels: arrays, or functions of what there is."""
    given = vars(random_cells(7))
    return Input(**{**given, **{name: make(given) if callable(make) else make for name, make in changes.items()}})


def dim(given: Input) -> Input:
    """With few grey levels, of which the time depends that stock texture takes."""
    return Input(given.one / np.float32(8), given.two / np.float32(8), given.cells, given.nuclei)


def discarded_at_border(given: dict[str, Array]) -> dict[str, Array]:
    """Cells that touch the border are discarded, and the others, but for one, have new numbers."""
    labels = given["cells"]
    border = np.unique(np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]]))
    kept = np.setdiff1d(labels, np.append(border, 0))
    numbers = np.zeros(labels.max() + 1, np.int32)
    numbers[kept] = [1, *range(3, len(kept) + 2)]
    return {"cells": numbers[labels], "cells_with_discarded": labels}


def with_nan(given: dict[str, Array]) -> Array:
    """Some pixels of the image are NaN, within cells and outside."""
    image = given["one"].copy()
    image[20:25, 30:60] = np.nan
    return image


def with_infinity(given: dict[str, Array]) -> Array:
    """Some pixels of the image are infinite, within cells and outside."""
    image = given["one"].copy()
    image[20:25, 30:60], image[60:62, 40:70] = np.inf, -np.inf
    return image


def one_pixel() -> Input:
    """Objects of one pixel, two pixels, a row and a column, some at the border."""
    labels = np.zeros((40, 50), np.int32)
    labels[0, 0], labels[39, 49], labels[10, 10], labels[12, 12:14] = 1, 2, 3, 4
    labels[20, 5:30], labels[3:30, 40] = 5, 6
    image = np.random.default_rng(3).uniform(0, 1, labels.shape).astype(np.float32)
    return Input(image, image[::-1].copy(), labels, np.where(labels == 4, 0, labels))


def blocks() -> Input:
    """Rectangles that touch, one with a hole, one in two pieces, and an object that fills a quarter of the image."""
    labels = np.zeros((64, 64), np.int32)
    labels[4:20, 4:20], labels[4:20, 20:36], labels[8:12, 8:12] = 1, 2, 0
    labels[40:44, 4:8], labels[50:54, 10:20], labels[32:, 32:] = 3, 3, 4
    nuclei = np.where(np.indices(labels.shape)[1] % 4 < 2, labels, 0).astype(np.int32)
    return Input(pixels(labels, 1), pixels(labels, 2), labels, nuclei)


def volume() -> Input:
    """Three dimensions."""
    labels = np.zeros((5, 30, 30), np.int32)
    labels[1:4, 4:14, 4:14], labels[1:4, 16:26, 16:26] = 1, 2
    image = np.random.default_rng(4).uniform(0, 1, labels.shape).astype(np.float32)
    return Input(image, image[:, ::-1].copy(), labels, labels)


NOTHING = np.zeros((90, 110), np.int32)
INPUTS: dict[str, Callable[[], Input]] = {
    "random cells": lambda: random_cells(1),
    "other random cells": lambda: random_cells(2),
    "one cell": lambda: random_cells(3, count=1),
    "cells of another size": lambda: random_cells(4, count=25, shape=(70, 150), radius=11),
    "500 small cells": lambda: dim(random_cells(5, count=500, shape=(180, 220), radius=6)),
    "no objects": lambda: changed(cells=NOTHING, nuclei=NOTHING),
    "no nuclei": lambda: changed(nuclei=NOTHING),
    "objects of one pixel": one_pixel,
    "blocks with a hole and in pieces": blocks,
    "one object is the whole image": lambda: changed(cells=NOTHING + 1, nuclei=NOTHING + 1),
    "numbers with gaps": lambda: changed(
        **{name: lambda given, name=name: given[name] * 3 for name in ("cells", "nuclei")}
    ),
    "a number is missing": lambda: changed(
        cells=lambda given: np.where(given["cells"] == 2, 0, given["cells"]),
        nuclei=lambda given: np.where(given["nuclei"] == 5, 0, given["nuclei"]),
    ),
    "cells at the border are discarded": lambda: changed(**discarded_at_border(vars(random_cells(7)))),
    "a black image": lambda: changed(one=NOTHING.astype(np.float32)),
    "a constant image": lambda: changed(one=NOTHING.astype(np.float32) + np.float32(0.25)),
    "both images the same": lambda: changed(two=lambda given: given["one"].copy()),
    "two levels": lambda: changed(one=lambda given: (given["one"] > 0.1).astype(np.float32)),
    "double precision": lambda: changed(one=lambda given: given["one"] / np.float64(3)),
    "NaN": lambda: changed(one=with_nan),
    "infinity": lambda: changed(one=with_infinity),
    "out of range": lambda: changed(one=lambda given: given["one"] * 7 - 0.2),
    "masked": lambda: changed(mask=lambda given: np.indices(given["one"].shape)[0] % 50 < 40),
    "whole cells masked": lambda: changed(mask=lambda given: np.indices(given["one"].shape)[1] > 60),
    "all masked": lambda: changed(mask=NOTHING != 0),
    "image smaller than labels": lambda: changed(one=lambda given: given["one"][:80, :100].copy()),
    "image larger than labels": lambda: changed(one=lambda given: np.pad(given["one"], 9)),
    "a volume": volume,
}
# What other settings of a module are tried on, after the first.
FEW = ("random cells", "no objects", "masked")
