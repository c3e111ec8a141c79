"""A script in starfish's Python, kept from all but its own: clean environment, limits, and nothing left behind.

The worker has the credentials of its role; what it runs here is the code of users. Linux shows the environment of a
process to others of the same user in /proc, unless the process says no: so this one does, before it starts any.
"""

import ctypes
import json
import os
import signal
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cellpainting.cellprofiler.process import environment
from cellpainting.starfish.environment import Starfish

INSIDE = Path(__file__).parent / "inside"
TASK, REPORT = "task.json", "report.json"
MOST_REPORT_BYTES = 2**16
MOST_LINE = 2**16  # characters; what is longer is cut in pieces
SET_DUMPABLE = 4
# No windows, no bars of progress in the log, and each line there at once: what is killed prints no more.
FOR_THE_LOG = {"MPLBACKEND": "Agg", "TQDM_DISABLE": "1", "PYTHONUNBUFFERED": "1"}
# What this process itself takes of a container's memory, in MiB: boto3 and the tiles on their way.
WORKER_MIB = 192
LOOK_S = 0.05  # how often it is looked whether a process has ended
LAST_LINES_S = 5
MAXRSS_PER_MIB = 2**20 if sys.platform == "darwin" else 2**10


@dataclass(frozen=True)
class Limits:
    """Seconds and MiB that a process may take."""

    timeout_s: float
    memory_mib: int

    @property
    def data_mib(self) -> int:
        """What is left to the process of the container's memory."""
        return max(self.memory_mib - WORKER_MIB, self.memory_mib // 2)


@dataclass(frozen=True)
class Ended:
    """How a process ended: its status, negative for a signal; its report, empty if it left none.

    `peak_memory_mib` is of the largest of the processes that it was.
    """

    status: int
    is_timed_out: bool
    seconds: float
    peak_memory_mib: float
    report: Mapping[str, Any]


def run_confined(
    script: str,
    starfish: Starfish,
    work: Path,
    task: Mapping[str, Any],
    *,
    readable: tuple[Path, ...],
    limits: Limits,
    on_line: Callable[[str], None],
) -> Ended:
    """Run a script of `inside/` in the new folder `work`, the only one that it can write to.

    It reads `task` and, of this machine, the folders `readable`, its Python and what any program needs.
    """
    hide_environment()
    work.mkdir()
    seen = [str(path) for path in (*readable, *starfish.folders, INSIDE)]
    document = {**task, "work": str(work), "readable": seen, "data_mib": limits.data_mib}
    (work / TASK).write_text(json.dumps(document))
    started = time.monotonic()
    process = subprocess.Popen(
        [str(starfish.python), str(INSIDE / script), TASK],
        env={**environment(work), **FOR_THE_LOG},
        cwd=work,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        encoding="utf-8",
        errors="replace",
        start_new_session=True,
    )
    with _relaying(process, on_line), _ending(process):
        peak_memory_mib, is_timed_out = _wait(process, started + limits.timeout_s)
    seconds = time.monotonic() - started
    return Ended(process.returncode, is_timed_out, seconds, peak_memory_mib, read_report(work))


def hide_environment() -> None:
    """Let no other process of this user look into this one."""
    if sys.platform == "linux" and ctypes.CDLL(None).prctl(SET_DUMPABLE, 0, 0, 0, 0):
        raise OSError("the kernel does not hide this process")


def open_result(path: Path) -> int:
    """A descriptor of a file that code of others has made: itself, and not what it may be a link to.

    Raises
    ------
    OSError
        If it is no file.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(f"{path.name} is no file")
    return descriptor


def read_report(work: Path) -> Mapping[str, Any]:
    """What the script says of its end; empty if that is nothing, or nothing that it would have written."""
    with suppress(OSError, ValueError), os.fdopen(open_result(work / REPORT), "rb") as file:
        report = json.loads(file.read(MOST_REPORT_BYTES))
        return report if isinstance(report, dict) else {}
    return {}


def _wait(process: "subprocess.Popen[str]", deadline: float) -> tuple[float, bool]:
    """Its peak memory in MiB, and whether it had to be killed because its time was over."""
    is_timed_out = False
    while True:
        ended, status, usage = os.wait4(process.pid, os.WNOHANG)  # Popen's own does not tell the memory
        if ended:
            process.returncode = os.waitstatus_to_exitcode(status)
            return usage.ru_maxrss / MAXRSS_PER_MIB, is_timed_out
        if not is_timed_out and time.monotonic() > deadline:
            is_timed_out = True
            _kill(process)
        time.sleep(LOOK_S)


@contextmanager
def _ending(process: "subprocess.Popen[str]") -> Iterator[None]:
    """Whatever happens, end it and everything it started."""
    try:
        yield
    finally:
        _kill(process)
        process.wait()


@contextmanager
def _relaying(process: "subprocess.Popen[str]", on_line: Callable[[str], None]) -> Iterator[None]:
    """Hand on its lines, until it has ended; what a process that left its session prints then is not waited for."""
    output, is_over = process.stdout, threading.Event()
    assert output is not None  # noqa: S101 (it is a pipe)

    def relay() -> None:
        with output:
            for line in iter(lambda: output.readline(MOST_LINE), ""):
                if not is_over.is_set():
                    on_line(line.rstrip("\n"))

    thread = threading.Thread(target=relay, daemon=True)
    thread.start()
    try:
        yield
    finally:
        thread.join(timeout=LAST_LINES_S)
        is_over.set()


def _kill(process: "subprocess.Popen[str]") -> None:
    with suppress(ProcessLookupError):  # it has ended, and everything it started with it
        os.killpg(process.pid, signal.SIGKILL)
