"""A request for images in a bucket: looked at, planned, done shard by shard, and accounted for."""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from cellpainting.cli.plan import plan
from cellpainting.cli.preflight import preflight
from cellpainting.jobs.run_record import RunKeys
from cellpainting.ledger import read_ledger
from cellpainting.storage import FolderStorage
from tests.worker.download.gallery import (
    CHANNELS,
    SITES,
    Download,
    image_key,
    pixels,
    write_images,
    write_load_data,
)
from tests.worker.images.published import published

REQUEST = {"job_type": "download_images", "run": "jump-1", "load_data": "load_data/plates.csv", "output": "images"}
KEYS = RunKeys("jump-1")


@pytest.fixture
def bucket(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FolderStorage:
    """A bucket with images and load data of two plates, on a machine without CellProfiler."""
    monkeypatch.delenv("CELLPROFILER", raising=False)
    bucket = FolderStorage(tmp_path / "bucket")
    write_images(bucket.root)
    table = write_load_data(bucket.root / "load_data" / "plates.csv", str(bucket.root))
    header, *rows = table.read_text().splitlines()
    table.write_text("\n".join([header, *rows, *(row.replace(",BR00117035,", ",BR00117036,") for row in rows)]))
    return bucket


def call(command: Any, bucket: FolderStorage, *options: str) -> Result:
    request = bucket.root.parent / "request.json"
    request.write_text(json.dumps(REQUEST))
    return CliRunner().invoke(command, [str(request), "--bucket", str(bucket.root), *options], standalone_mode=False)


def cpb_run(bucket: FolderStorage, *options: str) -> "subprocess.CompletedProcess[str]":
    bucket.write(KEYS.request, json.dumps(REQUEST).encode())
    return subprocess.run(
        ["cpb", "run", "--request", bucket.uri(KEYS.request), *options],
        check=False,
        capture_output=True,
        text=True,
        env={**os.environ, "COLUMNS": "200"},
    )


def test_worker_plans_a_run_and_does_its_shards(bucket: FolderStorage) -> None:
    planned = cpb_run(bucket, "--plan")
    assert planned.returncode == 0, planned.stderr
    assert "run jump-1 is planned: 6 image sets in 2 shards; to be done: 0-1" in planned.stdout
    for shard in ("0", "1"):
        ended = cpb_run(bucket, "--shard", shard)
        assert ended.returncode == 0, ended.stderr
        assert f"shard {shard} of run jump-1 ended after" in ended.stdout
    ledger = read_ledger(bucket, "jump-1")
    assert ledger.is_complete
    assert ledger.plates.keys() == {"BR00117035", "BR00117036"}
    download = Download(bucket.root / "load_data" / "plates.csv", bucket.root, str(bucket.root))
    assert len(download.published) == len(download.index()) * len(CHANNELS) == 2 * len(SITES) * len(CHANNELS)
    assert (download.read(*SITES[0], "ER") == published(pixels(*SITES[0], "ER"))).all()


def test_worker_whose_shard_has_a_bad_image_has_status_1_and_names_it(bucket: FolderStorage) -> None:
    bucket.delete(image_key(*SITES[1], "ER"))
    cpb_run(bucket, "--plan")
    ended = cpb_run(bucket, "--shard", "1")
    assert ended.returncode == 1
    assert f"not done: BR00117036-A01-2: input_missing: ER: {image_key(*SITES[1], 'ER')}" in ended.stdout
    assert "2 done, 1 input_missing" in ended.stdout
    assert read_ledger(bucket, "jump-1").causes == {"input_missing": 1, "not_run": 3}


def test_engine_of_a_cluster_has_its_files_and_the_bucket_the_plan(bucket: FolderStorage, tmp_path: Path) -> None:
    result = call(plan, bucket, "--engine", "htcondor", "-o", str(tmp_path / "jobs"))
    assert result.return_value == 0
    assert "run jump-1: 6 image sets in 2 shards, 2 to be done" in result.output
    assert sorted(path.name for path in (tmp_path / "jobs").iterdir()) == ["run.sub", "shards.txt"]
    assert (tmp_path / "jobs" / "shards.txt").read_text().split() == ["0", "1"]
    assert f"'run' '--request' '{bucket.uri(KEYS.request)}'" in (tmp_path / "jobs" / "run.sub").read_text()
    assert bucket.stat(KEYS.shard_plan(1))


def test_preflight_of_plates_in_order_has_status_0(bucket: FolderStorage) -> None:
    result = call(preflight, bucket)
    assert result.return_value == 0, result.output


def test_preflight_names_a_file_that_is_not_there(bucket: FolderStorage) -> None:
    key = image_key(*SITES[2], "Mito")
    bucket.delete(key)
    result = call(preflight, bucket, "--json")
    assert result.return_value == 1
    (first,) = json.loads(result.output)["requests"]
    (error,) = [finding for finding in first["findings"] if finding["severity"] == "error"]
    assert (error["problem"], error["image_sets"]) == ("a file is not in the storage", [2, 5])
    assert error["subject"].startswith(key)


def test_preflight_of_load_data_that_is_not_there_has_status_2(bucket: FolderStorage) -> None:
    bucket.delete("load_data/plates.csv")
    assert call(preflight, bucket).return_value == 2
