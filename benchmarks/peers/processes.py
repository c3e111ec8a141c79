"""What a command costs: seconds on the clock and of processors, and memory, of it and all that it starts."""

import ctypes
import os
import resource
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

PR_SET_CHILD_SUBREAPER = 36


@dataclass(frozen=True)
class Cost:
    """What a command took. `memory_mib` is the largest resident size of any one of its processes."""

    wall: float
    processor: float
    memory_mib: float

    def __add__(self, other: "Cost") -> "Cost":
        """Both, one after the other."""
        memory = max(self.memory_mib, other.memory_mib)
        return Cost(self.wall + other.wall, self.processor + other.processor, memory)


def measured(command: Sequence[str], log: Path, cwd: Path, more: Mapping[str, str] | None = None) -> Cost:
    """Run a command to its end, and wait for what it leaves behind. What it prints goes to `log`.

    Raises
    ------
    CommandFailed
        With the end of the log.
    """
    _adopt_orphans()
    before = _processor_seconds()
    started = time.monotonic()
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output, cwd=cwd, env={**os.environ, **(more or {})})
        _, status, used = os.wait4(process.pid, 0)
    wall = time.monotonic() - started
    process.returncode = os.waitstatus_to_exitcode(status)
    memory = max([used.ru_maxrss, *_wait_for_orphans()])
    if process.returncode:
        end = log.read_text(errors="replace")[-2000:]
        raise CommandFailed(f"{' '.join(command)} ended with status {process.returncode}: {end}")
    return Cost(wall, _processor_seconds() - before, memory / 1024)


class CommandFailed(Exception):
    """A command ended with another status than 0."""


def _adopt_orphans() -> None:
    """Become the parent of processes that a command leaves behind: else nobody counts what they took (Linux only)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1)


def _wait_for_orphans() -> list[int]:
    """Wait until there are none; their resident sizes in KiB."""
    sizes = []
    while True:
        try:
            sizes.append(os.wait4(-1, 0)[2].ru_maxrss)
        except ChildProcessError:
            return sizes


def _processor_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
