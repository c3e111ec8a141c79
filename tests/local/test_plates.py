"""Plates through a local cloud: planned, divided into the children of an array job, measured, and counted."""

import csv
import os
import signal
from pathlib import Path
from typing import Any

import pyarrow.csv
import pyarrow.parquet
import pytest

from cellpainting.ledger import Cause, LostShard
from tests.conftest import LOAD_DATA_PIPELINE, SPOTS_PIPELINE, write_load_data, write_site
from tests.local.conftest import LocalUp, wait_until
from tests.local.test_messages import processes_of, put_plate, request, run_id

pytestmark = pytest.mark.cellprofiler

WELLS = ("A01", "A02", "A03")


def put_load_data(cloud: LocalUp, folder: Path, name: str, wells: tuple[str, ...] = WELLS) -> dict[str, Any]:
    """Upload a plate with its load data and pipeline; returns the request for it, a shard per image set."""
    images = folder / name / "images"
    for well in wells:
        write_site(images, well)
    there = Path("/home/ubuntu/bucket") / name / "images"
    write_load_data(folder / name / "load_data.csv", there, [("P1", well, "1") for well in wells])
    (folder / name / "spots.cppipe").write_bytes(LOAD_DATA_PIPELINE.read_bytes())
    s3 = cloud.client("s3")
    for path in (folder / name).rglob("*.*"):
        s3.upload_file(str(path), cloud.bucket, f"{name}/{path.relative_to(folder / name).as_posix()}")
    return {
        "pipeline": f"{name}/spots.cppipe",
        "load_data": f"{name}/load_data.csv",
        "output": f"{name}/results",
        "image_sets_per_shard": 1,
    }


def parents(jobs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Jobs without the children of arrays."""
    return [job for job in jobs if ":" not in job["jobId"]]


def states(cloud: LocalUp, run: str) -> list[str]:
    """The states in ledger.csv, in the order of the plan."""
    with (cloud.folder / "runs" / run / "ledger.csv").open(newline="") as file:
        return [row["state"] for row in csv.DictReader(file)]


def test_plate_of_load_data_is_one_array_job_and_its_ledger_is_written_when_all_have_ended(
    cloud: LocalUp, tmp_path: Path
) -> None:
    message = put_load_data(cloud, tmp_path, "array")
    cloud.send(message)
    assert cloud.summary(run_id(message))["complete"]
    (job,) = parents(cloud.jobs(run_id(message)))
    assert (job["status"], job["arrayProperties"]["size"]) == ("SUCCEEDED", 3)
    assert states(cloud, run_id(message)) == ["done"] * 3


def test_request_sent_again_does_only_what_is_not_done(cloud: LocalUp, tmp_path: Path) -> None:
    message = put_load_data(cloud, tmp_path, "again")
    run = run_id(message)
    s3 = cloud.client("s3")
    missing = "again/images/P1_A02_s1_DNA.tif"
    s3.delete_object(Bucket=cloud.bucket, Key=missing)
    cloud.send(message)
    assert cloud.summary(run)["states"]["input_missing"] == 1
    s3.upload_file(str(tmp_path / missing), cloud.bucket, missing)
    cloud.send(message)
    wait_until(lambda: cloud.summary(run)["complete"], "the missing image was measured")
    first, second = parents(cloud.jobs(run))
    assert "size" in first["arrayProperties"]
    assert "arrayProperties" not in second


@pytest.mark.parametrize("source", ["parquet", "folder"])
def test_what_the_function_cannot_read_is_planned_by_a_job_whose_end_submits_the_rest(
    cloud: LocalUp, tmp_path: Path, source: str
) -> None:
    message = put_load_data(cloud, tmp_path, f"planned_{source}")
    if source == "parquet":
        table = pyarrow.csv.read_csv(tmp_path / f"planned_{source}" / "load_data.csv")
        pyarrow.parquet.write_table(table, tmp_path / "load_data.parquet")
        key = f"planned_{source}/load_data.parquet"
        cloud.client("s3").upload_file(str(tmp_path / "load_data.parquet"), cloud.bucket, key)
        message["load_data"] = key
    else:
        cloud.client("s3").upload_file(str(SPOTS_PIPELINE), cloud.bucket, message["pipeline"])
        del message["load_data"]
        message |= {"input": f"planned_{source}/images/", "group_by": ["Plate", "Well"]}
    cloud.send(message)
    assert cloud.summary(run_id(message))["complete"]
    names = [job["jobName"] for job in parents(cloud.jobs(run_id(message)))]
    assert names == [f"{run_id(message)}-0-plan", f"{run_id(message)}-1-0"]
    assert states(cloud, run_id(message)) == ["done"] * 3


def test_plan_that_is_refused_by_its_job_is_in_the_summary(cloud: LocalUp, tmp_path: Path) -> None:
    put_plate(cloud, tmp_path, "no_plan")
    message = request("no_plan", group_by=["Metadata_Donor"])
    cloud.send(message)
    assert "Metadata_Donor" in cloud.summary(run_id(message))["planning_failure"]


def test_worker_that_is_killed_each_time_is_given_twice_the_memory(cloud: LocalUp, tmp_path: Path) -> None:
    message = put_load_data(cloud, tmp_path, "killed_thrice", wells=("A01",))
    run = run_id(message)
    cloud.send(message)
    killed: set[int] = set()
    while len(killed) < 3:
        (worker,) = wait_until(lambda: set(processes_of(run)) - killed, "a worker has started")
        os.kill(worker, signal.SIGKILL)
        killed.add(worker)
    assert cloud.summary(run)["complete"]
    first, second = parents(cloud.jobs(run))
    assert len(first["attempts"]) == 3
    assert {"name": "CPB_MEMORY_MIB", "value": "8192"} in second["container"]["environment"]
    assert not (cloud.folder / "runs" / run / "lost" / "0.json").exists()


def test_worker_that_batch_ends_is_lost_with_its_reason(cloud: LocalUp, tmp_path: Path) -> None:
    message = put_load_data(cloud, tmp_path, "terminated", wells=("A01",))
    run = run_id(message)
    cloud.send(message)
    wait_until(lambda: processes_of(run), "the worker has started")
    (job,) = cloud.jobs(run)
    cloud.client("batch").terminate_job(jobId=job["jobId"], reason="enough of this")
    summary = cloud.summary(run)
    assert summary["causes"] == {Cause.MACHINE_LOST.value: 1}
    lost = LostShard.from_json((cloud.folder / "runs" / run / "lost" / "0.json").read_bytes())
    assert "enough of this" in lost.reason
