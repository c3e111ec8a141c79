"""Plates through all stages in a local cloud: what depends on what, what is kept back, and what is done again."""

import json
import os
import signal
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import pyarrow.csv
import pyarrow.parquet
import pytest

from cellpainting.jobs.stage import stage_run_id
from tests.conftest import DATA, LOAD_DATA_PIPELINE, write_site
from tests.local.conftest import LocalUp, wait_until
from tests.local.test_messages import processes_of
from tests.local.test_plates import parents

pytestmark = [pytest.mark.cellprofiler, pytest.mark.stages]

CHAIN = ("illumination", "analysis", "backend", "profiles", "report")
WELLS = {"A01": 150, "A02": 170, "A03": 190, "A04": 210}  # how bright the spots are
PLATEMAP = "well_position\tbroad_sample\tcontrol_type\n" + "".join(
    f"{well}\tx{number}\t{'negcon' if number < 2 else 'trt'}\n" for number, well in enumerate(WELLS)
)


def put_plates(cloud: LocalUp, folder: Path, run: str, *plates: str, **fields: Any) -> dict[str, Any]:
    """Upload plates of four wells with their pipelines; returns the request that takes them through all stages."""
    rows = ["Metadata_Plate,Metadata_Well,Metadata_Site,URL_DNA"]
    for plate in plates:
        for well, brightness in WELLS.items():
            write_site(folder / run / "images", well, plate=plate, brightness=brightness)
            rows.append(f"{plate},{well},1,{run}/images/{plate}_{well}_s1_DNA.tif")
    (folder / run / "load_data.csv").write_text("\n".join(rows) + "\n")
    (folder / run / "platemap.txt").write_text(PLATEMAP)
    (folder / run / "illum.cppipe").write_bytes((DATA / "illum_load_data.cppipe").read_bytes())
    (folder / run / "analysis.cppipe").write_bytes(LOAD_DATA_PIPELINE.read_bytes())
    for path in (folder / run).rglob("*.*"):
        put(cloud, path, f"{run}/{path.relative_to(folder / run).as_posix()}")
    return {
        "job_type": "process_plate",
        "run": run,
        "load_data": f"{run}/load_data.csv",
        "batch": "B1",
        "platemap": f"{run}/platemap.txt",
        "pipelines": {"illumination": f"{run}/illum.cppipe", "analysis": f"{run}/analysis.cppipe"},
        "output": f"{run}/workspace",
        "image_sets_per_shard": 2,
        **fields,
    }


def put(cloud: LocalUp, path: Path, key: str) -> None:
    cloud.client("s3").upload_file(str(path), cloud.bucket, key)


def summary_when(cloud: LocalUp, run: str, is_right: Any) -> dict[str, Any]:
    """Wait until a run's summary is as it should be."""

    def right() -> Any:
        path = cloud.folder / "runs" / run / "summary.json"
        summary = json.loads(path.read_text()) if path.exists() else {}
        return summary if summary and is_right(summary) else None

    return dict(wait_until(right, f"the summary of {run} is right", 240))


def stage_jobs(cloud: LocalUp, run: str, plate: str, stage: str) -> list[dict[str, Any]]:
    return parents(cloud.jobs(stage_run_id(run, plate, stage)))


def states(summary: dict[str, Any], plate: str) -> dict[str, str]:
    return {stage: told["state"] for stage, told in summary["stages"][plate].items()}


def manifests(cloud: LocalUp, run: str, plate: str, stage: str) -> dict[str, bytes]:
    folder = cloud.folder / "runs" / stage_run_id(run, plate, stage) / "shards"
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_plate_that_fails_holds_up_no_other_and_goes_on_once_it_is_mended(cloud: LocalUp, tmp_path: Path) -> None:
    message = put_plates(cloud, tmp_path, "screen", "P1", "P2")
    missing = "screen/images/P2_A02_s1_DNA.tif"
    cloud.client("s3").delete_object(Bucket=cloud.bucket, Key=missing)
    cloud.send(message)
    summary = summary_when(cloud, "screen", bool)
    assert states(summary, "P1") == dict.fromkeys(CHAIN, "complete")
    assert states(summary, "P2") == {
        "illumination": "incomplete",
        "analysis": "blocked",
        "backend": "blocked",
        "profiles": "blocked",
        "report": "complete",
    }
    assert (summary["states"]["done"], summary["states"]["not_run"], summary["causes"]) == (4, 4, {"blocked": 4})
    assert "1 of 4 image sets are missing" in summary["stages"]["P2"]["analysis"]["reason"]
    for page in ("P1", "P2"):
        assert (cloud.folder / f"screen/workspace/reports/B1/{page}.html").stat().st_size > 10_000
    jobs = {stage: stage_jobs(cloud, "screen", "P1", stage)[-1] for stage in CHAIN}
    for before, after in pairwise(CHAIN):
        assert jobs[before]["stoppedAt"] <= min(child["startedAt"] for child in attempts(cloud, jobs[after]))

    put(cloud, tmp_path / missing, missing)
    kept = manifests(cloud, "screen", "P1", "analysis")
    cloud.send(message)
    summary = summary_when(cloud, "screen", lambda one: one["complete"])
    assert states(summary, "P2") == dict.fromkeys(CHAIN, "complete")
    assert manifests(cloud, "screen", "P1", "analysis") == kept
    assert len(stage_jobs(cloud, "screen", "P1", "report")) == 1


def attempts(cloud: LocalUp, job: dict[str, Any]) -> list[dict[str, Any]]:
    """A job or, of an array, its children."""
    size = job.get("arrayProperties", {}).get("size")
    if not size:
        return [job]
    ids = [f"{job['jobId']}:{number}" for number in range(size)]
    return list(cloud.client("batch").describe_jobs(jobs=ids)["jobs"])


def test_what_may_be_missing_holds_up_nothing_of_a_plate_that_a_job_has_planned(cloud: LocalUp, tmp_path: Path) -> None:
    message = put_plates(cloud, tmp_path, "tolerant", "P1", allow_missing=0.3, load_data="tolerant/load_data.parquet")
    table = pyarrow.csv.read_csv(tmp_path / "tolerant" / "load_data.csv")
    pyarrow.parquet.write_table(table, tmp_path / "load_data.parquet")
    put(cloud, tmp_path / "load_data.parquet", "tolerant/load_data.parquet")
    cloud.client("s3").delete_object(Bucket=cloud.bucket, Key="tolerant/images/P1_A04_s1_DNA.tif")
    cloud.send(message)
    summary = summary_when(cloud, "tolerant", lambda one: one["stages"]["P1"]["report"]["state"] == "complete")
    (planning,) = cloud.jobs("tolerant-0")
    assert planning["jobName"] == "tolerant-0-plan"
    assert summary["states"]["done"] == 3
    assert summary["causes"] == {"input_missing": 1}
    profiles = cloud.folder / "tolerant/workspace/profiles/B1/P1"
    assert any(profiles.glob("P1_normalized*"))


def test_worker_that_is_killed_at_every_stage_goes_on_and_another_pipeline_does_the_later_stages_again(
    cloud: LocalUp, tmp_path: Path
) -> None:
    message = put_plates(cloud, tmp_path, "killed", "P1")
    cloud.send(message)
    for stage in CHAIN:
        run = stage_run_id("killed", "P1", stage)
        os.kill(wait_until(partial(processes_of, run), f"{stage} is at work")[0], signal.SIGKILL)
    first = summary_when(cloud, "killed", bool)
    assert states(first, "P1") == dict.fromkeys(CHAIN, "complete")
    assert first["states"]["done"] == len(WELLS)
    for stage in CHAIN:
        (job,) = stage_jobs(cloud, "killed", "P1", stage)
        assert max(len(one["attempts"]) for one in attempts(cloud, job)) == 2

    changed = tmp_path / "changed.cppipe"
    changed.write_bytes(LOAD_DATA_PIPELINE.read_bytes() + b"\n")
    put(cloud, changed, "killed/analysis.cppipe")
    illumination = manifests(cloud, "killed", "P1", "illumination")
    cloud.send(message)
    summary_when(cloud, "killed", lambda one: one["complete"] and one != first)
    assert manifests(cloud, "killed", "P1", "illumination") == illumination
    assert {stage: len(stage_jobs(cloud, "killed", "P1", stage)) for stage in CHAIN} == {
        "illumination": 1,
        **dict.fromkeys(CHAIN[1:], 2),
    }
