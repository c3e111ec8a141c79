"""Asks CellProfiler's objects, as they are and accelerated, and writes as JSON what is not the same to the last bit.

Under CellProfiler's Python: `python objects.py`. The result is an object by question and input; each holds whether the
answers are the same, and whether the question was left to the original.
"""

from __future__ import annotations

import json
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import scipy.ndimage

if TYPE_CHECKING:
    from cellpainting.cellprofiler.inside.accelerated import objects as accelerated_objects
    from tests.worker.accelerated.inside.inputs import INPUTS
    from tests.worker.accelerated.inside.measure import LeftToOriginals
else:  # a script of a Python that does not have these packages
    sys.path.insert(0, str(Path(__file__).parents[4] / "containers/worker/cellpainting/cellprofiler/inside"))
    from accelerated import objects as accelerated_objects
    from inputs import INPUTS
    from measure import LeftToOriginals


def with_holes(seed: int, shape: tuple[int, int] = (60, 80)) -> Any:
    """Rings in rings, and numbers that touch, at random."""
    rng = np.random.default_rng(seed)
    smooth = scipy.ndimage.gaussian_filter(rng.normal(size=shape), rng.uniform(0.5, 2.5))
    bands = np.digitize(smooth, np.quantile(smooth, [0.2, 0.35, 0.5, 0.7, 0.85]))
    labels, _ = scipy.ndimage.label(bands % 2)
    return np.where(bands == 4, labels.max() + 1 + (np.indices(shape)[0] // 20), labels).astype(np.int32)


def label_images() -> dict[str, Any]:
    """Two label images by name."""
    made: dict[str, Any] = {}
    for name, make in INPUTS.items():
        given = make()
        made[name] = (given.cells, given.nuclei)
    for seed in range(20):
        made[f"holes {seed}"] = (with_holes(seed), with_holes(seed + 100))
    one, other = with_holes(200), with_holes(201)
    made["of another size"] = (one, other[:50, :70])
    made["other types"] = (one.astype(np.uint16), other.astype(np.int64))
    made["not contiguous"] = (one[::2, ::2], other[::2, ::2])
    made["empty"] = (np.zeros((0, 5), np.int32), np.zeros((0, 5), np.int32))
    return made


def objects_of(labels: Any, *, is_sparse: bool = False) -> Any:
    """CellProfiler's objects."""
    from cellprofiler_core.object import Objects

    made = Objects()
    made.segmented = labels
    if is_sparse:
        sparse = Objects()
        sparse.set_ijv(made.ijv, shape=labels.shape)
        return sparse
    return made


def morphology(name: str) -> Callable[..., Any]:
    """A function of Centrosome as it is now."""
    from centrosome import cpmorphology

    return getattr(cpmorphology, name)  # type: ignore[no-any-return]


def large(area: int, is_foreground: bool) -> bool:
    """What IdentifyPrimaryObjects fills."""
    return area < 30 or is_foreground


QUESTIONS: dict[str, Callable[[Any, Any], Any]] = {
    "relate": lambda one, other: objects_of(one).relate_children(objects_of(other)),
    "relate back": lambda one, other: objects_of(other).relate_children(objects_of(one)),
    "relate sparse": lambda one, other: objects_of(one, is_sparse=True).relate_children(objects_of(other)),
    "centre of mass": lambda one, _: objects_of(one).center_of_mass(),
    "centres": lambda one, _: morphology("centers_of_labels")(one),
    "fill": lambda one, _: morphology("fill_labeled_holes")(one),
    "fill a mask": lambda one, _: morphology("fill_labeled_holes")(one > 0),
    "fill what is small": lambda one, _: morphology("fill_labeled_holes")(one, size_fn=large),
    "fill within": lambda one, _: morphology("fill_labeled_holes")(one, mask=one != 1),
}


def answer(question: Callable[[Any, Any], Any], images: Any) -> Any:
    """Arrays as bytes, with their types and shapes, or the kind of error."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = question(*(image.copy() for image in images))
    except Exception as error:
        return type(error).__name__
    arrays = found if isinstance(found, tuple) else (found,)
    return [(array.dtype.str, array.shape, array.tobytes()) for array in arrays]


def main() -> None:
    """Ask everything twice."""
    from cellprofiler_core import preferences

    preferences.set_headless()
    images = label_images()
    asked = [(question, name) for question in QUESTIONS for name in images]
    stock = [answer(QUESTIONS[question], images[name]) for question, name in asked]
    accelerated_objects.install()
    left, both = LeftToOriginals(), {}
    for (question, name), before in zip(asked, stock):
        is_same = answer(QUESTIONS[question], images[name]) == before
        both[f"{question} | {name}"] = {"same": is_same, "left": left.taken()}
    json.dump(both, sys.stdout)


if __name__ == "__main__":
    main()
