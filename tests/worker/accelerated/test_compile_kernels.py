"""Set-up compiles kernels where it can, and says where it cannot: measurements then take longer, that is all."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from cellpainting.cellprofiler.environment import CellProfiler


def compile_kernels(command: Path) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "cellpainting.cellprofiler.compile_kernels"],
        env={**os.environ, "CELLPROFILER": str(command)},
        capture_output=True,
        text=True,
        check=False,
    )


def test_an_environment_without_numba_is_told_of_and_fails_nothing(tmp_path: Path) -> None:
    command = tmp_path / "cellprofiler"
    command.write_text(f"#!{sys.executable}\n")
    done = compile_kernels(command)
    assert done.returncode == 0
    assert "CellProfiler will measure without acceleration" in done.stderr
    assert "No module named 'numba'" in done.stderr


@pytest.mark.cellprofiler
def test_kernels_that_are_compiled_are_not_compiled_again(cellprofiler: CellProfiler) -> None:
    folder = cellprofiler.python.parents[1] / "share" / "cell-painting-kernels"
    before = {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}
    done = compile_kernels(cellprofiler.command)
    assert (done.returncode, done.stderr) == (0, "")
    assert {path.name: path.stat().st_mtime_ns for path in folder.iterdir()} == before
