"""Set-up: `python -m cellpainting.cellprofiler.compile_kernels` compiles the kernels with this machine's CellProfiler.

Without them everything is measured all the same, by CellProfiler's own means.
"""

import os
import subprocess
import sys
from pathlib import Path

from cellpainting.cellprofiler.environment import VARIABLE, find_cellprofiler

SCRIPT = Path(__file__).parent / "inside" / "accelerated" / "compile.py"


def main() -> int:
    """Compile what is not compiled yet, some seconds a file; say so if that cannot be done, which ends nothing."""
    python = find_cellprofiler(os.environ.get(VARIABLE, "")).python
    compiled = subprocess.run([str(python), str(SCRIPT)], capture_output=True, text=True, check=False)
    if compiled.returncode:
        said = (compiled.stderr.strip().splitlines() or ["nothing"])[-1]
        print(f"CellProfiler will measure without acceleration: {python} cannot compile ({said})", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
