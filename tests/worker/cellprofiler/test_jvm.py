"""Java is started when it is needed, and not before."""

import subprocess
from pathlib import Path

import pytest

import cellpainting.cellprofiler.inside.events as beside
from cellpainting.cellprofiler.environment import CellProfiler

SCRIPT = """
import os
import javabridge
from javabridge import jutil
from cellprofiler_core import preferences
from cellprofiler_core.utilities.java import start_java
from jvm import start_when_needed

preferences.set_awt_headless(True)
preferences.set_headless()
start_when_needed(start_java)
print(jutil._javabridge.get_vm().is_active())
print(javabridge.run_script("6 * 7"), javabridge.run_script("7 * 8"))
print(jutil._javabridge.get_vm().is_active(), flush=True)
os._exit(0)
"""


@pytest.mark.cellprofiler
def test_java_is_started_by_the_first_call(cellprofiler: CellProfiler) -> None:
    done = subprocess.run(
        [str(cellprofiler.python), "-c", SCRIPT],
        capture_output=True,
        text=True,
        check=False,
        env={"PYTHONPATH": str(Path(beside.__file__).parent)},
    )
    assert done.stdout.split() == ["False", "42", "56", "True"], done.stderr
