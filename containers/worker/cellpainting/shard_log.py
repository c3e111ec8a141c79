"""A shard's log: every line goes to the job's log stream and to a file, which is kept in the bucket."""

from collections.abc import Callable
from pathlib import Path
from threading import Lock
from typing import TextIO

MARK = "cpb: "  # the worker's own lines, among all that CellProfiler prints


def print_at_once(line: str) -> None:
    """Print a line where whoever waits for it sees it now."""
    print(line, flush=True)


class ShardLog:
    """Open while the shard is at work; lines of several threads stay whole."""

    def __init__(self, path: Path, show: Callable[[str], None] = print_at_once) -> None:
        self.path, self._show = path, show
        self._file: TextIO = path.open("w", encoding="utf-8")
        self._lock = Lock()

    def tell(self, line: str) -> None:
        """A line of the worker's own."""
        self.relay(MARK + line)

    def relay(self, line: str) -> None:
        """A line of CellProfiler's."""
        with self._lock:
            self._show(line)
            print(line, file=self._file)

    def of_process(self, number: int, count: int) -> Callable[[str], None]:
        """Where the lines of one of several processes go; they are told apart by its number."""
        mark = f"[{number}] " if count > 1 else ""
        return lambda line: self.relay(mark + line)

    def close(self) -> None:
        """Write what is left; the file can be uploaded now."""
        self._file.close()
