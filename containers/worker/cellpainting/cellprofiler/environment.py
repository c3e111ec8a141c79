"""Where this machine's CellProfiler is, which Python runs it, and which version it is."""

import shlex
import subprocess
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from cellpainting.errors import CellProfilerNotFound

VARIABLE = "CELLPROFILER"
REMEDY = f"run 'make setup', or set {VARIABLE}=/path/to/cellprofiler"
VERSION = "import importlib.metadata; print(importlib.metadata.version('cellprofiler'))"


@dataclass(frozen=True)
class CellProfiler:
    """A CellProfiler installation: its command, and the Python that the command's first line names."""

    command: Path
    python: Path

    @cached_property
    def version(self) -> str:
        """The installed version, from the metadata of its package.

        Raises
        ------
        CellProfilerNotFound
            If that Python has no CellProfiler.
        """
        asked = subprocess.run([str(self.python), "-I", "-c", VERSION], capture_output=True, text=True, check=False)
        if asked.returncode:
            said = (asked.stderr.strip().splitlines() or ["nothing"])[-1]
            raise CellProfilerNotFound(
                f"{self.python} has no CellProfiler (status {asked.returncode}, it said {said!r}); {REMEDY}"
            )
        return asked.stdout.strip()


def find_cellprofiler(named: str) -> CellProfiler:
    """Check the path of a `cellprofiler` command, as the environment variable CELLPROFILER gives it.

    Raises
    ------
    CellProfilerNotFound
        If the path is empty, names no file, or names something that is not CellProfiler's Python script
        (the observed run needs its interpreter).
    """
    if not named:
        raise CellProfilerNotFound(f"the environment variable {VARIABLE} is not set; {REMEDY}")
    command = Path(named)
    if not command.is_file():
        raise CellProfilerNotFound(f"{VARIABLE}={named} is no file; {REMEDY}")
    return CellProfiler(command=command, python=_interpreter(command))


def _interpreter(command: Path) -> Path:
    with command.open("rb") as script:
        first_line = script.readline(4096)
    words = shlex.split(first_line[2:].decode(errors="replace")) if first_line.startswith(b"#!") else []
    # Where a path is long or has a space, installers write `#!/bin/sh` and start the Python beside the script.
    for python in (*map(Path, words[:1]), command.with_name("python")):
        if python.name.startswith("python") and python.is_file():
            return python
    raise CellProfilerNotFound(
        f"{command} is not the 'cellprofiler' script of a Python environment "
        f"(its first line is {first_line[:60]!r}); {REMEDY}"
    )
