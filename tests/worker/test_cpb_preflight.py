"""`cpb preflight` as it is typed: tables that stay short, one JSON object, exit statuses."""

import json
import os
import subprocess
from pathlib import Path

import pytest

from cellpainting.storage import FolderStorage
from tests.worker.preflight.plates import REQUEST, bucket_with, image_set, sites, write_request

WELLS = [f"{row}{column:02}" for row in "ABCDEFGH" for column in range(1, 13)]


def cpb_preflight(request: Path, bucket: str, *options: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        ["cpb", "preflight", str(request), "--bucket", bucket, *options],
        check=False,
        capture_output=True,
        text=True,
        env={**os.environ, "COLUMNS": "200"},
    )


@pytest.fixture
def bucket(tmp_path: Path) -> FolderStorage:
    return bucket_with(tmp_path / "bucket", sites(WELLS, count=1))


def test_a_plate_in_order_has_exit_status_0(bucket: FolderStorage, tmp_path: Path) -> None:
    ended = cpb_preflight(write_request(tmp_path / "r.json", REQUEST), bucket.root.as_uri())
    assert (ended.returncode, ended.stderr) == (0, "")
    assert "│ 96         │ 96     │ 8      │ 8     │ 193   │ 19.3 kB │" in ended.stdout
    assert ": no errors\n" in ended.stdout


def test_findings_are_grouped_and_only_the_first_twenty_of_a_kind_are_shown(
    bucket: FolderStorage, tmp_path: Path
) -> None:
    for well in WELLS[:30]:
        bucket.delete(f"p/images/P1_{well}_1_DNA.tif")
    ended = cpb_preflight(write_request(tmp_path / "r.json", REQUEST), bucket.root.as_uri())
    assert ended.returncode == 1
    assert ended.stdout.count("a file is not in the storage") == 1
    assert "p/images/P1_B08_1_DNA.tif" in ended.stdout  # the twentieth
    assert "p/images/P1_B09_1_DNA.tif" not in ended.stdout
    assert "... and 10 others" in ended.stdout
    assert "image sets that could not be measured: 30 of 96" in ended.stdout


def test_why_a_group_matches_nothing_is_a_row_of_a_table(bucket: FolderStorage, tmp_path: Path) -> None:
    groups = [{"Metadata": f"Metadata_Plate=P1,Metadata_Well=A01,Metadata_Site={site}"} for site in ("1", "01")]
    job_file = {
        "_comment": "of Distributed-CellProfiler",
        "pipeline": REQUEST["pipeline"],
        "data_file": REQUEST["load_data"],
        "input": "p/images/",
        "output": "results",
        "output_structure": "Metadata_Plate/Metadata_Plate-Metadata_Well-Metadata_Site",
        "groups": groups,
    }
    ended = cpb_preflight(write_request(tmp_path / "job.json", job_file), str(bucket.root))
    assert ended.returncode == 1
    assert "P1-A01-01 │ Metadata_Site │ 01        │ 1                 │ is written '1' in the load data" in ended.stdout


def test_brackets_in_names_are_shown_as_they_are(tmp_path: Path) -> None:
    rows = [image_set("P[red]1", well, "1") for well in ("A01", "A01", "A02")]
    bucket = bucket_with(tmp_path / "bucket", rows)
    ended = cpb_preflight(write_request(tmp_path / "r.json", REQUEST), str(bucket.root))
    assert "P[red]1-A01-1" in ended.stdout


def test_json_has_every_finding_of_every_request(bucket: FolderStorage, tmp_path: Path) -> None:
    for well in WELLS[:30]:
        bucket.delete(f"p/images/P1_{well}_1_DNA.tif")
    hopeless = {**REQUEST, "output": "other", "load_data": "p/none.csv"}
    ended = cpb_preflight(write_request(tmp_path / "r.json", REQUEST, hopeless), str(bucket.root), "--json")
    document = json.loads(ended.stdout)
    assert ended.returncode == document["exit_status"] == 2
    first, second = document["requests"]
    assert (first["exit_status"], second["exit_status"]) == (1, 2)
    assert first["would_run"]["image_sets"] == 96
    assert [finding["image_sets"] for finding in first["findings"]] == [[number] for number in range(30)]
    assert second["findings"][0]["severity"] == "error"


@pytest.mark.parametrize("content", ["not json", '{"pipeline": "x.cppipe"}', "[]"])
def test_a_request_that_is_invalid_has_exit_status_2(bucket: FolderStorage, tmp_path: Path, content: str) -> None:
    request = tmp_path / "r.json"
    request.write_text(content)
    ended = cpb_preflight(request, str(bucket.root))
    assert ended.returncode == 2
    assert ended.stderr.startswith("cpb: ")
    assert "Traceback" not in ended.stderr
