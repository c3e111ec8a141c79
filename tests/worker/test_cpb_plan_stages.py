"""`cpb plan` of a run that has stages: a folder for each, started in their order, and what may not start does not."""

import json
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from cellpainting.cellprofiler.environment import CellProfiler
from cellpainting.cli.approve import approve
from cellpainting.cli.plan import plan
from cellpainting.jobs import parse_message
from tests.conftest import write_site
from tests.worker.staged_run import CHAIN, REQUEST, RUN, WELLS, StagedRun

WHOLE = {"leave_out": None, "platemap": "platemap.txt"}
PLATEMAP = b"well_position\tbroad_sample\nA01\tx\nA02\ty\nA03\tz\n"
FOLDERS = ["01-P1-illumination", "02-P1-quality_control", "03-P1-analysis", "04-P1-backend"]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> StagedRun:
    """A plate that is not planned yet, on a machine without CellProfiler."""
    monkeypatch.delenv("CELLPROFILER", raising=False)
    run = StagedRun(tmp_path / "bucket")
    run.put()
    run.bucket.write("platemap.txt", PLATEMAP)
    return run


def call(run: StagedRun, engine: str, **fields: Any) -> Result:
    path = run.root.parent / "request.json"
    path.write_text(json.dumps({**REQUEST, **fields}))
    arguments = [str(path), "--bucket", str(run.root), "--engine", engine, "-o", str(jobs(run))]
    return CliRunner().invoke(plan, arguments, standalone_mode=False, catch_exceptions=False)


def jobs(run: StagedRun) -> Path:
    return run.root.parent / "jobs"


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def states(run: StagedRun) -> dict[str, str]:
    return {one.stage.name: one.state.value for one in run.ledger().stages}


@pytest.mark.parametrize(("engine", "file"), [("commands", "commands.txt"), ("slurm", "run.sbatch")])
def test_each_stage_has_a_folder_and_all_are_started_by_one_script(run: StagedRun, engine: str, file: str) -> None:
    result = call(run, engine)
    assert result.return_value == 0
    assert names(jobs(run)) == [*FOLDERS, "run.sh"]
    assert [names(jobs(run) / folder) for folder in FOLDERS] == [[file]] * 4
    assert "analysis of P1: 3 of 3 shards to be done" in result.output
    started = [line.split()[3] for line in result.output.splitlines() if line.startswith("start it:")]
    assert started == [str(jobs(run) / folder) for folder in FOLDERS]
    assert f"all of them: cd {jobs(run)} && bash run.sh" in result.output
    assert len(run.ledger().stages) == 4


def test_what_is_done_has_no_folder_and_the_others_keep_theirs(run: StagedRun) -> None:
    run.plan(redrive=["not_run"])
    for stage in CHAIN:
        run.finish(stage)
    run.finish("analysis", cause=None)
    run.lose("backend")
    run.bucket.delete(run.keys_of("backend").shard(0))
    assert "analysis of P1: 0 of 3 shards to be done" in call(run, "commands", redrive=["machine_lost"]).output
    assert names(jobs(run)) == ["04-P1-backend", "run.sh"]


def test_htcondor_is_given_the_stages_one_by_one(run: StagedRun) -> None:
    assert "run.sh" not in call(run, "htcondor").output
    assert names(jobs(run)) == FOLDERS


def test_the_message_for_aws_batch_is_the_request_of_the_run(run: StagedRun) -> None:
    call(run, "aws-batch")
    assert names(jobs(run)) == ["request.json"]
    (record,) = parse_message((jobs(run) / "request.json").read_text())
    assert record.run_id == RUN


SBATCH = """#!/bin/bash
echo "$(basename "$PWD") $*" >> {log}
echo "$(wc -l < {log});cluster"
"""


def submitted(run: StagedRun) -> list[str]:
    """What `run.sh` gives to a stand-in for `sbatch`, whose jobs are numbered from 1."""
    log, tools = run.root.parent / "submitted.txt", run.root.parent / "bin"
    tools.mkdir()
    (tools / "sbatch").write_text(SBATCH.format(log=log))
    (tools / "sbatch").chmod(0o755)
    environment = {"PATH": f"{tools}:/usr/bin:/bin"}
    subprocess.run(["bash", jobs(run) / "run.sh"], check=True, timeout=60, env=environment, cwd=run.root)
    return log.read_text().splitlines()


def test_slurm_begins_a_stage_when_those_have_ended_that_it_waits_for(run: StagedRun) -> None:
    call(run, "slurm", **WHOLE)
    assert submitted(run) == [
        "01-P1-illumination --parsable run.sbatch",
        "02-P1-quality_control --parsable run.sbatch",
        "03-P1-analysis --parsable --dependency=afterany:1 run.sbatch",
        "04-P1-backend --parsable --dependency=afterany:3 run.sbatch",
        "05-P1-profiles --parsable --dependency=afterany:4 run.sbatch",
        "06-P1-report --parsable --dependency=afterany:1:2:3:4:5 run.sbatch",
    ]


def test_slurm_begins_a_stage_when_all_arrays_of_another_have_ended(run: StagedRun) -> None:
    call(run, "slurm")
    analysis = jobs(run) / "03-P1-analysis"
    (analysis / "run.sbatch").rename(analysis / "run-1.sbatch")
    (analysis / "run-2.sbatch").write_text("")
    assert submitted(run)[-1] == "04-P1-backend --parsable --dependency=afterany:3:4 run.sbatch"


def start(run: StagedRun) -> int:
    """Type the command that starts all stages; returns its exit status."""
    return subprocess.run(["bash", "run.sh"], cwd=jobs(run), check=False, timeout=300).returncode


def put_images(run: StagedRun, wells: Sequence[str] = WELLS) -> None:
    for well in wells:
        write_site(run.root / "images", well)


@pytest.mark.cellprofiler
def test_a_plate_goes_from_images_to_a_page_once_it_is_corrected_and_approved(
    run: StagedRun, cellprofiler: CellProfiler, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CELLPROFILER", str(cellprofiler.command))
    monkeypatch.delenv("SQS_URL", raising=False)
    request = {
        "pipelines": {"illumination": "illum.cppipe", "analysis": "analysis.cppipe"},
        "leave_out": ["profiles"],
        "image_sets_per_shard": 3,
        "gate": True,
    }
    kept = {"analysis": "blocked", "backend": "blocked", "report": "complete"}
    analysis = run.keys_of("analysis").run_id

    put_images(run, WELLS[1:])
    call(run, "commands", **request)
    assert start(run) != 0
    assert states(run) == {"illumination": "incomplete", **kept}
    assert "screen--P1--illumination is not complete" in run.ledger_of(analysis).blocked

    put_images(run)
    call(run, "commands", **request)
    assert start(run) != 0
    assert states(run) == {"illumination": "complete", **kept}
    assert "it waits for approval" in run.ledger_of(analysis).blocked

    approved = CliRunner().invoke(approve, [RUN, "--bucket", str(run.root)], standalone_mode=False)
    assert "analysis of P1 may start" in approved.output
    call(run, "commands", **request)
    assert start(run) == 0
    assert states(run) == dict.fromkeys(("illumination", *kept), "complete")
    assert run.ledger().counts["done"] == 3
    assert run.bucket.stat("workspace/illum/B1/P1/P1_Illum.npy")
    assert (run.root / "workspace" / "reports" / "B1" / "P1.html").stat().st_size > 50_000
    assert "analysis of P1: 0 of 1 shards to be done" in call(run, "commands", **request).output
