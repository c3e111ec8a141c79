"""Which shards of which stages need a job when a run is planned again for some causes."""

from dataclasses import replace
from pathlib import Path

import pytest

from cellpainting.jobs import WholeJob
from cellpainting.ledger import Cause, ImageSet, LostShard, Outcome, State
from cellpainting.ledger.source_digest import source_digest
from tests.worker.ledger import manifest
from tests.worker.staged_run import CHAIN, StagedRun


@pytest.fixture
def run(tmp_path: Path) -> StagedRun:
    """A run of which everything is done."""
    run = StagedRun(tmp_path)
    run.put()
    run.plan()
    for stage in CHAIN:
        run.finish(stage)
    return run


def pending(run: StagedRun, *causes: str) -> dict[str, tuple[int, ...]]:
    """The shards that need a job, of stages that have such."""
    planned = run.plan(redrive=list(causes))
    return {name.removeprefix("P1--"): one.pending for name, one in planned.items() if one.pending}


def forget(run: StagedRun, stage: str) -> None:
    """Let a stage be one that has not begun."""
    keys = run.keys_of(stage)
    for item in list(run.bucket.list(keys.shards)):
        run.bucket.delete(item.key)
    if stage == "backend":
        run.bucket.delete(keys.plan)


def test_of_a_run_that_is_done_nothing_is_sent(run: StagedRun) -> None:
    assert pending(run, "machine_lost", "timeout", "not_run", "blocked") == {}


def test_a_lost_illumination_is_sent_with_all_that_follows(run: StagedRun) -> None:
    for stage in ("illumination", "analysis", "backend"):
        forget(run, stage)
    run.lose("illumination")
    run.block("analysis")
    run.block("backend")
    assert pending(run, "machine_lost") == {"illumination": (0,), "analysis": (0, 1, 2), "backend": (0,)}


def test_a_lost_shard_of_the_analysis_is_sent_alone_with_what_follows(run: StagedRun) -> None:
    run.bucket.delete(run.keys_of("analysis").shard(1))
    lost = LostShard(1, Cause.MACHINE_LOST, "Host EC2 terminated")
    run.bucket.write(run.keys_of("analysis").lost(1), lost.to_json())
    assert pending(run, "machine_lost") == {"analysis": (1,), "backend": (0,)}
    assert pending(run, "timeout") == {}


def test_a_lost_quality_control_keeps_nothing_but_a_gate(run: StagedRun) -> None:
    forget(run, "quality_control")
    run.lose("quality_control")
    assert pending(run, "machine_lost") == {"quality_control": (0,)}


@pytest.mark.parametrize("is_begun", [False, True], ids=["never begun", "done once"])
def test_a_lost_backend_is_sent(run: StagedRun, is_begun: bool) -> None:
    run.bucket.delete(run.keys_of("backend").shard(0))
    if not is_begun:
        run.bucket.delete(run.keys_of("backend").plan)
    run.lose("backend")
    assert pending(run, "not_run" if not is_begun else "machine_lost") == {"backend": (0,)}


def test_a_backend_that_would_fail_again_is_sent_when_its_cause_is_named(run: StagedRun) -> None:
    forget(run, "backend")
    run.bucket.write(run.keys_of("backend").shard(0), manifest(0, [], "no table is named Cells").to_json())
    assert pending(run, "machine_lost") == {}
    assert pending(run, "pipeline_error") == {"backend": (0,)}


def test_what_was_blocked_is_sent_for_that_even_if_an_earlier_result_is_there(run: StagedRun) -> None:
    run.block("analysis", reason="it waits for approval")
    assert pending(run, "machine_lost") == {}
    assert pending(run, "blocked") == {"analysis": (0, 1, 2), "backend": (0,)}


def test_what_is_current_is_started_all_the_same_if_it_was_blocked(run: StagedRun) -> None:
    """As when the quality control was done again before a gate: only a start takes the mark away."""
    request = {"pipelines": None, "results": {"analysis": "csv"}}
    run.bucket.write("csv/Image.csv", b"ImageNumber\n1\n")
    (planned,) = run.plan(**request).values()
    assert isinstance(planned.run.job, WholeJob)
    done = manifest(0, [Outcome(ImageSet(0, 1), State.DONE)])
    group = replace(done.groups[0], fingerprint=source_digest(planned.run.job, run.bucket))
    run.bucket.write(planned.run.keys.shard(0), replace(done, groups=(group,)).to_json())
    (planned,) = run.plan(**request).values()
    assert planned.pending == ()
    run.block("backend")
    (planned,) = run.plan(**request).values()
    assert planned.pending == (0,)
