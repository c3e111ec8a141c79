"""One CellProfiler process: a list of arguments, output line by line, bounded in time, never left behind."""

import os
import platform
import resource
import signal
import subprocess
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

ONE_THREAD = {  # a shard is one core's work; BLAS threads of several shards on a host only fight
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "NUMBA_NUM_THREADS": "1",
}
SAME_COLUMNS = {"PYTHONHASHSEED": "0"}  # pipelines from before v4 order image pairs by a set (docs/cellprofiler.md)
RSS_UNITS_PER_MIB = 1024 * 1024 if platform.system() == "Darwin" else 1024  # getrusage(2): bytes there, KiB here
PASSED_ON = ("PATH", "LANG", "LC_ALL", "JAVA_HOME", "TZ")  # not the worker's credentials: plugins are strangers


@dataclass(frozen=True)
class Ended:
    """How a process ended. `peak_memory_mib` is its largest resident set, in MiB."""

    exit_status: int
    timed_out: bool
    peak_memory_mib: float


def environment(scratch: Path) -> dict[str, str]:
    """The environment of a CellProfiler process: little is passed on, home and temporary files are in scratch."""
    passed_on = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
    places = {"HOME": str(scratch), "TMPDIR": str(scratch), "TERM": "dumb"}
    return {**passed_on, **places, **ONE_THREAD, **SAME_COLUMNS}


def run_process(
    arguments: Sequence[str],
    *,
    variables: Mapping[str, str],
    directory: Path,
    timeout_s: float,
    on_line: Callable[[str], None],
) -> Ended:
    """Run a command to its end, or kill its whole process group when the time is over or the caller is interrupted.

    `on_line` gets each line of its output (standard error included) as it comes. Standard input is a pipe that
    stays open: a child that reads it learns when this process dies.
    """
    timed_out = threading.Event()
    with _started(arguments, variables, directory) as process:

        def stop() -> None:
            timed_out.set()
            _kill_group(process)

        timer = threading.Timer(timeout_s, stop)
        timer.start()
        try:
            for line in process.stdout or ():
                on_line(line.rstrip("\n"))
            process.wait()
        finally:
            timer.cancel()
            _kill_group(process)
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    return Ended(process.returncode, timed_out.is_set(), peak / RSS_UNITS_PER_MIB)


def _started(arguments: Sequence[str], variables: Mapping[str, str], directory: Path) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        arguments,
        env=dict(variables),
        cwd=directory,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        encoding="utf-8",
        errors="replace",
        process_group=0,
    )


def _kill_group(process: "subprocess.Popen[str]") -> None:
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        return  # it has ended, and everything it started with it
