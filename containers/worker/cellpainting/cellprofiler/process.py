"""One living CellProfiler: started once, given group after group, bounded in time, never left behind."""

import json
import os
import queue
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

ONE_THREAD = {  # a group is one core's work; BLAS threads of several processes on a host only fight
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "NUMBA_NUM_THREADS": "1",
}
SAME_COLUMNS = {"PYTHONHASHSEED": "0"}  # pipelines from before v4 order image pairs by a set (docs/cellprofiler.md)
# Not the worker's credentials: plugins are strangers. OpenBLAS is told so where its own choice for a processor is
# wrong, and its kernels differ in the last digits.
PASSED_ON = ("PATH", "LANG", "LC_ALL", "JAVA_HOME", "TZ", "OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")

Event = Mapping[str, Any]
DIED: Event = {"event": "died"}


def environment(home: Path) -> dict[str, str]:
    """The environment of a CellProfiler process: little is passed on, home and temporary files are in scratch."""
    passed_on = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
    places = {"HOME": str(home), "TMPDIR": str(home), "TERM": "dumb"}
    return {**passed_on, **places, **ONE_THREAD, **SAME_COLUMNS}


class Process:
    """A process group of its own, with output line by line to `on_line` and events, JSON lines on a pipe, in a queue.

    `arguments` is given the descriptor of that pipe. Standard input is a pipe that stays open: a child that reads it
    learns when this process dies.
    """

    def __init__(self, arguments: Callable[[int], Sequence[str]], home: Path, on_line: Callable[[str], None]) -> None:
        read_end, write_end = os.pipe()
        self._process = _started(arguments(write_end), home, write_end)
        os.close(write_end)
        self._events: queue.Queue[Event] = queue.Queue()
        self._relays = [
            threading.Thread(target=_relay_lines, args=(_pipe(self._process.stdout), on_line), daemon=True),
            threading.Thread(target=_relay_events, args=(read_end, self._events), daemon=True),
        ]
        for relay in self._relays:
            relay.start()

    def send(self, message: Mapping[str, Any]) -> None:
        """Write one JSON line to its standard input. A process that is dead says so by its events."""
        standard_input = _pipe(self._process.stdin)
        try:
            standard_input.write(json.dumps(message) + "\n")
            standard_input.flush()
        except BrokenPipeError:
            return

    def events(self, timeout_s: float) -> Iterator[Event]:
        """The events as they come, `died` last; they end without it when the time is over."""
        deadline = time.monotonic() + timeout_s
        while True:
            try:
                event = self._events.get(timeout=max(0.0, deadline - time.monotonic()))
            except queue.Empty:
                return
            yield event
            if event is DIED:
                return

    def kill(self) -> int:
        """End it, if it has not ended, and everything it started; returns its exit status, negative for a signal."""
        if self._process.returncode is None:
            with suppress(ProcessLookupError):  # it has ended, and everything it started with it
                os.killpg(self._process.pid, signal.SIGKILL)
        status = self._process.wait()
        for relay in self._relays:
            relay.join()
        with suppress(BrokenPipeError):  # it may not have read all that it was sent
            _pipe(self._process.stdin).close()
        return status


def _started(arguments: Sequence[str], home: Path, write_end: int) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        arguments,
        env=environment(home),
        cwd=home,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        encoding="utf-8",
        errors="replace",
        process_group=0,
        pass_fds=(write_end,),
    )


def _pipe(pipe: IO[str] | None) -> IO[str]:
    assert pipe is not None  # noqa: S101 (all three are pipes)
    return pipe


def _relay_lines(output: IO[str], on_line: Callable[[str], None]) -> None:
    with output:
        for line in output:
            on_line(line.rstrip("\n"))


def _relay_events(descriptor: int, events: "queue.Queue[Event]") -> None:
    with open(descriptor, encoding="utf-8") as lines:
        for line in lines:
            if line.endswith("\n"):  # else the process died while it wrote
                events.put(json.loads(line))
    events.put(DIED)
