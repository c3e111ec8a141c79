"""Every planned image set is in exactly one state, whatever its shard left behind."""

import csv
import io
import json
from dataclasses import replace
from pathlib import Path

import pytest

from cellpainting.errors import InvalidRequest
from cellpainting.ledger import Cause, LedgerReader, ShardState, State, write_ledger, write_plan
from cellpainting.ledger.held import HeldShards
from cellpainting.ledger.redrive import shards_by_cause
from tests.worker.ledger import RUN, RecordedRun, becomes


@pytest.fixture
def run(tmp_path: Path) -> RecordedRun:
    """Six shards of four image sets, planned and not begun."""
    run = RecordedRun(tmp_path, shards=6)
    run.plan()
    return run


def test_a_run_that_has_not_begun_is_all_not_run(run: RecordedRun) -> None:
    ledger = run.ledger()
    assert ledger.counts == {**dict.fromkeys([state.value for state in State], 0), "not_run": 24}
    assert ledger.causes == {"not_run": 24}
    assert set(ledger.shards.values()) == {ShardState.WAITING}
    assert not ledger.is_over


def test_a_run_with_all_manifests_is_complete(run: RecordedRun) -> None:
    for shard in range(6):
        run.finish(shard)
    ledger = run.ledger()
    assert ledger.is_complete
    assert ledger.is_over
    assert ledger.problems == []
    assert ledger.seconds == pytest.approx(36)


def test_states_add_up_to_the_plan_and_each_problem_is_named(run: RecordedRun) -> None:
    for shard in range(4):
        run.finish(shard)
    run.finish(0, {2: becomes(State.INPUT_MISSING, Cause.INPUT_MISSING, "a.tif is not there")})
    run.finish(1, {1: becomes(State.QUARANTINED, Cause.PIPELINE_ERROR, "IdentifyPrimaryObjects: no")})
    run.lose(4, Cause.MACHINE_LOST, "Host EC2 terminated")
    ledger = run.ledger()
    assert sum(ledger.counts.values()) == 24
    assert ledger.causes == {"input_missing": 1, "pipeline_error": 1, "machine_lost": 4, "not_run": 4}
    assert ledger.problems[:3] == [
        "shard 4: Host EC2 terminated",
        "P1-A01-2: input_missing: a.tif is not there",
        "P1-A03-1: quarantined: IdentifyPrimaryObjects: no",
    ]
    assert len(ledger.problems) == 1 + 10
    assert "not_run" in ledger.problems[-1]


def test_what_a_shard_at_work_has_published_is_done(run: RecordedRun) -> None:
    run.progress(0, done=3)
    ledger = run.ledger()
    assert ledger.shards[0] == ShardState.AT_WORK
    assert ledger.counts["done"] == 3
    assert "at work" in next(one.reason for one in ledger.outcomes if one.state == State.NOT_RUN)


def test_a_lost_shard_keeps_what_it_had_published(run: RecordedRun) -> None:
    run.progress(0, done=3)
    run.lose(0, Cause.OUT_OF_MEMORY, "OutOfMemoryError: container killed")
    ledger = run.ledger()
    assert ledger.shards[0] == ShardState.LOST
    assert [one.state for one in ledger.outcomes[:4]] == [State.DONE, State.DONE, State.DONE, State.FAILED]
    assert ledger.outcomes[3].cause == Cause.OUT_OF_MEMORY
    assert ledger.failed_shards == {0: "OutOfMemoryError: container killed"}


def test_a_shard_lost_after_its_last_group_has_nothing_left_to_do(run: RecordedRun) -> None:
    for shard in range(1, 6):
        run.finish(shard)
    run.progress(0, done=4)
    run.lose(0, Cause.MACHINE_LOST, "Host EC2 terminated")
    assert run.ledger().is_complete


def test_a_manifest_says_all_there_is_to_say_of_its_shard(run: RecordedRun) -> None:
    run.lose(0, Cause.MACHINE_LOST, "an earlier attempt")
    run.progress(0, done=1)
    run.finish(0)
    ledger = run.ledger()
    assert ledger.shards[0] == ShardState.WITH_MANIFEST
    assert ledger.counts["done"] == 4
    assert not ledger.failed_shards


def test_a_shard_that_failed_as_a_whole_gives_its_reason_to_each_image_set(run: RecordedRun) -> None:
    run.finish(2, reason="the pipeline cannot be read")
    ledger = run.ledger()
    assert ledger.failed_shards == {2: "the pipeline cannot be read"}
    assert {one.reason for one in ledger.outcomes if one.image_set.shard == 2} == {"the pipeline cannot be read"}


def test_an_outcome_of_other_load_data_does_not_count(run: RecordedRun) -> None:
    run.finish(0)
    before = run.image_sets(0)
    moved = [before[0], *(replace(one, files="elsewhere.tif") for one in before[1:])]
    run.bucket.write(run.keys.plan, write_plan(moved))
    ledger = run.ledger()
    assert ledger.counts["done"] == 1
    assert ledger.counts["not_run"] == 3
    assert "planned anew" in ledger.outcomes[1].reason


def test_without_a_plan_the_shard_says_why(tmp_path: Path) -> None:
    run = RecordedRun(tmp_path, shards=1)
    run.finish(0, reason="nowhere.cppipe is not there")
    ledger = run.ledger()
    assert not ledger.is_complete
    assert ledger.is_over
    assert ledger.problems == ["shard 0: nowhere.cppipe is not there"]


def test_a_run_that_can_no_longer_be_planned_says_so_beside_what_was_done(run: RecordedRun) -> None:
    for shard in range(run.shards):
        run.finish(shard)
    run.bucket.write(run.keys.planning_failure, b"load_data.parquet is not there")
    ledger = run.ledger()
    assert ledger.counts["done"] == 24
    assert not ledger.is_complete
    assert ledger.problems == ["the run could not be planned: load_data.parquet is not there"]


def test_a_run_without_any_record_is_not_complete(tmp_path: Path) -> None:
    ledger = RecordedRun(tmp_path, shards=1).ledger()
    assert not ledger.is_complete
    assert not ledger.is_over


def test_the_ledger_table_is_the_plan_with_state_cause_and_reason(run: RecordedRun) -> None:
    run.finish(0, {1: becomes(State.INPUT_DAMAGED, Cause.INPUT_DAMAGED, 'a "broken", image')})
    write_ledger(run.bucket, run.ledger())
    rows = list(csv.DictReader(io.StringIO(run.bucket.read(run.keys.ledger).decode())))
    planned = list(csv.DictReader(io.StringIO(run.bucket.read(run.keys.plan).decode())))
    assert [{name: row[name] for name in planned[0]} for row in rows] == planned
    assert (rows[0]["state"], rows[0]["cause"]) == ("input_damaged", "input_damaged")
    assert rows[0]["reason"] == 'a "broken", image'
    assert (rows[1]["state"], rows[1]["cause"]) == ("done", "")


def test_the_summary_counts_states_causes_shards_and_plates(run: RecordedRun) -> None:
    run.finish(0)
    run.finish(1, reason="no pipeline")
    run.progress(2, done=1)
    write_ledger(run.bucket, run.ledger())
    summary = json.loads(run.bucket.read(run.keys.summary))
    assert summary["run"] == RUN
    assert summary["complete"] is False
    assert summary["image_sets"] == sum(summary["states"].values()) == 24
    assert summary["causes"] == {"pipeline_error": 4, "not_run": 15}
    assert summary["shards"] == {
        "planned": 6,
        "with_manifest": 2,
        "lost": 0,
        "blocked": 0,
        "held": 0,
        "at_work": 1,
        "waiting": 3,
        "failed": {"1": "no pipeline"},
    }
    assert summary["plates"] == {"P1": summary["states"]}


class TestHeld:
    """What the budget let wait."""

    def test_it_waits_while_something_may_yet_go_on_with_it(self, run: RecordedRun) -> None:
        for shard in range(4):
            run.finish(shard)
        run.bucket.write(run.keys.held, HeldShards((3, 4, 5), 1).to_json())
        ledger = run.ledger()
        assert (ledger.is_over, ledger.causes) == (False, {"not_run": 8})

    def test_it_is_over_once_the_budget_is_used_up_and_each_image_set_says_why(self, run: RecordedRun) -> None:
        for shard in range(4):
            run.finish(shard)
        run.bucket.write(run.keys.held, HeldShards((3, 4, 5), 1, "no money").to_json())
        ledger = run.ledger()
        assert (ledger.is_over, ledger.is_complete, ledger.causes) == (True, False, {"budget": 8})
        assert ledger.shards[3] is ShardState.WITH_MANIFEST
        assert ledger.shards[4] is ShardState.HELD
        assert ledger.problems[-1] == "P1-A12-2: not_run: no money"
        assert shards_by_cause(ledger)[Cause.BUDGET] == {4, 5}

    def test_shard_whose_image_sets_only_its_worker_tells_is_held_all_the_same(self, tmp_path: Path) -> None:
        run = RecordedRun(tmp_path, shards=1)
        run.bucket.write(run.keys.held, HeldShards((0,), 0, "no money").to_json())
        ledger = run.ledger()
        assert (ledger.is_over, ledger.problems) == (True, ["shard 0: no money"])
        assert shards_by_cause(ledger)[Cause.BUDGET] == {0}


def test_a_plan_of_another_version_is_refused_with_its_columns(run: RecordedRun) -> None:
    run.bucket.write(run.keys.plan, b"shard,number\n0,1\n")
    with pytest.raises(InvalidRequest, match=r"\('shard', 'number'\)"):
        run.ledger()


def test_a_reader_sees_what_has_changed_since(run: RecordedRun) -> None:
    reader = LedgerReader(run.bucket, RUN)
    assert reader.read().counts["done"] == 0
    run.finish(0)
    assert reader.read().counts["done"] == 4
    run.finish(0, {1: becomes(State.FAILED, Cause.TIMEOUT, "too slow")})
    assert reader.read().counts["done"] == 3
    run.bucket.delete(run.keys.shard(0))
    assert reader.read().counts["not_run"] == 24
