"""What a person sees while a local cloud works: bars at a terminal, plain lines elsewhere."""

import json
import re
import threading
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bars

from cellpainting.shard_log import MARK

MEASURED = re.compile(r"image set \d+ measured .*\((?P<done>\d+) of (?P<total>\d+)\)")


class Progress:
    """Shows the worker's own lines (`cpb: ...`) and the dispatcher's words; CellProfiler's stay in the log."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._lock = threading.Lock()
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        self._bars = Bars(*columns, console=console, transient=True, disable=not console.is_terminal)
        self._tasks: dict[str, TaskID] = {}

    def __enter__(self) -> None:
        self._bars.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bars.stop()

    def tell(self, name: str, line: str) -> None:
        """Take one line of a job's or the dispatcher's log."""
        with self._lock:
            measured = MEASURED.search(line)
            if measured and self._console.is_terminal:
                self._advance(name, int(measured["done"]), int(measured["total"]))
            elif line.startswith(MARK):
                self.print(f"{name}: {line.removeprefix(MARK)}")
            elif dispatched := _dispatched(line):
                self.print(f"dispatcher: {dispatched}")

    def count(self, description: str, copied: Iterable[Path]) -> int:
        """Count files while they are copied."""
        columns = (SpinnerColumn(), TextColumn("{task.description}: {task.completed} files"), TimeElapsedColumn())
        with Bars(*columns, console=self._console, transient=True, disable=not self._console.is_terminal) as bars:
            task = bars.add_task(description, total=None)
            number = 0
            for number, _ in enumerate(copied, start=1):
                bars.update(task, completed=number)
            return number

    def print(self, text: str) -> None:
        """Print a plain line."""
        self._console.print(text, highlight=False, markup=False, soft_wrap=True)

    def _advance(self, name: str, done: int, total: int) -> None:
        if name not in self._tasks:
            self._tasks[name] = self._bars.add_task(name, total=total)
        self._bars.update(self._tasks[name], completed=done, total=total)


def _dispatched(line: str) -> str | None:
    """What the dispatcher says of a message or an ended job, in its own log's form; None for any other line."""
    try:
        record = json.loads(line)
    except ValueError:
        return None
    if not isinstance(record, dict) or not {"message_id", "job_id"} & record.keys():
        return None
    return str(record["reason"] if "reason" in record else f"{record.get('job') or record['run']}: {record['outcome']}")
