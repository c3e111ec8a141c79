"""Accelerated modules measure what CellProfiler's own do, on images and objects of all kinds."""

import pytest

from cellpainting.cellprofiler.environment import CellProfiler
from cellpainting.cellprofiler.inside.accelerated.tolerance import RELATIVE
from tests.worker.accelerated.inside.inputs import FEW, INPUTS
from tests.worker.accelerated.inside.settings import LEFT, MODULES, runs
from tests.worker.accelerated.scripts import results_of

# Inputs for which an accelerated module may call the original, and all but these are to do without it.
LEFT_TO_CELLPROFILER = ("a volume", "image smaller than labels", "image larger than labels")
RUNS = [
    pytest.param(
        part,
        f"{settings} | {given}",
        id=f"{part}: {settings}, {given}",
        marks=pytest.mark.xdist_group(part),  # measured by one process of pytest
    )
    for part in MODULES
    for settings, given in runs(part, INPUTS, FEW)
]
pytestmark = [pytest.mark.cellprofiler, pytest.mark.acceleration]


@pytest.mark.parametrize(("part", "run"), RUNS)
def test_values_are_equal(part: str, run: str, cellprofiler: CellProfiler) -> None:
    result = results_of("measure.py", cellprofiler.python, part)[run]
    assert not result["problems"]
    assert result["largest"] <= RELATIVE
    assert result["values"] or "error" in result
    assert not result["left"] or run.endswith((*LEFT_TO_CELLPROFILER, *LEFT[part]))
