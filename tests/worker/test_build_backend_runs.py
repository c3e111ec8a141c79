"""A backend's run is counted, sent again and looked into as any other: its worker alone knows its image sets."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from cellpainting.cli.logs import logs
from cellpainting.cli.redrive import redrive
from cellpainting.cli.run import run as cpb_run
from cellpainting.cli.status import status
from cellpainting.dispatch.planning_job import plan_run
from cellpainting.jobs import RunRecord, parse_job
from cellpainting.jobs.run_record import RunKeys
from cellpainting.ledger import (
    Cause,
    GroupResult,
    ImageSet,
    LostShard,
    Manifest,
    Outcome,
    State,
    read_ledger,
    write_plan,
)
from cellpainting.planning.plan_job import read_csv_source
from cellpainting.storage import FolderStorage

RUN = "backend-1"
KEYS = RunKeys(RUN)
REQUEST = {
    "job_type": "build_backend",
    "run": RUN,
    "analysis": "p/analysis/P1",
    "output": "p/backend",
    "batch": "B1",
    "plate": "P1",
    "compartments": ["Cells"],
}
IMAGE_SETS = [ImageSet(0, number, plate="P1", well=well, site="1") for number, well in enumerate(("A01", "A02"), 1)]


@pytest.fixture
def bucket(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FolderStorage:
    """A run that is planned and not begun, on a machine without a queue and without CellProfiler."""
    for name in ("SQS_URL", "CELLPROFILER"):
        monkeypatch.delenv(name, raising=False)
    bucket = FolderStorage(tmp_path / "bucket")
    bucket.write(KEYS.request, json.dumps(REQUEST).encode())
    planned = plan_run(RunRecord.of(parse_job(REQUEST), REQUEST), bucket, read_csv_source, "")
    assert (planned.shard_count, planned.pending) == (1, "0")
    return bucket


@pytest.fixture
def cpb(bucket: FolderStorage) -> Callable[..., Result]:
    def invoke(command: Any, *arguments: str) -> Result:
        return CliRunner().invoke(command, [RUN, "--bucket", str(bucket.root), *arguments], standalone_mode=False)

    return invoke


def finish(bucket: FolderStorage, *outcomes: Outcome, reason: str = "") -> None:
    """Leave what its worker leaves, after it has listed the image sets or failed before."""
    if outcomes:
        bucket.write(KEYS.plan, write_plan([outcome.image_set for outcome in outcomes]))
    groups = (GroupResult("", outcomes, (), (), {}, 1.0, 1.0),) if outcomes else ()
    bucket.write(KEYS.shard(0), Manifest(0, groups, None, "", (), "", "", 1.0, 1.0, reason).to_json())
    bucket.write(KEYS.log(0), b"cpb: what the worker said")


def left_of(result: Result) -> list[str]:
    """The causes that `cpb redrive --json` tells."""
    return [one["cause"] for one in json.loads(result.output)["not_done"]]


def test_run_that_is_waiting_has_no_image_sets_yet(cpb: Callable[..., Result]) -> None:
    assert cpb(status).return_value == 1
    assert left_of(cpb(redrive, "--json")) == []
    assert "no shard was begun" in cpb(logs).output


def test_run_whose_image_sets_are_all_taken_is_complete(bucket: FolderStorage, cpb: Callable[..., Result]) -> None:
    finish(bucket, *(Outcome(image_set, State.DONE) for image_set in IMAGE_SETS))
    result = cpb(status)
    assert (result.return_value, left_of(cpb(redrive, "--json"))) == (0, [])
    assert "complete, 2 image sets" in result.output
    assert "what the worker said" in cpb(logs).output
    assert "no shard failed" in cpb(logs, "--failed").output


def test_image_set_that_was_rejected_is_named(bucket: FolderStorage, cpb: Callable[..., Result]) -> None:
    reason = "Cells.csv is not there"
    rejected = Outcome(IMAGE_SETS[1], State.INPUT_MISSING, reason, Cause.INPUT_MISSING)
    finish(bucket, Outcome(IMAGE_SETS[0], State.DONE), rejected)
    assert cpb(status).return_value == 1
    assert left_of(cpb(redrive, "--json")) == ["input_missing"]
    assert f"P1-A02-1: input_missing: {reason}" in read_ledger(bucket, RUN).problems
    assert "what the worker said" in cpb(logs, "--failed").output


@pytest.mark.parametrize("is_lost", [True, False])
def test_run_that_ended_before_its_image_sets_were_known_is_over(
    bucket: FolderStorage, cpb: Callable[..., Result], is_lost: bool
) -> None:
    if is_lost:
        bucket.write(KEYS.lost(0), LostShard(0, Cause.MACHINE_LOST, "Host EC2 terminated").to_json())
    else:
        finish(bucket, reason="no folder has an Image.csv")
    assert cpb(status).return_value == 1
    assert read_ledger(bucket, RUN).is_over
    assert read_ledger(bucket, RUN).failed_shards
    causes = left_of(cpb(redrive, "--json", "--cause", "input_missing"))
    assert causes == ["not_run" if is_lost else "pipeline_error"]


def test_worker_builds_it_without_cellprofiler_and_exits_with_0(
    bucket: FolderStorage, cpb: Callable[..., Result], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CPB_SCRATCH", str(tmp_path))
    for number, image_set in enumerate(IMAGE_SETS, start=1):
        folder = f"p/analysis/P1/P1-{image_set.well}-1"
        image = f"ImageNumber,Metadata_Plate,Metadata_Well,Metadata_Site\n{number},P1,{image_set.well},1\n"
        bucket.write(f"{folder}/Image.csv", image.encode())
        cells = f"ImageNumber,ObjectNumber,AreaShape_Area\n{number},1,10.5\n{number},2,11.5\n"
        bucket.write(f"{folder}/Cells.csv", cells.encode())
    built = CliRunner().invoke(cpb_run, ["--request", bucket.uri(KEYS.request)], standalone_mode=False)
    assert built.return_value == 0, built.output
    assert "2 done" in built.output
    assert cpb(status).return_value == 0
    assert [item.key for item in bucket.list("p/backend/B1/P1")]
