"""A plate that is to go through all stages, before anything is spent: each stage as if those before it were done."""

import json
from pathlib import Path
from typing import Any

import pytest

from cellpainting.jobs import parse_message
from cellpainting.preflight import Preflight, check_request
from cellpainting.preflight.finding import Severity
from cellpainting.storage import FolderStorage
from tests.conftest import DATA, LOAD_DATA_PIPELINE

WELLS = ("A01", "A02", "A03")
REQUEST: dict[str, Any] = {
    "job_type": "process_plate",
    "run": "screen",
    "load_data": "p/load_data.csv",
    "batch": "B1",
    "pipelines": {"illumination": "p/illum.cppipe", "analysis": "p/analysis.cppipe"},
    "platemap": "p/platemap.txt",
    "output": "w",
    "image_sets_per_shard": 1,
}


@pytest.fixture
def bucket(tmp_path: Path) -> FolderStorage:
    storage = FolderStorage(tmp_path)
    rows = [f"{plate},{well},1,p/{plate}_{well}.tif" for plate in ("P1", "P2") for well in WELLS]
    storage.write("p/load_data.csv", "\n".join(["Metadata_Plate,Metadata_Well,Metadata_Site,URL_DNA", *rows]).encode())
    for row in rows:
        storage.write(row.rpartition(",")[2], row.encode())
    storage.write("p/illum.cppipe", (DATA / "illum_load_data.cppipe").read_bytes())
    storage.write("p/analysis.cppipe", LOAD_DATA_PIPELINE.read_bytes())
    wells = "".join(f"{well}\tx\t{'negcon' if well == 'A01' else 'trt'}\n" for well in WELLS)
    storage.write("p/platemap.txt", f"well_position\tbroad_sample\tcontrol_type\n{wells}".encode())
    return storage


def look(bucket: FolderStorage, **fields: Any) -> Preflight:
    return check_request(parse_message(json.dumps({**REQUEST, **fields}))[0], bucket)


def errors(preflight: Preflight) -> list[str]:
    return [f"{one.subject}: {one.problem}" for one in preflight.findings if one.severity is Severity.ERROR]


def test_functions_that_the_illumination_is_to_make_are_not_missed(bucket: FolderStorage) -> None:
    preflight = look(bucket)
    assert preflight.findings == ()
    assert preflight.exit_status == 0
    assert (preflight.outlook.image_sets, preflight.outlook.shards) == (6, 2 * (1 + 3 + 1 + 1 + 1))


def test_missing_image_is_told_once_and_costs_its_image_set(bucket: FolderStorage) -> None:
    bucket.delete("p/P2_A02.tif")
    preflight = look(bucket)
    assert errors(preflight) == ["p/P2_A02.tif (DNA, 1 image set): a file is not in the storage"]
    assert [one.image_sets for one in preflight.findings if one.severity is Severity.ERROR] == [(4,)]
    assert preflight.exit_status == 1


def test_platemap_that_cannot_be_used_is_told_before_anything_runs(bucket: FolderStorage) -> None:
    bucket.write("p/platemap.txt", b"well_position\tbroad_sample\nA01\tx\nA01\ty\n")
    preflight = look(bucket)
    assert "has 'A01' in lines 2, 3" in errors(preflight)[0]
    assert preflight.exit_status == 2


def test_platemap_without_a_control_is_a_warning_since_a_profile_can_be_made(bucket: FolderStorage) -> None:
    bucket.write("p/platemap.txt", b"well_position\tbroad_sample\tcontrol_type\nA01\tx\ttrt\n")
    preflight = look(bucket)
    assert preflight.exit_status == 0
    assert any("negcon" in finding.problem for finding in preflight.findings)


def test_what_the_analysis_needs_and_nobody_makes_is_named(bucket: FolderStorage) -> None:
    preflight = look(bucket, pipelines={"analysis": "p/analysis.cppipe"})
    assert any("Illum" in error for error in errors(preflight))
    assert preflight.exit_status == 2


@pytest.mark.parametrize("key", ["p/load_data.csv", "p/illum.cppipe", "p/analysis.cppipe"])
def test_file_that_is_not_there_stops_all(bucket: FolderStorage, key: str) -> None:
    bucket.delete(key)
    preflight = look(bucket)
    assert key in errors(preflight)[0]
    assert preflight.exit_status == 2


def test_one_plate_that_cannot_be_measured_leaves_the_others(bucket: FolderStorage) -> None:
    for well in WELLS:
        bucket.delete(f"p/P1_{well}.tif")
    preflight = look(bucket)
    assert preflight.exit_status == 1
    assert {number for one in preflight.findings for number in one.image_sets or ()} == {0, 1, 2}
