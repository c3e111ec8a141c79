"""The worker's side of CellProfiler: a living process for one lane of a shard, and a new one when that has to go."""

import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import CancelledError
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cellpainting.cellprofiler.process import DIED, Event, Process
from cellpainting.cellprofiler.report import Ending, Report, make_report
from cellpainting.errors import CellPaintingError, CellProfilerFailed
from cellpainting.ledger.manifest import Acceleration, read_acceleration
from cellpainting.shard_log import MARK

SCRIPT = Path(__file__).parent / "inside" / "driver.py"
# What a process may hold between two groups, of the memory that is its own; the rest is for measuring the next.
RESTART_SHARE = 0.5


@dataclass(frozen=True)
class Task:
    """One run over a group: where results and temporary files go, and how the image sets are told.

    `load_data` (a CSV, with the `types` of its columns) or else `file_list`, or else all of the folder `images`. Image
    sets with a file in `damaged` or a number in `left_out` are listed, and not run.
    """

    output: Path
    temporary: Path
    images: Path
    load_data: Path | None = None
    types: Mapping[str, str] = field(default_factory=dict)
    file_list: Path | None = None
    damaged: frozenset[Path] = frozenset()
    left_out: frozenset[int] = frozenset()

    @property
    def message(self) -> dict[str, Any]:
        """The task as the driver inside CellProfiler reads it."""
        return {
            "output": str(self.output),
            "temporary": str(self.temporary),
            "images": str(self.images),
            "load_data": str(self.load_data) if self.load_data else None,
            "types": dict(self.types),
            "file_list": str(self.file_list) if self.file_list else None,
            "damaged": sorted(map(str, self.damaged)),
            "left_out": sorted(self.left_out),
        }


@dataclass(frozen=True)
class Setting:
    """What all processes of a shard have in common. `plugins` is a folder; `memory_mib` is the share of each; with
    `accelerate`, CellProfiler's measurements are made faster.
    """

    python: Path
    pipeline: Path
    plugins: Path | None
    memory_mib: float
    timeout_s: float
    accelerate: bool


class Driver:
    """Runs groups one after the other. Its process is restarted when it has died or holds too much memory."""

    def __init__(self, setting: Setting, home: Path, on_line: Callable[[str], None]) -> None:
        home.mkdir()
        self._setting, self._home, self._on_line = setting, home, on_line
        self.acceleration: Acceleration | None = None  # of the process that was started last
        self._process: Process | None = None
        self._is_ready = False
        self._is_stopped = False
        self._lock = threading.Lock()

    def start(self) -> None:
        """Begin to start CellProfiler, so that it is ready when the first group is."""
        with self._lock:
            if self._is_stopped:
                raise CancelledError
            if self._process is None:
                self._process, self._is_ready = Process(self._arguments, self._home, self._on_line), False

    def wait_until_ready(self) -> None:
        """Have CellProfiler running with its pipeline loaded.

        Raises
        ------
        CellProfilerFailed
            If CellProfiler or its pipeline cannot start: no group could be run.
        CancelledError
            If it was stopped.
        """
        self.start()
        if not self._is_ready and self._process:
            self._await_start(self._process)

    def run(self, task: Task, on_event: Callable[[Event], None]) -> Report:
        """Run one group. Whatever `on_event` raises ends the process, and the run.

        Raises
        ------
        CancelledError
            If it was stopped.
        """
        self.wait_until_ready()
        process = self._process
        if process is None:
            raise CancelledError
        process.send(task.message)
        try:
            report = self._follow(process, on_event)
        except CellPaintingError:
            self._end(process)
            raise
        if self._is_stopped:
            raise CancelledError  # what it died of was this
        if not report.ending.status or report.ending.resident_mib > RESTART_SHARE * self._setting.memory_mib:
            self._end(process)
        return report

    def stop(self) -> None:
        """Kill the process at once and start no other."""
        with self._lock:
            self._is_stopped = True
            if self._process:
                self._process.kill()

    def _arguments(self, descriptor: int) -> list[str]:
        plugins = str(self._setting.plugins or "")
        measurements = "accelerated" if self._setting.accelerate else "original"
        given = [str(descriptor), str(self._setting.pipeline), plugins, measurements]
        return [str(self._setting.python), str(SCRIPT), *given]

    def _await_start(self, process: Process) -> None:
        events: list[Event] = []
        for event in process.events(self._setting.timeout_s):
            if event["event"] == "ready":
                self._is_ready = True
                self._accelerated(event)
                return
            events.append(event)
        status = self._end(process)
        if self._is_stopped:
            raise CancelledError
        reasons = [event["reason"] for event in events if "reason" in event]
        if not events or events[-1] is not DIED:
            reasons = [f"it was not ready within timeout_s={self._setting.timeout_s:g} seconds"]
        reason = reasons[-1] if reasons else f"CellProfiler ended with status {status} and no message; see the log"
        raise CellProfilerFailed(f"the pipeline could not start: {reason}")

    def _accelerated(self, ready: Event) -> None:
        self.acceleration = read_acceleration(ready["acceleration"])
        for part, reason in self.acceleration.left_alone.items() if self.acceleration else ():
            self._on_line(f"{MARK}{part} is not accelerated: {reason}")

    def _follow(self, process: Process, on_event: Callable[[Event], None]) -> Report:
        events: list[Event] = []
        begun = time.monotonic()
        for event in process.events(self._setting.timeout_s):
            if event is DIED:
                ending = Ending("", exit_status=process.kill())
                break
            if event["event"] == "ended":
                memory = {name: event[name] for name in ("resident_mib", "peak_memory_mib")}
                ending = Ending(event["status"], **memory)
                break
            if event["event"] == "begun":
                begun = time.monotonic()
            events.append(event)
            on_event(event)
        else:
            process.kill()
            ending = Ending("", timed_out=True)
        return make_report(events, ending, time.monotonic() - begun)

    def _end(self, process: Process) -> int:
        self._process = None
        return process.kill()
