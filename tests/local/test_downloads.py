"""Images of two plates through a local cloud: planned by a job, fetched by the children of an array, and counted."""

import csv
from collections import Counter
from itertools import product
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow.csv
import pyarrow.parquet

from tests.conftest import write_load_data, write_site
from tests.local.conftest import LocalUp, wait_until
from tests.local.test_messages import run_id
from tests.local.test_plates import parents

IMAGE_SETS = [(plate, well, "1") for plate, well in product(("P1", "P2"), ("A01", "A02", "A03"))]


def put_plates(cloud: LocalUp, folder: Path, name: str) -> dict[str, Any]:
    """Upload small images and a Parquet table of them; returns the request for them."""
    for plate, well, site in IMAGE_SETS:
        write_site(folder / name / "images", well, plate=plate, site=site)
    write_load_data(folder / name / "load_data.csv", Path(f"/home/ubuntu/bucket/{name}/images"), IMAGE_SETS)
    table = pyarrow.csv.read_csv(folder / name / "load_data.csv")
    pyarrow.parquet.write_table(table, folder / name / "load_data.parquet")
    for path in (folder / name).rglob("*.*"):
        key = path.relative_to(folder).as_posix()
        cloud.client("s3").upload_file(str(path), cloud.bucket, key)
    return {"job_type": "download_images", "load_data": f"{name}/load_data.parquet", "output": f"{name}/training"}


def test_one_request_fetches_plates_and_its_ledger_adds_up(cloud: LocalUp, tmp_path: Path) -> None:
    message = put_plates(cloud, tmp_path, "fetched")
    cloud.client("s3").delete_object(Bucket=cloud.bucket, Key="fetched/images/P2_A02_s1_DNA.tif")
    cloud.send(message)
    run = run_id(message)
    summary = cloud.summary(run)
    assert summary["states"] | {"done": 5, "input_missing": 1} == summary["states"]
    assert sum(summary["states"].values()) == summary["image_sets"] == len(IMAGE_SETS)
    planning, fetching = parents(cloud.jobs(run))
    assert (planning["jobName"], fetching["arrayProperties"]["size"]) == (f"{run}-0-plan", 2)
    assert "downloadimages" in fetching["jobDefinition"]
    with (cloud.folder / "runs" / run / "ledger.csv").open(newline="") as file:
        missing = [row for row in csv.DictReader(file) if row["state"] != "done"]
    assert [(row["plate"], row["well"], row["cause"]) for row in missing] == [("P2", "A02", "input_missing")]
    assert "P2_A02_s1_DNA.tif" in missing[0]["reason"]
    folder = cloud.folder / "fetched" / "training"
    assert Counter(path.parent.name for path in folder.rglob("P*__DNA.png")) == {"P1": 3, "P2": 2}
    index = pl.read_parquet(folder / "index" / "*.parquet")
    assert len(index) == 5
    assert all((folder / name).is_file() for name in index["FileName_OrigDNA"])


def test_request_sent_again_fetches_only_what_is_not_there(cloud: LocalUp, tmp_path: Path) -> None:
    message = put_plates(cloud, tmp_path, "fetched_again")
    cloud.send(message)
    assert cloud.summary(run_id(message))["complete"]
    folder = cloud.folder / "fetched_again" / "training"
    kept, torn = sorted(folder.rglob("P1__*.png"))[:2]
    before = kept.stat().st_mtime_ns
    whole = torn.read_bytes()
    key = torn.relative_to(cloud.folder).as_posix()
    cloud.client("s3").put_object(Bucket=cloud.bucket, Key=key, Body=whole[:100])
    cloud.send(message)
    wait_until(lambda: torn.read_bytes() == whole, "the torn file was made again")
    assert kept.stat().st_mtime_ns == before
