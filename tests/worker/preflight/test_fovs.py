"""Fields of view are looked at before they are decoded: recipe, experiment, every tile; and before they are merged."""

import json
from pathlib import Path
from typing import Any

import pytest

from cellpainting.jobs import RunRecord, parse_job
from cellpainting.preflight import Preflight, check_request
from cellpainting.preflight.finding import Severity
from cellpainting.storage import FolderStorage
from examples.starfish.make_experiment import Drawing, write_experiment

PROCESSING = {
    "job_type": "process_fovs",
    "experiment_url": "iss/experiment.json",
    "recipe": "recipe.py",
    "results": "results",
}
RECIPE = b"def process_fov(fov, codebook):\n    pass\n"
TILE = "iss/dots-fov_001-c0-r0-z0.tiff"


@pytest.fixture
def bucket(tmp_path: Path) -> FolderStorage:
    write_experiment(tmp_path / "iss", Drawing(fields=2, size_px=64, spots=1))
    bucket = FolderStorage(tmp_path)
    bucket.write("recipe.py", RECIPE)
    return bucket


def look(bucket: FolderStorage, document: dict[str, Any] = PROCESSING, **fields: Any) -> Preflight:
    request = {**document, **fields}
    return check_request(RunRecord.of(parse_job(request), request), bucket)


def test_an_experiment_in_order_has_no_findings_and_its_fields_and_tiles_are_counted(bucket: FolderStorage) -> None:
    found = look(bucket, num_fovs=2)
    assert (found.exit_status, found.findings) == (0, ())
    assert (found.outlook.image_sets, found.outlook.shards, found.outlook.files) == (2, 2, 2 * 18)


@pytest.mark.parametrize(
    ("recipe", "told"),
    [
        (b"def process_fov(:\n", "is not Python"),
        (b"\x00", "is not Python"),
        (b"def process(fov, codebook): pass\n", "no top-level function process_fov"),
        (b"class A:\n    def process_fov(fov, codebook): pass\n", "no top-level function process_fov"),
        (b"def process_fov(fov): pass\n", "has the parameters fov"),
        (b"def process_fov(fov, codebook, threshold): pass\n", "has the parameters fov, codebook, threshold"),
        (b"def process_fov(image, codes): pass\n", "has the parameters image, codes"),
        (b"def process_fov(fov, codebook, *, threshold): pass\n", "has the parameters fov, codebook"),
    ],
)
def test_recipe_that_could_not_be_called_stops_all(bucket: FolderStorage, recipe: bytes, told: str) -> None:
    bucket.write("recipe.py", recipe)
    found = look(bucket)
    assert found.exit_status == 2
    (finding,) = found.findings
    assert told in f"{finding.problem} {finding.remedy}"


@pytest.mark.parametrize(
    "recipe",
    [
        b"def process_fov(field_num: int, experiment_str: str): pass\n",
        b"def process_fov(fov_num, experiment_str): pass\n",
        b"def process_fov(fov, codebook, threshold=0.5, *, verbose=False): pass\n",
    ],
)
def test_both_forms_of_recipes_are_known(bucket: FolderStorage, recipe: bytes) -> None:
    bucket.write("recipe.py", recipe)
    assert look(bucket).findings == ()


def test_a_tile_that_is_missing_or_empty_is_named_and_costs_its_field_only(bucket: FolderStorage) -> None:
    bucket.delete(TILE)
    bucket.write("iss/nuclei-fov_001-c0-r0-z0.tiff", b"")
    found = look(bucket)
    assert found.exit_status == 1
    assert {finding.subject for finding in found.findings} == {TILE, "iss/nuclei-fov_001-c0-r0-z0.tiff"}
    assert {finding.image_sets for finding in found.findings} == {(1,)}


def test_a_field_whose_own_file_cannot_be_used_is_named(bucket: FolderStorage) -> None:
    tiles = json.loads(bucket.read("iss/primary-fov_000.json"))["tiles"]
    bucket.write("iss/primary-fov_000.json", json.dumps({"tiles": [{**tiles[0], "file": "../secret"}]}).encode())
    found = look(bucket)
    (finding,) = found.findings
    assert (finding.severity, finding.subject, finding.image_sets) == (Severity.ERROR, "fov_000", (0,))
    assert "names '../secret'" in finding.problem


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"num_fovs": 4}, "the experiment has 2 fields of view"),
        ({"experiment_url": "nowhere.json"}, "nowhere.json is not there"),
        ({"recipe": "nowhere.py"}, "nowhere.py is not there"),
    ],
)
def test_what_stops_planning_is_told(bucket: FolderStorage, fields: dict[str, Any], told: str) -> None:
    found = look(bucket, **fields)
    assert found.exit_status == 2
    (finding,) = found.findings
    assert told in f"{finding.problem} {finding.remedy}"


def test_a_merge_without_its_fields_could_not_succeed(bucket: FolderStorage) -> None:
    found = look(bucket, {"job_type": "merge_fovs", "decoded": "runs/decoding", "output": "results"})
    assert found.exit_status == 2
    (finding,) = found.findings
    assert "there is no run 'decoding'" in finding.problem
