"""What `cpb local run` prints in the end."""

import io
from pathlib import Path

from rich.console import Console

from cellpainting.ledger import Cause
from cellpainting.local.session import Report
from tests.worker.staged_run import CHAIN, StagedRun


def test_a_run_is_told_with_its_stages_and_what_of_them_is_not_done(tmp_path: Path) -> None:
    run = StagedRun(tmp_path)
    run.put()
    run.plan()
    for stage in CHAIN:
        run.finish(stage)
    run.finish("quality_control", cause=Cause.TIMEOUT)
    said = io.StringIO()
    Report((run.ledger(),), ()).print(Console(file=said, width=120))
    rows = [[cell.strip() for cell in line.split("│")[1:-1]] for line in said.getvalue().splitlines() if "│" in line]
    assert [row[:3] for row in rows] == [
        ["screen", "3", "3"],
        ["screen--P1--illumination", "3", "3"],
        ["screen--P1--quality_control", "3", "2"],
        ["screen--P1--analysis", "3", "3"],
        ["screen--P1--backend", "1", "1"],
    ]
    assert "screen: quality_control of P1: P1-A01-1: failed: it failed" in said.getvalue()


def test_where_more_is_named_are_the_ledgers_of_stages(tmp_path: Path) -> None:
    run = StagedRun(tmp_path, tuple(f"P{number}" for number in range(8)))
    run.put()
    run.plan(pipelines={"analysis": "illum.cppipe"}, leave_out=["backend", "profiles", "report"])
    said = io.StringIO()
    Report((run.ledger(),), ()).print(Console(file=said, width=400))
    assert "... and 4 more in runs/screen--*/ledger.csv" in said.getvalue()
