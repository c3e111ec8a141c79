"""Scripts that compare under CellProfiler's own Python; each prints what it found, as JSON."""

import json
import os
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

from cellpainting.cellprofiler.process import ONE_THREAD, SAME_COLUMNS

INSIDE = Path(__file__).parent / "inside"


@cache
def results_of(script: str, python: Path, *arguments: str) -> Any:
    """What a script of `inside/` says, run once for all tests that ask."""
    command = [str(python), str(INSIDE / script), *arguments]
    variables = {**os.environ, **ONE_THREAD, **SAME_COLUMNS}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=variables)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)
