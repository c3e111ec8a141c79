"""One attempt of a Batch job: a command of this machine, in a session of its own."""

import os
import signal
import subprocess
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from cellpainting.errors import LocalCloudError

STOP_GRACE_S = 10.0  # Batch gives 30 s between SIGTERM and SIGKILL; nobody waits that long at a terminal
KILLED = 128  # a process ended by signal n has the exit code 128 + n in ECS

TIMED_OUT = "Job attempt duration exceeded timeout"
CONTAINER_EXITED = "Essential container in task exited"


@dataclass(frozen=True)
class Command:
    """What is run for an attempt, where its log goes, and what removes that which the command's own end may leave."""

    words: tuple[str, ...]
    variables: Mapping[str, str]
    directory: Path
    log_group: str
    log_stream_prefix: str
    removal: tuple[str, ...] = ()


@dataclass(frozen=True)
class Outcome:
    """How an attempt ended, in Batch's words."""

    exit_code: int
    status_reason: str


class Attempt:
    """A started command. `wait` streams its output and returns how it ended; `stop` may be called meanwhile."""

    def __init__(self, command: Command) -> None:
        self._command = command
        self._process = subprocess.Popen(
            command.words,
            env=dict(command.variables),
            cwd=command.directory,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
            errors="replace",
            start_new_session=True,
        )
        self._reason = CONTAINER_EXITED

    @property
    def pid(self) -> int:
        """The process's id, which is also its process group's."""
        return self._process.pid

    def wait(self, timeout_s: float | None, on_line: Callable[[str], None]) -> Outcome:
        """Pass on each line of output until the process ends or its time is over."""
        timer = threading.Timer(timeout_s, self.stop, (TIMED_OUT,)) if timeout_s else None
        if timer:
            timer.start()
        try:
            for line in self._process.stdout or ():
                on_line(line.rstrip("\n"))
            status = self._process.wait()
        finally:
            if timer:
                timer.cancel()
            if self._process.stdout:
                self._process.stdout.close()
            self._signal(signal.SIGKILL)  # a container ends with its first process, whatever that left running
            self._remove()
        return Outcome(KILLED - status if status < 0 else status, self._reason)

    def stop(self, reason: str) -> None:
        """End the attempt as Batch does: SIGTERM, and SIGKILL after a grace period."""
        self._reason = reason
        self._signal(signal.SIGTERM)
        killer = threading.Timer(STOP_GRACE_S, self._signal, (signal.SIGKILL,))
        killer.daemon = True
        killer.start()

    def _signal(self, number: signal.Signals) -> None:
        try:
            os.killpg(self._process.pid, number)
        except ProcessLookupError:
            return  # it ended by itself

    def _remove(self) -> None:
        if not self._command.removal:
            return
        ended = subprocess.run(
            self._command.removal, env=dict(self._command.variables), capture_output=True, text=True, check=False
        )
        if ended.returncode != 0 and "no such container" not in ended.stderr.lower():
            raise LocalCloudError(f"{' '.join(self._command.removal)} failed: {ended.stderr.strip()}")
