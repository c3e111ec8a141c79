"""A shard's log: every line goes to the job's log stream and to a file, which is kept in the bucket."""

from pathlib import Path
from typing import TextIO

MARK = "cpb: "  # the worker's own lines, among all that CellProfiler prints


class ShardLog:
    """Open while the shard is at work."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file: TextIO = path.open("w", encoding="utf-8")

    def tell(self, line: str) -> None:
        """A line of the worker's own."""
        self.relay(MARK + line)

    def relay(self, line: str) -> None:
        """A line of CellProfiler's."""
        print(line, flush=True)
        print(line, file=self._file)

    def close(self) -> None:
        """Write what is left; the file can be uploaded now."""
        self._file.close()
