"""What a confined script does around its work: the limits first, the report last. Standard library only."""

import json
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cellpainting.starfish.inside.confine import confine
else:  # a script of a Python that does not have this package
    from confine import confine


def carry_out(work: Callable[[dict[str, Any]], dict[str, Any]]) -> int:
    """Do the task that the first argument names, a JSON file, and write `report.json`: what `work` returns, or `error`.

    The worker believes nothing of it but what the process says of itself.
    """
    task = json.loads(Path(sys.argv[1]).read_text())
    confine(readable=task["readable"], writable=[task["work"]], data_mib=task["data_mib"])
    try:
        report = work(task)
    except BaseException as error:
        traceback.print_exc()  # whatever it is: a recipe may raise SystemExit, too
        report = {"error": _told(error, task.get("recipe")), "is_out_of_memory": _is_out_of_memory(error)}
    partial = Path("report.partial")
    partial.write_text(json.dumps(report))
    partial.replace("report.json")
    return 1 if "error" in report else 0


def _is_out_of_memory(error: BaseException) -> bool:
    """A thread needs memory for its stack, and Python has no other word for that."""
    return isinstance(error, MemoryError) or "can't start new thread" in str(error)


def _told(error: BaseException, recipe: str | None) -> str:
    """The last line of the traceback, and where in the recipe it was."""
    line = traceback.format_exception_only(error)[-1].strip()
    places = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == recipe]
    return f"line {places[-1]} of the recipe: {line}" if places else line
