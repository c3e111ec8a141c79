"""Accelerated modules measure what CellProfiler's own do, on images and objects of all kinds."""

import json
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from cellpainting.cellprofiler.environment import CellProfiler
from cellpainting.cellprofiler.inside.accelerated.tolerance import RELATIVE
from cellpainting.cellprofiler.process import ONE_THREAD, SAME_COLUMNS
from tests.worker.accelerated.inside.inputs import FEW, INPUTS
from tests.worker.accelerated.inside.settings import LEFT, MODULES, runs

# Inputs for which an accelerated module may call the original, and all but these are to do without it.
LEFT_TO_CELLPROFILER = ("a volume", "image smaller than labels", "image larger than labels")
SCRIPT = Path(__file__).parent / "inside" / "measure.py"
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


@cache
def results(part: str, python: Path) -> Any:
    """What the script says of one part."""
    command = [str(python), str(SCRIPT), part]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env={**ONE_THREAD, **SAME_COLUMNS})
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize(("part", "run"), RUNS)
def test_values_are_equal(part: str, run: str, cellprofiler: CellProfiler) -> None:
    result = results(part, cellprofiler.python)[run]
    assert not result["problems"]
    assert result["largest"] <= RELATIVE
    assert result["values"] or "error" in result
    assert not result["left"] or run.endswith((*LEFT_TO_CELLPROFILER, *LEFT[part]))
