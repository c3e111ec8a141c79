"""Measurements held in memory answer as CellProfiler's own do in their file, whatever is done to them."""

import pytest

from cellpainting.cellprofiler.environment import CellProfiler
from tests.worker.accelerated.scripts import results_of

pytestmark = [pytest.mark.cellprofiler, pytest.mark.acceleration]


def test_answers_and_all_that_is_stored_are_equal(cellprofiler: CellProfiler) -> None:
    for sequence, result in results_of("measurements.py", cellprofiler.python).items():
        assert not result["problems"], sequence
        assert result["compared"]


def test_they_are_not_written_for_all_that_a_headless_run_does(cellprofiler: CellProfiler) -> None:
    held = {sequence: result["held"] for sequence, result in results_of("measurements.py", cellprofiler.python).items()}
    assert all(is_held for sequence, is_held in held.items() if sequence.startswith("ordinary"))
