"""Plain image files are read without Java as Bio-Formats reads them, and all others by Bio-Formats."""

import json
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from cellpainting.cellprofiler.environment import CellProfiler

SCRIPT = Path(__file__).parent / "inside" / "image_files.py"
pytestmark = [pytest.mark.cellprofiler, pytest.mark.acceleration]


@cache
def results(python: Path) -> Any:
    """What the script says."""
    done = subprocess.run([str(python), str(SCRIPT)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_pixels_and_scales_are_equal(cellprofiler: CellProfiler) -> None:
    for name, result in results(cellprofiler.python)["files"].items():
        assert not result["problems"], name


def test_plain_files_are_read_without_java_and_no_others(cellprofiler: CellProfiler) -> None:
    found = results(cellprofiler.python)
    assert [name for name, result in found["files"].items() if result["plain"]] == found["plain"]
