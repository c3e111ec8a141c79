"""Tables of objects are written byte by byte as CellProfiler writes them."""

import json
import subprocess
from pathlib import Path

import pytest

from cellpainting.cellprofiler.environment import CellProfiler

SCRIPT = Path(__file__).parent / "inside" / "export.py"


@pytest.mark.cellprofiler
@pytest.mark.acceleration
def test_tables_are_equal(cellprofiler: CellProfiler) -> None:
    command = [str(cellprofiler.python), str(SCRIPT)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    results = json.loads(done.stdout)
    assert [name for name, result in results.items() if not result["same"]] == []
    assert [name for name, result in results.items() if result["error"]] == ["objects that were not measured"]
