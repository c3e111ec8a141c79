"""Measurements held in memory answer as CellProfiler's own do in their file, whatever is done to them."""

import json
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from cellpainting.cellprofiler.environment import CellProfiler

SCRIPT = Path(__file__).parent / "inside" / "measurements.py"
pytestmark = [pytest.mark.cellprofiler, pytest.mark.acceleration]


@cache
def results(python: Path) -> Any:
    """What the script says, by sequence of operations."""
    done = subprocess.run([str(python), str(SCRIPT)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_answers_and_all_that_is_stored_are_equal(cellprofiler: CellProfiler) -> None:
    for sequence, result in results(cellprofiler.python).items():
        assert not result["problems"], sequence
        assert result["compared"]


def test_they_are_not_written_for_all_that_a_headless_run_does(cellprofiler: CellProfiler) -> None:
    held = {sequence: result["held"] for sequence, result in results(cellprofiler.python).items()}
    assert all(is_held for sequence, is_held in held.items() if sequence.startswith("ordinary"))
