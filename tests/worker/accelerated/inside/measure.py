"""Runs the modules of one part on all inputs, as they are and accelerated, and writes how they differ, as JSON.

Under CellProfiler's Python: `python measure.py PART`. The result is an object by settings and input; each holds how
many values were compared, the largest relative difference, a line for each measurement that is not the same, and what
was left to the original.
"""

from __future__ import annotations

import json
import logging
import sys
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from cellpainting.cellprofiler.inside.accelerated.parts import accelerate
    from cellpainting.cellprofiler.inside.accelerated.tolerance import RELATIVE, difference
    from tests.worker.accelerated.inside.inputs import FEW, INPUTS, Input
    from tests.worker.accelerated.inside.settings import MODULES, runs
else:  # a script of a Python that does not have these packages
    sys.path.insert(0, str(Path(__file__).parents[4] / "containers/worker/cellpainting/cellprofiler/inside"))
    from accelerated.parts import accelerate
    from accelerated.tolerance import RELATIVE, difference
    from inputs import FEW, INPUTS, Input

    from settings import MODULES, runs


def workspace_of(module: Any, given: Input) -> Any:
    """A workspace of one image set, as the pipeline makes it."""
    from cellprofiler_core.image import Image, ImageSetList
    from cellprofiler_core.measurement import Measurements
    from cellprofiler_core.object import Objects, ObjectSet
    from cellprofiler_core.pipeline import Pipeline
    from cellprofiler_core.workspace import Workspace

    dimensions = given.cells.ndim
    pipeline, measurements, image_sets, objects = Pipeline(), Measurements(), ImageSetList(), ObjectSet()
    pipeline.set_volumetric(dimensions == 3)
    image_set = image_sets.get_image_set(0)
    for name, pixels in (("One", given.one), ("Two", given.two)):
        is_masked = given.mask is not None and name == "One"
        image_set.add(name, Image(pixels.copy(), mask=given.mask if is_masked else None, dimensions=dimensions))
    for name, labels in (("Cells", given.cells), ("Nuclei", given.nuclei)):
        labelled = Objects()
        labelled.segmented = labels.copy()
        if name == "Cells" and given.cells_with_discarded is not None:
            labelled.small_removed_segmented = given.cells_with_discarded.copy()
        labelled.parent_image = image_set.get_image("Two")
        objects.add_objects(labelled, name)
    module.show_window = False
    module.set_module_num(1)
    pipeline.add_module(module)
    return Workspace(pipeline, module, image_set, objects, measurements, image_sets)


def measure(module: Any, given: Input) -> Any:
    """What a module measures, (object, feature, values) in order, and what it made of images; or its error."""
    workspace = workspace_of(module, given)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            module.run(workspace)
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    measurements = workspace.measurements
    found = [
        (name, feature, measurements.get_current_measurement(name, feature))
        for name in measurements.get_object_names()
        for feature in measurements.get_feature_names(name)
    ]
    images = [
        ("pixels", name, workspace.image_set.get_image(name).pixel_data) for name in sorted(workspace.image_set.names)
    ]
    images += [
        ("labels", name, workspace.object_set.get_objects(name).small_removed_segmented)
        for name in sorted(workspace.object_set.object_names)
    ]
    return found + images


def compare(stock: Any, accelerated: Any) -> dict[str, Any]:
    """How two results of `measure` differ."""
    if isinstance(stock, str) or isinstance(accelerated, str):
        problems = [] if str(stock) == str(accelerated) else [f"{str(stock)[:200]} is not {str(accelerated)[:200]}"]
        return {"values": 0, "largest": 0.0, "problems": problems, "error": str(stock)[:200]}
    names = [[item[:2] for item in found] for found in (stock, accelerated)]
    if names[0] != names[1]:
        return {"values": 0, "largest": 0.0, "problems": [f"other columns: {set(names[0]) ^ set(names[1])}"]}
    problems, largest, count = [], 0.0, 0
    for (name, feature, one), (_, _, other) in zip(stock, accelerated):
        if np.shape(one) != np.shape(other) or np.asarray(one).dtype.kind != np.asarray(other).dtype.kind:
            problems.append(f"{name} {feature}: {one} is not of the kind of {other}")
        elif np.size(one):
            apart = difference(feature, one, other)
            largest, count = max(largest, float(apart.max())), count + np.size(one)
            if apart.max() > RELATIVE:
                at = np.unravel_index(apart.argmax(), apart.shape)
                values = f"{np.asarray(one)[at]!r} is not {np.asarray(other)[at]!r}"
                problems.append(f"{name} {feature} {list(map(int, at))}: {values}")
    return {"values": count, "largest": largest, "problems": problems}


class LeftToOriginals(logging.Handler):
    """Hears of every call that an accelerated function leaves to the original."""

    def __init__(self) -> None:
        super().__init__()
        self._messages: set[str] = set()
        logging.getLogger("accelerated.replacing").setLevel(logging.DEBUG)
        logging.getLogger("accelerated.replacing").addHandler(self)

    def emit(self, record: logging.LogRecord) -> None:
        """Take note of one."""
        self._messages.add(record.getMessage())

    def taken(self) -> list[str]:
        """What was heard since the last time."""
        messages, self._messages = sorted(self._messages), set()
        return messages


def main(part_name: str) -> None:
    """Measure everything twice."""
    from cellprofiler_core import preferences

    preferences.set_headless()
    from cellprofiler_core.utilities.core.modules import fill_modules

    fill_modules()
    modules, tried = MODULES[part_name], runs(part_name, INPUTS, FEW)
    stock = [measure(modules[name](), INPUTS[given]()) for name, given in tried]
    acceleration = accelerate([part_name])
    if acceleration.left_alone:
        raise SystemExit(f"not accelerated: {acceleration.left_alone}")
    left, both = LeftToOriginals(), {}
    for (name, given), before in zip(tried, stock):
        result = compare(before, measure(modules[name](), INPUTS[given]()))
        both[f"{name} | {given}"] = {**result, "left": left.taken()}
    json.dump(both, sys.stdout)


if __name__ == "__main__":
    main(sys.argv[1])
