"""What a person sees: the worker's and the dispatcher's words, never a stumble over what CellProfiler prints."""

import io
import json

import pytest
from rich.console import Console

from cellpainting.cli.progress import Progress


@pytest.fixture
def terminal() -> Console:
    return Console(file=io.StringIO(), force_terminal=True, width=80)


def shown(console: Console) -> str:
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_without_a_terminal_each_line_of_the_worker_is_a_plain_line() -> None:
    console = Console(file=io.StringIO(), width=80)
    progress = Progress(console)
    with progress:
        progress.tell("run-0", "cpb: image set 2 measured in 1.5 s (2 of 8)")
        progress.tell("run-0", "Fri Nov 20: Image # 2, module Images # 1: CPU_time = 0.00 secs")
    assert shown(console) == "run-0: image set 2 measured in 1.5 s (2 of 8)\n"


def test_at_a_terminal_image_sets_move_a_bar(terminal: Console) -> None:
    progress = Progress(terminal)
    with progress:
        for done in range(1, 9):
            progress.tell("run-0", f"cpb: image set {done} measured in 1.5 s ({done} of 8)")
        progress.tell("run-0", "cpb: image set 3 failed in CorrectIlluminationApply: ValueError: sizes differ (3 of 8)")
    assert "image set 3 failed" in shown(terminal)
    assert "8/8" in shown(terminal)
    assert "measured" not in shown(terminal)


def test_dispatcher_s_words_are_shown_and_other_json_is_not() -> None:
    console = Console(file=io.StringIO(), width=80)
    progress = Progress(console)
    progress.tell("function", json.dumps({"level": "INFO", "message_id": "m", "run": "r", "outcome": "submitted"}))
    progress.tell("function", json.dumps({"level": "ERROR", "message_id": "m", "reason": "not JSON [x]"}))
    progress.tell(
        "function", json.dumps({"level": "INFO", "run": "r", "job": "r-0-0", "job_id": "j", "outcome": "nothing left"})
    )
    for line in ("{not json", '{"a": 1}', "[1]", "7", ""):
        progress.tell("run-0", line)
    assert shown(console) == "dispatcher: r: submitted\ndispatcher: not JSON [x]\ndispatcher: r-0-0: nothing left\n"
