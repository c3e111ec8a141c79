"""A shard's log: every line goes to the job's log stream and to a file, which is kept in the bucket."""

from collections.abc import Callable
from pathlib import Path
from threading import Lock
from typing import TextIO

from cellpainting.job_output import Level, LogLine, print_at_once
from cellpainting.ledger import ImageSet

MARK = "cpb: "  # the worker's own lines, among all that CellProfiler prints

Show = Callable[[LogLine], None]


class ShardLog:
    """Open while the shard is at work; lines of several threads stay whole."""

    def __init__(self, path: Path, show: Show = print_at_once) -> None:
        self.path, self._show = path, show
        self._file: TextIO = path.open("w", encoding="utf-8")
        self._lock = Lock()

    def tell(self, text: str, image_set: ImageSet | None = None) -> None:
        """A line of the worker's own, about one image set or all."""
        self._write(LogLine(MARK + text, image_set=image_set))

    def complain(self, text: str, image_set: ImageSet | None = None) -> None:
        """A line of the worker's own about what is not done."""
        self._write(LogLine(MARK + text, Level.ERROR, image_set))

    def relay(self, text: str) -> None:
        """A line of CellProfiler's."""
        self._write(LogLine(text))

    def of_process(self, number: int, count: int) -> Callable[[str], None]:
        """Where the lines of one of several processes go; they are told apart by its number."""
        mark = f"[{number}] " if count > 1 else ""
        return lambda line: self.relay(mark + line)

    def close(self) -> None:
        """Write what is left; the file can be uploaded now."""
        self._file.close()

    def _write(self, line: LogLine) -> None:
        with self._lock:
            self._show(line)
            print(line.text, file=self._file)
