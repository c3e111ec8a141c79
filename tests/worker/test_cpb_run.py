"""`cpb run` as a container starts it: exit statuses, array children, and nothing left behind when it is stopped."""

import json
import os
import signal
import subprocess
from pathlib import Path

import pytest

from cellpainting.cellprofiler.environment import CellProfiler, find_cellprofiler
from cellpainting.dispatch.store_plan import read_plan_record
from cellpainting.dispatch.submission import Work, claim
from cellpainting.errors import CellProfilerNotFound
from cellpainting.ledger import Cause, LostShard
from tests.conftest import Plate, write_site
from tests.local.conftest import wait_until


def cpb_run(uri: str, *options: str, **variables: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        ["cpb", "run", "--request", uri, *options],
        check=False,
        capture_output=True,
        text=True,
        env={**os.environ, **variables},
    )


@pytest.mark.cellprofiler
def test_exit_status_is_0_when_all_is_done_and_1_when_something_failed(
    plate: Plate, cellprofiler: CellProfiler
) -> None:
    variables = {"CELLPROFILER": str(cellprofiler.command)}
    done = cpb_run(plate.write_request(), **variables)
    assert done.returncode == 0
    assert "cpb: shard 0" in done.stdout
    assert "3 done" in done.stdout
    write_site(plate.images, "A02", illum_size=32)
    failed = cpb_run(plate.asking(force=True).write_request(), **variables)
    assert failed.returncode == 1
    assert "cpb: not done: P1-A02-1: quarantined: CorrectIlluminationApply" in failed.stdout
    assert not (plate.root / plate.record.keys.ledger).exists()


IMAGE_SETS = [("P1", well, "1") for well in ("A01", "A02", "A03")]


@pytest.mark.cellprofiler
@pytest.mark.parametrize(
    ("options", "index", "shard"),
    [((), "1", 1), (("--shard", "1"), "1", 2), (("--shard", "1", "--submission", "0"), "1", 0)],
)
def test_array_child_does_the_shard_of_its_index_in_the_list_of_its_submission(
    plate: Plate, cellprofiler: CellProfiler, options: tuple[str, ...], index: str, shard: int
) -> None:
    plate = plate.with_load_data(IMAGE_SETS, image_sets_per_shard=1)
    keys = plate.record.keys
    claim(keys, 0, Work("m1", (1, 2, 0), 1, 4096, 3600, "spot"), plate.bucket)
    lost = LostShard(shard, Cause.MACHINE_LOST, "an earlier attempt")
    plate.bucket.write(keys.lost(shard), lost.to_json())
    variables = {"CELLPROFILER": str(cellprofiler.command), "AWS_BATCH_JOB_ARRAY_INDEX": index}
    ended = cpb_run(plate.write_request(), *options, **variables)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert [path.name for path in (plate.root / keys.shards).iterdir()] == [f"{shard}.json"]
    assert not (plate.root / keys.lost(shard)).exists()


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (("--shard", "7"), "has no plan for shard 7; send the request to the queue"),
        (("--shard", "1", "--submission", "0"), "has 1 shards, got position 1"),
        (("--submission", "zero"), "write the number of a submission"),
    ],
)
def test_shard_that_is_not_planned_has_exit_status_2(
    plate: Plate, tmp_path: Path, options: tuple[str, ...], reason: str
) -> None:
    (tmp_path / "python").touch()
    (tmp_path / "cellprofiler").write_text("#!/bin/sh\n")
    claim(plate.record.keys, 0, Work("m1", (0,), 1, 4096, 3600, "spot"), plate.bucket)
    ended = cpb_run(plate.write_request(), *options, CELLPROFILER=str(tmp_path / "cellprofiler"))
    assert ended.returncode == 2
    assert reason in ended.stderr


@pytest.mark.cellprofiler
def test_folder_is_planned_by_the_metadata_that_cellprofiler_finds(plate: Plate, cellprofiler: CellProfiler) -> None:
    grouped = plate.asking(group_by=["Metadata_Well"], image_sets_per_shard=2)
    key = grouped.record.keys.request
    grouped.bucket.write(key, json.dumps(grouped.document).encode())
    ended = cpb_run(grouped.bucket.uri(key), "--plan", CELLPROFILER=str(cellprofiler.command))
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "3 image sets in 2 shards; to be done: 0-1" in ended.stdout
    planned = read_plan_record(grouped.record.keys, grouped.bucket)
    assert planned is not None
    assert (planned.pending, planned.largest_shard_groups) == ("0-1", 2)


@pytest.mark.cellprofiler
def test_plan_that_is_refused_has_exit_status_2_and_says_why_in_the_bucket(
    plate: Plate, cellprofiler: CellProfiler
) -> None:
    grouped = plate.asking(group_by=["Metadata_Donor"])
    key = grouped.record.keys.request
    grouped.bucket.write(key, json.dumps(grouped.document).encode())
    ended = cpb_run(grouped.bucket.uri(key), "--plan", CELLPROFILER=str(cellprofiler.command))
    assert ended.returncode == 2
    assert "Metadata_Donor" in grouped.ledger().planning_failure


@pytest.mark.parametrize("content", ["not json", '{"pipeline": "x.cppipe"}', "[]"])
def test_request_that_is_invalid_has_exit_status_2(plate: Plate, content: str) -> None:
    uri = plate.write_request()
    plate.bucket.write(plate.record.keys.request, content.encode())
    ended = cpb_run(uri)
    assert ended.returncode == 2
    assert ended.stderr.startswith("cpb: ")
    assert "Traceback" not in ended.stderr


def test_storage_that_cannot_be_reached_has_the_status_that_is_tried_again() -> None:
    ended = cpb_run(
        "s3://nowhere/runs/x/request.json",
        AWS_ENDPOINT_URL="http://127.0.0.1:9",
        AWS_ACCESS_KEY_ID="x",
        AWS_SECRET_ACCESS_KEY="x",  # noqa: S106 (no secret)
        AWS_DEFAULT_REGION="us-east-1",
        AWS_MAX_ATTEMPTS="1",
    )
    assert ended.returncode == 75


@pytest.mark.cellprofiler
def test_sigterm_stops_cellprofiler_removes_scratch_and_publishes_nothing(
    plate: Plate, cellprofiler: CellProfiler, tmp_path: Path
) -> None:
    for number in range(4, 12):
        write_site(plate.images, f"A{number:02d}")
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    process = subprocess.Popen(
        ["cpb", "run", "--request", plate.write_request()],
        env={**os.environ, "CELLPROFILER": str(cellprofiler.command), "CPB_SCRATCH": str(scratch)},
        stdout=subprocess.DEVNULL,
    )
    wait_until((plate.root / plate.record.keys.plan).exists, "CellProfiler has listed its image sets")
    process.send_signal(signal.SIGTERM)
    assert process.wait(20) == 128 + signal.SIGTERM
    assert list(scratch.iterdir()) == []
    assert not (plate.root / "plate" / "results").exists()
    assert plate.ledger().counts["not_run"] == 11


@pytest.mark.cellprofiler
def test_run_that_is_interrupted_while_it_is_done_again_no_longer_counts_as_done(
    plate: Plate, cellprofiler: CellProfiler
) -> None:
    plate.run(cellprofiler)
    assert plate.ledger().is_complete
    variables = {**os.environ, "CELLPROFILER": str(cellprofiler.command)}
    plan = plate.root / plate.record.keys.plan
    plan.unlink()  # it comes back when CellProfiler is at work
    write_site(plate.images, "A02", illum_size=32)
    process = subprocess.Popen(
        ["cpb", "run", "--request", plate.write_request()], env=variables, stdout=subprocess.DEVNULL
    )
    wait_until(plan.exists, "CellProfiler has listed its image sets")
    process.kill()
    process.wait()
    assert plate.ledger().counts["not_run"] == 3
    assert not plate.ledger().is_complete
    write_site(plate.images, "A02")
    assert plate.run(cellprofiler).is_success
    assert plate.ledger().is_complete
    assert not (plate.root / plate.record.keys.folder / "withdrawn").exists()


def test_cellprofiler_that_is_no_python_script_is_refused(tmp_path: Path) -> None:
    program = tmp_path / "cellprofiler"
    program.write_bytes(b"\x7fELF")
    with pytest.raises(CellProfilerNotFound, match="not the 'cellprofiler' script of a Python environment"):
        find_cellprofiler(str(program))
    with pytest.raises(CellProfilerNotFound, match="is not set"):
        find_cellprofiler("")


def test_script_started_through_a_shell_is_run_by_the_python_beside_it(tmp_path: Path) -> None:
    (tmp_path / "python").touch()
    program = tmp_path / "cellprofiler"
    program.write_text("#!/bin/sh\n'''exec' '/a long/path/python' \"$0\" \"$@\"\n' '''\n")
    assert find_cellprofiler(str(program)).python == tmp_path / "python"
