"""`cpb approve` lets plates go on that wait for somebody, and refuses what does not wait, naming why."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from cellpainting.cli.approve import approve
from cellpainting.errors import InvalidRequest
from cellpainting.jobs.run_record import RunKeys
from cellpainting.ledger import Cause
from cellpainting.ledger.approval import is_approved
from tests.worker.ledger import RecordedRun
from tests.worker.staged_run import RUN, StagedRun


@pytest.fixture
def run(tmp_path: Path) -> StagedRun:
    """A gated run of two plates; of P1 illumination and quality control are over, of P2 they are at work."""
    run = StagedRun(tmp_path, ("P1", "P2"))
    run.put()
    run.plan(gate=True)
    run.finish("illumination")
    run.finish("quality_control", cause=Cause.TIMEOUT)  # over, however that was
    for plate in run.plates:
        run.block("analysis", plate, "it waits for approval")
    return run


def call(run: StagedRun | RecordedRun, *arguments: str, name: str = RUN) -> Result:
    return CliRunner().invoke(approve, [name, "--bucket", str(run.root), *arguments], standalone_mode=False)


def refusal(result: Result) -> str:
    assert isinstance(result.exception, InvalidRequest)
    return str(result.exception)


def is_open(run: StagedRun, plate: str) -> bool:
    return is_approved(run.stage("analysis", plate), run.bucket)


def test_plates_that_wait_are_approved_and_what_was_kept_is_sent(
    run: StagedRun, queue: Callable[[], list[Any]]
) -> None:
    result = call(run)
    assert result.return_value == 0
    assert "screen: approved: analysis of P1 may start" in result.output
    assert (is_open(run, "P1"), is_open(run, "P2")) == (True, False)
    (sent,) = queue()
    assert (sent["run"], sent["redrive"]) == (RUN, ["blocked"])


def test_what_is_sent_does_not_do_again_what_was_looked_at(run: StagedRun, queue: Callable[[], list[Any]]) -> None:
    call(run)
    planned = run.plan(**queue()[0])
    assert {name for name, one in planned.items() if one.pending} == {
        "P1--analysis",
        "P1--backend",
        "P2--analysis",
        "P2--backend",
    }
    assert is_open(run, "P1")


def test_without_a_queue_the_approval_is_taken_down_and_nothing_is_sent(
    run: StagedRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SQS_URL", raising=False)
    result = call(run)
    assert result.return_value == 0
    assert is_open(run, "P1")
    assert "cpb redrive screen --cause blocked" in result.output


def test_a_named_plate_that_does_not_wait_is_refused_and_nothing_is_approved(
    run: StagedRun, queue: Callable[[], list[Any]]
) -> None:
    told = refusal(call(run, "--plate", "P1", "--plate", "P2"))
    assert "not over yet: illumination of P2, quality_control of P2" in told
    assert not is_open(run, "P1")
    assert queue() == []


def test_a_plate_whose_illumination_is_not_complete_is_not_approved(run: StagedRun) -> None:
    run.finish("illumination", cause=Cause.INPUT_MISSING)
    assert "screen--P1--illumination is not complete" in refusal(call(run, "--plate", "P1"))


def test_a_plate_is_approved_once(run: StagedRun, queue: Callable[[], list[Any]]) -> None:
    call(run, "--plate", "P1")
    assert "analysis of P1 was approved of before" in refusal(call(run, "--plate", "P1"))
    assert len(queue()) == 1


def test_a_plate_that_is_through_does_not_wait(run: StagedRun) -> None:
    run.block("analysis", reason="")
    run.finish("analysis")
    assert "analysis of P1 is complete" in refusal(call(run, "--plate", "P1"))


def test_an_unknown_plate_is_refused_with_those_that_there_are(run: StagedRun) -> None:
    assert "no plate 'P3'; its plates are P1, P2" in refusal(call(run, "--plate", "P3"))


def test_a_run_without_a_gate_waits_for_nothing(run: StagedRun) -> None:
    run.plan()
    assert "sent without 'gate'" in refusal(call(run))


def test_a_run_without_stages_a_stage_and_no_run_are_refused(run: StagedRun) -> None:
    run.bucket.write(RunKeys("plain").request, b'{"pipeline": "a.cppipe", "input": "i", "output": "o", "run": "plain"}')
    assert "'plain' has no stages" in refusal(call(run, name="plain"))
    assert "is a stage of the run 'screen'; name that" in refusal(call(run, name="screen--P1--analysis"))
    assert "there is no run 'another'" in refusal(call(run, name="another"))
