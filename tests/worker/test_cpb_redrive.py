"""`cpb redrive` sends what may succeed, once, and says what it did not send."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from cellpainting.cli.redrive import redrive
from cellpainting.dispatch.submission import Submission
from cellpainting.jobs import parse_message
from cellpainting.ledger import Cause, State
from cellpainting.ledger.held import HeldShards
from tests.worker.ledger import RUN, RecordedRun, becomes

REQUEST = {"pipeline": "a.cppipe", "load_data": "load_data.csv", "output": "results", "run": RUN, "force": True}
MISSING = becomes(State.INPUT_MISSING, Cause.INPUT_MISSING, "a.tif is not there")
TIMEOUT = becomes(State.FAILED, Cause.TIMEOUT, "too slow")


@pytest.fixture
def run(tmp_path: Path) -> RecordedRun:
    """A run of three shards: one with a missing image and a timeout, one whose machine was lost, one done."""
    run = RecordedRun(tmp_path, shards=3)
    run.bucket.write(run.keys.request, json.dumps(REQUEST).encode())
    run.plan()
    run.finish(0, {1: MISSING, 2: TIMEOUT})
    run.lose(1, Cause.MACHINE_LOST, "Host EC2 terminated")
    run.finish(2)
    return run


def call(run: RecordedRun, *arguments: str) -> Result:
    return CliRunner().invoke(redrive, [RUN, "--bucket", str(run.root), *arguments], standalone_mode=False)


def rows(result: Result) -> dict[str, list[str]]:
    cells = [[cell.strip() for cell in line.split("│")[1:-1]] for line in result.output.splitlines() if "│" in line]
    return {row[0]: row[1:4] for row in cells if row[0]}


def test_only_what_may_succeed_is_sent(run: RecordedRun, queue: Callable[[], list[Any]]) -> None:
    result = call(run)
    assert result.return_value == 0
    (sent,) = queue()
    assert sent["redrive"] == ["timeout", "machine_lost"]
    assert "force" not in sent
    (record,) = parse_message(json.dumps(sent))
    assert record.run_id == RUN
    assert rows(result) == {
        "input_missing": ["1", "1", "no"],
        "timeout": ["1", "1", "yes"],
        "machine_lost": ["4", "1", "yes"],
    }
    assert "upload the files" in result.output


def test_a_named_cause_is_sent_and_no_other(run: RecordedRun, queue: Callable[[], list[Any]]) -> None:
    call(run, "--cause", "input_missing")
    (sent,) = queue()
    assert sent["redrive"] == ["input_missing"]


def test_out_of_memory_is_sent_with_twice_what_it_had(run: RecordedRun, queue: Callable[[], list[Any]]) -> None:
    run.lose(1, Cause.OUT_OF_MEMORY, "OutOfMemoryError")
    for number, memory in enumerate((4000, 8000)):
        submission = Submission(number, "message", 0.0, "0-2", 1, memory, 3600)
        run.bucket.write(run.keys.submission(number), submission.to_json())
    assert "16000 MiB" in call(run, "--cause", "out_of_memory").output
    call(run, "--cause", "out_of_memory", "--memory", "9000")
    assert [sent["job_memory"] for sent in queue() + queue()] == [16000, 9000]


def test_what_the_budget_let_wait_is_sent_with_more_money_only(
    run: RecordedRun, queue: Callable[[], list[Any]]
) -> None:
    run.bucket.delete(run.keys.lost(1))
    run.bucket.write(run.keys.held, HeldShards((1,), 1, "the budget is used up").to_json())
    result = call(run)
    assert queue()[0]["redrive"] == ["timeout"]
    assert rows(result)["budget"] == ["4", "1", "no"]
    assert "--budget" in result.output
    assert rows(call(run, "--budget", "12.5"))["budget"] == ["4", "1", "yes"]
    (sent,) = queue()
    assert (sent["redrive"], sent["budget_usd"]) == (["timeout", "budget"], 12.5)
    assert parse_message(json.dumps(sent))[0].job.resources.budget_usd == 12.5


def test_memory_that_nobody_knows_has_to_be_given(run: RecordedRun, queue: Callable[[], list[Any]]) -> None:
    run.lose(1, Cause.OUT_OF_MEMORY, "OutOfMemoryError")
    assert "give --memory" in str(call(run).exception)
    assert queue() == []


def test_a_complete_run_sends_nothing(run: RecordedRun, queue: Callable[[], list[Any]]) -> None:
    for shard in range(3):
        run.finish(shard)
    result = call(run)
    assert result.return_value == 0
    assert result.output == f"{RUN}: nothing to send again\n"
    assert queue() == []


def test_what_would_fail_again_is_told_and_not_sent(run: RecordedRun, queue: Callable[[], list[Any]]) -> None:
    run.finish(0, {1: MISSING})
    run.finish(1)
    result = call(run)
    assert result.output.endswith(f"{RUN}: nothing to send again\n")
    assert "upload the files" in result.output
    assert queue() == []


def test_a_run_that_could_not_be_planned_is_sent_again(tmp_path: Path, queue: Callable[[], list[Any]]) -> None:
    run = RecordedRun(tmp_path, shards=1)
    run.bucket.write(run.keys.request, json.dumps(REQUEST).encode())
    run.lose(0, Cause.NOT_RUN, "the run could not be planned: a.cppipe is not there")
    call(run)
    assert [sent["redrive"] for sent in queue()] == [["not_run"]]


def test_what_is_sent_is_one_object_for_programs(run: RecordedRun, queue: Callable[[], list[Any]]) -> None:
    document = json.loads(call(run, "--json", "--cause", "timeout").output)
    assert [one["cause"] for one in document["not_done"] if one["sent_again"]] == ["timeout"]
    assert {one["cause"]: one["image_sets"] for one in document["not_done"]}["input_missing"] == 1
    assert [sent["redrive"] for sent in queue()] == [["timeout"]]
