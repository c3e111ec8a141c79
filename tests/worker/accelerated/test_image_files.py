"""Plain image files are read without Java as Bio-Formats reads them, and all others by Bio-Formats."""

import pytest

from cellpainting.cellprofiler.environment import CellProfiler
from tests.worker.accelerated.scripts import results_of

pytestmark = [pytest.mark.cellprofiler, pytest.mark.acceleration]


def test_pixels_and_scales_are_equal(cellprofiler: CellProfiler) -> None:
    for name, result in results_of("image_files.py", cellprofiler.python)["files"].items():
        assert not result["problems"], name


def test_plain_files_are_read_without_java_and_no_others(cellprofiler: CellProfiler) -> None:
    found = results_of("image_files.py", cellprofiler.python)
    assert [name for name, result in found["files"].items() if result["plain"]] == found["plain"]
