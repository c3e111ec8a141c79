"""`cpb run` of a stage looks first whether it may start, and leaves in the record why not."""

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from cellpainting.cli.run import run as cpb_run
from cellpainting.errors import InvalidRequest
from cellpainting.ledger import Cause
from cellpainting.ledger.approval import approve
from cellpainting.ledger.blocked import why_blocked
from tests.worker.staged_run import StagedRun


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> StagedRun:
    """A gated plate, of which all is done but the analysis and the backend, on a machine without CellProfiler."""
    monkeypatch.delenv("CELLPROFILER", raising=False)
    run = StagedRun(tmp_path)
    run.put()
    run.plan(gate=True)
    run.finish("illumination")
    run.finish("quality_control")
    return run


def call(run: StagedRun, stage: str) -> Result:
    uri = run.bucket.uri(run.keys_of(stage).request)
    return CliRunner().invoke(cpb_run, ["--request", uri], standalone_mode=False)


def test_a_stage_whose_needs_are_not_complete_is_refused(run: StagedRun) -> None:
    run.finish("illumination", cause=Cause.TIMEOUT)
    refused = call(run, "analysis").exception
    assert isinstance(refused, InvalidRequest)
    assert "analysis of P1 cannot start: screen--P1--illumination is not complete" in str(refused)
    assert "1 of 3 image sets are missing" in why_blocked(run.keys_of("analysis"), run.bucket)


def test_a_stage_that_nobody_has_approved_of_is_refused(run: StagedRun) -> None:
    assert "it waits for approval" in str(call(run, "analysis").exception)
    approve(run.stage("analysis"), run.bucket)
    assert "it waits for approval" not in str(call(run, "analysis").exception)
    assert why_blocked(run.keys_of("analysis"), run.bucket) == ""


def test_a_stage_that_starts_is_not_blocked_any_more(run: StagedRun) -> None:
    run.finish("analysis")
    run.block("backend")
    assert call(run, "backend").return_value == 1  # it was begun, and there are no CSVs
    assert why_blocked(run.keys_of("backend"), run.bucket) == ""
