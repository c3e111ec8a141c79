"""`cpb status`, `logs` and `redrive` of a run that has stages look at all of them."""

import json
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner, Result

from cellpainting.cli import status as status_module
from cellpainting.cli.logs import logs
from cellpainting.cli.redrive import redrive
from cellpainting.cli.status import status
from cellpainting.dispatch.submission import Submission
from cellpainting.errors import InvalidRequest
from cellpainting.ledger import Cause
from tests.worker.staged_run import CHAIN, RUN, StagedRun


@pytest.fixture
def run(tmp_path: Path) -> StagedRun:
    """A run of two plates: P1 is complete, of P2 the illumination's machine was lost, which blocks what follows."""
    run = StagedRun(tmp_path, ("P1", "P2"))
    run.put()
    run.plan()
    for stage in CHAIN:
        run.finish(stage)
    run.lose("illumination", "P2")
    run.finish("quality_control", "P2")
    for stage in ("analysis", "backend"):
        run.block(stage, "P2")
    return run


def call(command: Any, run: StagedRun, *arguments: str) -> Result:
    return CliRunner().invoke(command, [*arguments, "--bucket", str(run.root)], standalone_mode=False)


def cells(result: Result) -> dict[str, list[str]]:
    rows = [[cell.strip() for cell in line.split("│")[1:-1]] for line in result.output.splitlines() if "│" in line]
    return {row[0]: row[1:] for row in rows if row[0]}


class TestStatus:
    def test_each_plate_has_a_row_with_how_its_stages_stand_and_what_is_left_comes_first(self, run: StagedRun) -> None:
        result = call(status, run, RUN)
        assert result.return_value == 1
        assert list(cells(result))[:2] == ["P2", "P1"]
        assert cells(result)["P2"] == ["incomplete", "complete", "blocked", "blocked"]
        assert cells(result)["P1"] == ["complete"] * 4
        assert "backend of P2: it could not start: it needs another" in result.output
        assert "screen: not complete, 6 image sets; 11 shards: 7 ended, 1 lost, 3 blocked" in result.output
        assert "plate P1: 3 done" in result.output

    def test_stages_and_their_reasons_are_in_the_summary(self, run: StagedRun) -> None:
        document = json.loads(call(status, run, RUN, "--json").output)
        assert document["stages"]["P1"]["analysis"]["state"] == "complete"
        assert document["stages"]["P2"]["illumination"]["run"] == "screen--P2--illumination"
        assert "Host EC2 terminated" in document["stages"]["P2"]["illumination"]["reason"]
        assert document == json.loads(run.bucket.read(run.keys.summary))

    def test_a_complete_run_ends_with_0(self, run: StagedRun) -> None:
        for stage in CHAIN:
            run.block(stage, "P2", reason="")
            run.finish(stage, "P2")
        result = call(status, run, RUN)
        assert result.return_value == 0
        assert "screen: complete, 6 image sets" in result.output

    def test_of_very_many_plates_those_with_something_left_are_shown(self, tmp_path: Path) -> None:
        run = StagedRun(tmp_path, tuple(f"P{number:02}" for number in range(25)))
        run.put()
        run.plan(pipelines={"analysis": "illum.cppipe"}, leave_out=["backend", "profiles", "report"])
        for plate in run.plates[:-1]:
            run.finish("analysis", plate)
        result = call(status, run, RUN)
        assert "... and 5 more plates: summary.json has them all" in result.output
        assert cells(result)["P24"] == ["under_way"]

    def test_runs_of_stages_are_not_listed(self, run: StagedRun) -> None:
        assert [one["run"] for one in json.loads(call(status, run, "--json").output)] == [RUN]

    def test_a_stage_is_looked_at_as_a_run(self, run: StagedRun) -> None:
        result = call(status, run, "screen--P1--analysis")
        assert result.return_value == 0
        assert "screen--P1--analysis: complete, 3 image sets" in result.output

    def test_watching_goes_on_while_what_was_blocked_is_about_to_start(
        self, run: StagedRun, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(status_module, "POLL_S", 0.2)
        run.finish("illumination", "P2")

        def go_on() -> None:
            for stage in ("analysis", "backend"):
                run.block(stage, "P2", reason="")
                run.finish(stage, "P2")

        later = threading.Timer(1.0, go_on)
        later.start()
        result = call(status, run, RUN, "--watch")
        later.join()
        assert result.return_value == 0


class TestLogs:
    @pytest.fixture(autouse=True)
    def written(self, run: StagedRun) -> None:
        for stage in CHAIN:
            run.bucket.write(run.keys_of(stage).log(0), f"cpb: {stage}\n".encode())

    def test_those_of_all_stages_are_below_the_names_of_their_runs(self, run: StagedRun) -> None:
        lines = call(logs, run, RUN).output.splitlines()
        assert lines[:2] == ["==> screen--P1--illumination shard 0 <==", "cpb: illumination"]
        assert "==> screen--P1--analysis shard 2 <==" in lines
        assert "==> screen--P2--analysis shard 0 <==" not in lines

    def test_those_of_failed_shards_leave_out_the_others(self, run: StagedRun) -> None:
        run.finish("backend", cause=Cause.PIPELINE_ERROR)
        lines = [line for line in call(logs, run, RUN, "--failed").output.splitlines() if line.startswith("==>")]
        assert lines == ["==> screen--P1--backend shard 0 <==", "==> screen--P2--illumination shard 0 <=="]

    def test_a_shard_is_one_of_a_stage_s_run(self, run: StagedRun) -> None:
        refused = call(logs, run, RUN, "--shard", "0").exception
        assert isinstance(refused, click.UsageError)
        assert "such as screen--P1--illumination" in str(refused)
        assert call(logs, run, "screen--P1--backend", "--shard", "0").output.endswith("cpb: backend\n")


class TestRedrive:
    def test_what_is_not_done_is_counted_over_all_stages(self, run: StagedRun, queue: Callable[[], list[Any]]) -> None:
        result = call(redrive, run, RUN)
        assert cells(result)["machine_lost"][:3] == ["3", "1", "yes"]
        assert cells(result)["blocked"][:3] == ["3", "4", "no"]
        (sent,) = queue()
        assert (sent["run"], sent["redrive"]) == (RUN, ["machine_lost"])

    def test_what_is_blocked_alone_is_not_sent(self, run: StagedRun, queue: Callable[[], list[Any]]) -> None:
        run.finish("illumination", "P2", cause=Cause.INPUT_MISSING)
        assert call(redrive, run, RUN).output.endswith("screen: nothing to send again\n")
        assert queue() == []

    def test_a_backend_that_has_left_nothing_is_sent(self, run: StagedRun, queue: Callable[[], list[Any]]) -> None:
        run.bucket.delete(run.keys_of("backend").shard(0))
        run.bucket.delete(run.keys_of("backend").plan)
        call(redrive, run, RUN, "--cause", "not_run")
        assert [sent["redrive"] for sent in queue()] == [["not_run"]]

    def test_a_stage_out_of_memory_gets_twice_what_it_had(self, run: StagedRun, queue: Callable[[], list[Any]]) -> None:
        run.lose("illumination", "P2", Cause.OUT_OF_MEMORY)
        for stage, memory in (("illumination", 6000), ("quality_control", 9000)):
            keys = run.keys_of(stage, "P2")
            run.bucket.write(keys.submission(0), Submission(0, "message", 0.0, "0", 1, memory, 3600).to_json())
        assert "12000 MiB" in call(redrive, run, RUN).output
        assert [sent["job_memory"] for sent in queue()] == [12000]

    def test_a_stage_is_sent_with_the_run_that_it_is_of(self, run: StagedRun, queue: Callable[[], list[Any]]) -> None:
        refused = call(redrive, run, "screen--P2--illumination").exception
        assert isinstance(refused, InvalidRequest)
        assert "is a stage of the run 'screen'; name that" in str(refused)
        assert queue() == []
