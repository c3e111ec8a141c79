"""Objects are related, filled and located as CellProfiler does it, to the last bit."""

import json
import subprocess
from pathlib import Path

import pytest

from cellpainting.cellprofiler.environment import CellProfiler

SCRIPT = Path(__file__).parent / "inside" / "objects.py"
# Inputs and questions that may be left to the original.
LEFT_TO_CELLPROFILER = ("a volume", "empty", "centre of mass | no objects")


@pytest.mark.cellprofiler
@pytest.mark.acceleration
def test_answers_are_equal(cellprofiler: CellProfiler) -> None:
    command = [str(cellprofiler.python), str(SCRIPT)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    results = json.loads(done.stdout)
    assert [asked for asked, result in results.items() if not result["same"]] == []
    left = [asked for asked, result in results.items() if result["left"] and not asked.endswith(LEFT_TO_CELLPROFILER)]
    assert {asked.split(" | ")[0] for asked in left} == {"relate sparse", "fill within"}
