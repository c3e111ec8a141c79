"""`cpb status` and `cpb logs` say what became of every image set, and end with the status that it deserves."""

import json
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from cellpainting.cli import status as status_module
from cellpainting.cli.logs import logs
from cellpainting.cli.status import status
from cellpainting.errors import InvalidRequest
from cellpainting.ledger import Cause, State
from tests.worker.ledger import RUN, RecordedRun, becomes

REQUEST = {"pipeline": "a.cppipe", "input": "images", "output": "results", "run": RUN}


@pytest.fixture
def run(tmp_path: Path) -> RecordedRun:
    """A requested and planned run of three shards with four image sets each."""
    run = RecordedRun(tmp_path, shards=3)
    run.bucket.write(run.keys.request, json.dumps(REQUEST).encode())
    run.plan()
    return run


@pytest.fixture
def cpb(run: RecordedRun) -> Callable[..., Result]:
    def invoke(command: Any, *arguments: str) -> Result:
        return CliRunner().invoke(command, [*arguments, "--bucket", str(run.root)], standalone_mode=False)

    return invoke


def test_a_complete_run_ends_with_0_and_its_plate_map(run: RecordedRun, cpb: Callable[..., Result]) -> None:
    for shard in range(3):
        run.finish(shard)
    result = cpb(status, RUN)
    assert result.return_value == 0
    assert "plate-1: complete, 12 image sets; 3 shards: 3 ended" in result.output
    assert "A o o o o o o" in result.output


def test_what_is_not_done_is_counted_and_named_and_ends_with_1(run: RecordedRun, cpb: Callable[..., Result]) -> None:
    run.finish(0, {3: becomes(State.INPUT_DAMAGED, Cause.INPUT_DAMAGED, "b.tif is empty")})
    run.progress(1, done=1)
    result = cpb(status, RUN)
    assert result.return_value == 1
    assert "3 shards: 1 ended, 1 at work, 1 waiting" in result.output
    assert "P1-A02-1: input_damaged: b.tif is empty" in result.output
    assert "A o D . . . ." in result.output


def test_only_the_first_problems_are_named(tmp_path: Path, cpb: Callable[..., Result]) -> None:
    run = RecordedRun(tmp_path, shards=1, per_shard=50)
    run.plan()
    result = cpb(status, RUN)
    assert result.output.count("not_run: ") == 20
    assert "... and 30 more: ledger.csv names them all" in result.output


def test_the_ledger_and_the_summary_are_written(run: RecordedRun, cpb: Callable[..., Result]) -> None:
    run.finish(0)
    result = cpb(status, RUN, "--json")
    assert json.loads(result.output) == json.loads(run.bucket.read(run.keys.summary))
    assert len(run.bucket.read(run.keys.ledger).splitlines()) == 1 + 12


def test_an_unknown_run_is_invalid(cpb: Callable[..., Result]) -> None:
    result = cpb(status, "plate-2")
    assert isinstance(result.exception, InvalidRequest)
    assert "'plate-2'" in str(result.exception)


def test_without_a_name_all_runs_are_listed(run: RecordedRun, cpb: Callable[..., Result]) -> None:
    run.bucket.write("runs/another/request.json", b"{}")
    run.bucket.write("runs/rejected/message.json", b"{}")
    run.finish(0)
    cpb(status, RUN)
    result = cpb(status)
    rows = [line for line in result.output.splitlines() if "another" in line or RUN in line]
    assert "not counted yet" in rows[0]
    assert [cell.strip() for cell in rows[1].split("│")[1:-1]] == [RUN, "12", "4", "0", "8", "no"]
    assert "rejected" not in result.output
    assert result.return_value == 0
    assert [one["run"] for one in json.loads(cpb(status, "--json").output)] == ["another", RUN]


def test_watching_tells_each_change_until_the_run_is_over(
    run: RecordedRun, cpb: Callable[..., Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(status_module, "POLL_S", 0.2)
    run.finish(0)
    later = [threading.Timer(1.0, run.finish, [1]), threading.Timer(2.0, run.lose, [2, Cause.TIMEOUT, "too slow"])]
    for timer in later:
        timer.start()
    result = cpb(status, RUN, "--watch")
    assert result.return_value == 1
    lines = [line for line in result.output.splitlines() if line.startswith("plate-1: ") and "shards" in line]
    assert lines[0] == "plate-1: 4 done, 8 not_run; 3 shards: 1 ended, 2 waiting"
    assert lines[1] == "plate-1: 8 done, 4 not_run; 3 shards: 2 ended, 1 waiting"
    assert lines[2] == "plate-1: 8 done, 4 failed; 3 shards: 2 ended, 1 lost"


def test_watching_waits_for_a_run_that_is_being_dispatched(run: RecordedRun, cpb: Callable[..., Result]) -> None:
    for shard in range(run.shards):
        run.finish(shard)
    run.bucket.delete(run.keys.request)
    dispatch = threading.Timer(1.5, run.bucket.write, (run.keys.request, json.dumps(REQUEST).encode()))
    dispatch.start()
    assert cpb(status, RUN, "--watch").return_value == 0
    dispatch.join()


def test_an_interrupted_watch_ends_with_130(run: RecordedRun) -> None:
    command: list[str | Path] = [Path(sys.executable).with_name("cpb"), "status", RUN, "--watch", "--bucket", "."]
    with subprocess.Popen(command, cwd=run.root, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout
        assert process.stdout.readline().startswith("plate-1: 12 not_run")
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=30)
    assert process.returncode == 130
    assert said.strip() == "cpb: interrupted"


def test_logs_of_all_begun_shards_are_below_their_names(run: RecordedRun, cpb: Callable[..., Result]) -> None:
    for shard in (0, 1):
        run.finish(shard)
        run.bucket.write(run.keys.log(shard), f"cpb: shard {shard}\n".encode())
    assert cpb(logs, RUN).output.splitlines() == [
        "==> plate-1 shard 0 <==",
        "cpb: shard 0",
        "==> plate-1 shard 1 <==",
        "cpb: shard 1",
    ]


def test_logs_of_failed_shards_leave_out_the_others(run: RecordedRun, cpb: Callable[..., Result]) -> None:
    run.finish(0)
    run.bucket.write(run.keys.log(0), b"cpb: all is well\n")
    run.finish(1, {1: becomes(State.FAILED, Cause.TIMEOUT, "too slow")})
    run.bucket.write(run.keys.log(1), b"cpb: too slow\n")
    run.lose(2, Cause.MACHINE_LOST, "Host EC2 terminated")
    output = cpb(logs, RUN, "--failed").output.splitlines()
    assert output[:3] == ["==> plate-1 shard 1 <==", "cpb: too slow", "==> plate-1 shard 2 <=="]
    assert "no log" in output[3]


def test_the_log_of_one_shard_is_printed(run: RecordedRun, cpb: Callable[..., Result]) -> None:
    run.bucket.write(run.keys.log(2), b"line\n")
    assert cpb(logs, RUN, "--shard", "2").output == "==> plate-1 shard 2 <==\nline\n"


def test_logs_of_a_run_that_was_not_begun_are_none(cpb: Callable[..., Result]) -> None:
    assert "no shard was begun" in cpb(logs, RUN).output
