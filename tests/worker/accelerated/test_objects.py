"""Objects are related, filled and located as CellProfiler does it, to the last bit."""

import pytest

from cellpainting.cellprofiler.environment import CellProfiler
from tests.worker.accelerated.scripts import results_of

# Inputs and questions that may be left to the original.
LEFT_TO_CELLPROFILER = ("a volume", "empty", "centre of mass | no objects")


@pytest.mark.cellprofiler
@pytest.mark.acceleration
def test_answers_are_equal(cellprofiler: CellProfiler) -> None:
    results = results_of("objects.py", cellprofiler.python)
    assert [asked for asked, result in results.items() if not result["same"]] == []
    left = [asked for asked, result in results.items() if result["left"] and not asked.endswith(LEFT_TO_CELLPROFILER)]
    assert {asked.split(" | ")[0] for asked in left} == {"relate sparse", "fill within"}
