"""What the worker and a script inside CellProfiler tell each other: JSON objects, a line each, on two pipes.

Events go to a pipe of their own. Lines that were written stay in it when the process is killed, so what was known
survives it. Messages come by standard input.
"""

from __future__ import annotations

import json
import logging
import os
import queue
import signal
import threading
from typing import Any


class Events:
    """The writing end of the pipe, given by its file descriptor."""

    def __init__(self, descriptor: int) -> None:
        self._pipe = open(descriptor, "w", encoding="utf-8")  # noqa: SIM115 (open until the process ends)

    def write(self, event: str, **values: Any) -> None:
        """Send one event."""
        self._pipe.write(json.dumps({"event": event, **values}) + "\n")
        self._pipe.flush()


class LoggedErrors(logging.Handler):
    """Passes on what CellProfiler only logs: failures to prepare a run and to export."""

    def __init__(self, events: Events) -> None:
        super().__init__(level=logging.ERROR)
        self._events = events

    def emit(self, record: logging.LogRecord) -> None:
        """Report one error with its exception, if it has one."""
        reason = record.getMessage()
        if record.exc_info and record.exc_info[1] is not None:
            reason += f" ({describe(record.exc_info[1])})"
        self._events.write("logged_error", reason=reason)


def describe(error: BaseException) -> str:
    """One line for an exception: its type and message."""
    return " ".join(f"{type(error).__name__}: {error}".split())


def messages() -> queue.Queue[dict[str, Any]]:
    """Follow standard input. At its end this process dies at once: the worker holds that pipe, and is gone."""
    received: queue.Queue[dict[str, Any]] = queue.Queue()

    def receive() -> None:
        with open(0, encoding="utf-8", closefd=False) as lines:
            for line in lines:
                received.put(json.loads(line))
        os.killpg(0, signal.SIGKILL)

    threading.Thread(target=receive, daemon=True).start()
    return received
