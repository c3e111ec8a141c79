"""A run with a small budget stops, says what it has left, and goes on when it is sent with a larger one."""

import json
from pathlib import Path
from typing import Any

import pytest

from cellpainting.cost.defaults import ILLUMINATION
from cellpainting.cost.job_size import JobSize
from cellpainting.cost.prices import shipped_prices
from cellpainting.ledger import Manifest
from tests.conftest import DATA, write_load_data, write_site
from tests.local.conftest import LocalUp, wait_until
from tests.local.test_messages import run_id

pytestmark = pytest.mark.cellprofiler

PLATES = ("P1", "P2", "P3", "P4")
SIZE = JobSize(1, 1_000_000)  # so much memory that a second costs as much as four minutes usually do


def usd(seconds: float) -> float:
    return shipped_prices().on_demand.of(seconds, SIZE.vcpus, SIZE.memory_mib)


def put_plates(cloud: LocalUp, folder: Path) -> dict[str, Any]:
    """Upload plates of one image set; returns the request for their illumination functions, a shard each."""
    images = folder / "images"
    for plate in PLATES:
        write_site(images, "A01", plate=plate)
    write_load_data(
        folder / "load_data.csv", Path("/home/ubuntu/bucket/budget/images"), [(one, "A01", "1") for one in PLATES]
    )
    (folder / "illum.cppipe").write_bytes((DATA / "illum_load_data.cppipe").read_bytes())
    s3 = cloud.client("s3")
    for path in folder.rglob("*.*"):
        s3.upload_file(str(path), cloud.bucket, f"budget/{path.relative_to(folder).as_posix()}")
    return {
        "pipeline": "budget/illum.cppipe",
        "load_data": "budget/load_data.csv",
        "output": "budget/illum",
        "image_sets_per_shard": 1,
        "job_memory": SIZE.memory_mib,
    }


def test_a_run_stops_at_its_budget_and_goes_on_with_a_larger_one(cloud: LocalUp, tmp_path: Path) -> None:
    message = put_plates(cloud, tmp_path)
    run = run_id(message)
    # For one shard by the default, which is all that is known; of the four, each takes more than a quarter of it.
    budget = usd(1.01 * ILLUMINATION.seconds(1, 1, 1))
    cloud.send({**message, "budget_usd": budget})
    stopped = cloud.summary(run)
    done = stopped["states"]["done"]
    assert 1 <= done <= 3
    assert (stopped["causes"], stopped["shards"]["held"]) == ({"budget": 4 - done}, 4 - done)
    manifests = sorted((cloud.folder / "runs" / run / "shards").iterdir())
    seconds = [Manifest.from_json(path.read_bytes()).seconds for path in manifests]
    assert len(seconds) == done
    # It was passed, if at all, by what the last shard took more than the estimate.
    assert usd(sum(seconds[:-1])) <= budget

    cloud.send({**message, "budget_usd": 1000 * budget})
    path = cloud.folder / "runs" / run / "summary.json"
    wait_until(lambda: json.loads(path.read_text())["complete"], "the rest is done")
    for one, took in zip(manifests, seconds, strict=True):
        assert Manifest.from_json(one.read_bytes()).seconds == took  # what was done is not done again
