"""What a job prints: lines for people or, in a Batch container, a JSON object per line, which CloudWatch Logs can
search by run, plate, well and site.
"""

import io
import json
import sys
import traceback
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from threading import Lock
from types import TracebackType
from typing import Any, TextIO

from cellpainting.ledger import ImageSet

FORMAT, JSON = "CPB_LOG_FORMAT", "json"  # the variable that job definitions set, and to what


class Level(StrEnum):
    """How much a line matters."""

    INFO = "INFO"
    WARNING = "WARNING"
    ERROR = "ERROR"


@dataclass(frozen=True)
class LogLine:
    """One line of a job's log, and the image set that it is about, if it is about one."""

    text: str
    level: Level = Level.INFO
    image_set: ImageSet | None = None


class JsonStream(io.TextIOBase):
    """A text stream whose lines come out as JSON objects: `time`, `level`, what `where` holds, and `message`."""

    encoding, errors = "utf-8", "backslashreplace"  # click looks at them

    def __init__(self, stream: TextIO, level: Level, where: dict[str, Any]) -> None:
        self._stream, self._level, self.where = stream, level, where
        self._begun = ""
        self._lock = Lock()

    def writable(self) -> bool:
        """Yes: `print` asks."""
        return True

    def write(self, text: str) -> int:
        """Take text; what has no end of line yet waits for it, or for `flush`."""
        with self._lock:
            *lines, self._begun = (self._begun + text).split("\n")
            self._put(lines)
        return len(text)

    def flush(self) -> None:
        """Write what was begun, too."""
        with self._lock:
            lines, self._begun = [self._begun], ""
            self._put(lines)

    def say(self, line: LogLine) -> None:
        """Write a line with all that is known of it."""
        about = line.image_set
        named = {name: getattr(about, name) for name in ("plate", "well", "site")} if about else {}
        self.put({"level": line.level, **self.where, **_known(named), "message": line.text})

    def put(self, document: Mapping[str, Any]) -> None:
        """Write one object."""
        time_now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        # One write of one line: lines of several threads stay whole.
        self._stream.write(json.dumps({"time": time_now, **document}, ensure_ascii=False) + "\n")
        self._stream.flush()

    def _put(self, lines: list[str]) -> None:
        for line in filter(str.strip, lines):
            self.say(LogLine(line, self._level))


def print_at_once(line: LogLine) -> None:
    """Print a line where whoever waits for it sees it now."""
    if isinstance(sys.stdout, JsonStream):
        sys.stdout.say(line)
    else:
        print(line.text, flush=True)


def print_figures(document: Mapping[str, Any]) -> None:
    """Print figures for CloudWatch; nothing where people read."""
    if isinstance(sys.stdout, JsonStream):
        sys.stdout.put({"level": Level.INFO, **sys.stdout.where, **document})


def speak_json() -> None:
    """Print JSON from now on, in this whole process: errors and tracebacks as well."""
    where: dict[str, Any] = {}
    sys.stdout = JsonStream(sys.stdout, Level.INFO, where)
    sys.stderr = errors = JsonStream(sys.stderr, Level.ERROR, where)

    def tell_traceback(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        errors.say(LogLine("".join(traceback.format_exception(kind, error, trace)).rstrip(), Level.ERROR))

    sys.excepthook = tell_traceback


def name_place(run: str, shard: int | None = None, plate: str = "") -> None:
    """Say what all lines from now on are about."""
    if isinstance(sys.stdout, JsonStream):
        sys.stdout.where.update(_known({"run": run, "shard": shard, "plate": plate}))


def message_of(line: str) -> str | None:
    """What a person sees of one line of a job's log, JSON or not; None of figures."""
    if not line.startswith("{"):
        return line
    try:
        document = json.loads(line)
    except ValueError:
        return line
    if "message" not in document:
        return None if "_aws" in document else line
    return str(document["message"])


def _known(named: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in named.items() if value not in ("", None)}
