"""A field's files on the worker's machine: this field only, whole, and nothing outside of the folder."""

import json
from pathlib import Path
from typing import Any

import boto3
import pytest

from cellpainting.jobs import DecodeFovs
from cellpainting.ledger import Cause, State
from cellpainting.planning import ShardPlan
from cellpainting.planning.plan_fovs import open_experiment
from cellpainting.starfish import decode
from cellpainting.starfish.environment import Starfish
from cellpainting.starfish.fetch_field import fetch_field
from cellpainting.storage import Sources
from tests.worker.starfish.conftest import Fields


def fetch(fields: Fields, field: str, folder: Path) -> list[str]:
    """Fetch a field; the names of what was copied."""
    job = fields.record.job
    assert isinstance(job, DecodeFovs)
    _, files = fetch_field(Sources(fields.bucket), open_experiment(job, fields.bucket), field, folder)
    return [file.key for file in files]


def test_only_the_files_of_the_field_are_fetched_under_their_own_names(fields: Fields, tmp_path: Path) -> None:
    folder = tmp_path / "copy"
    keys = fetch(fields, "fov_001", folder)
    tiles = sorted(path.name for path in folder.glob("*.tiff"))
    assert len(tiles) == 16 + 2
    assert all("fov_001" in name for name in tiles)
    assert len(keys) == len(set(keys)) == 18 + 3 + 2  # tiles, their lists, experiment and codebook
    assert all((folder / key.removeprefix("iss/")).exists() for key in keys)
    for kind in ("primary", "nuclei", "dots"):
        assert json.loads((folder / f"{kind}.json").read_text())["contents"] == {"fov_001": f"{kind}-fov_001.json"}


def test_an_experiment_in_a_public_bucket_is_read_without_credentials(
    fields: Fields, tmp_path: Path, moto_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", moto_url)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    s3 = boto3.Session("local", "local", region_name="us-east-1").client("s3", endpoint_url=moto_url)
    s3.create_bucket(Bucket="spacetx.public")
    for path in (fields.root / "iss").iterdir():
        key = f"iss/{path.name}"
        s3.upload_file(str(path), "spacetx.public", key, ExtraArgs={"ACL": "public-read"})
    keys = fetch(fields.asking(experiment="s3://spacetx.public/iss/experiment.json"), "fov_000", tmp_path / "copy")
    assert len(keys) == 23
    assert all(key.startswith("s3://spacetx.public/iss/") for key in keys)
    assert (tmp_path / "copy" / "dots-fov_000-c0-r0-z0.tiff").exists()


def test_folders_of_an_experiment_are_kept(fields: Fields, tmp_path: Path) -> None:
    (fields.root / "iss" / "tiles").mkdir()
    for path in [*(fields.root / "iss").glob("primary-*.*"), fields.root / "iss" / "primary.json"]:
        path.rename(path.with_name("tiles") / path.name)
    document = json.loads((fields.root / "iss" / "experiment.json").read_text())
    fields.edit("experiment.json", images={**document["images"], "primary": "tiles/primary.json"})
    fetch(fields, "fov_000", tmp_path / "copy")
    assert (tmp_path / "copy" / "tiles" / "primary-fov_000-c0-r0-z0.tiff").exists()
    contents = json.loads((tmp_path / "copy" / "tiles" / "primary.json").read_text())["contents"]
    assert contents == {"fov_000": "primary-fov_000.json"}


def with_tile(fields: Fields, **values: Any) -> Fields:
    """The same with a first tile that differs."""
    name = "primary-fov_000.json"
    tiles = json.loads((fields.root / "iss" / name).read_text())["tiles"]
    fields.edit(name, tiles=[{**tiles[0], **values}, *tiles[1:]])
    return fields


@pytest.mark.starfish
@pytest.mark.parametrize(
    "file",
    [
        "../recipe.py",
        "tiles/../../recipe.py",
        "/etc/passwd",
        "file:///etc/passwd",
        "https://example.org/tile.tiff",
        "%2e%2e/recipe.py",
        "a\\..\\b.tiff",
        "",
        7,
    ],
)
def test_a_path_that_would_lead_elsewhere_is_refused_before_anything_is_run(
    fields: Fields, starfish: Starfish, file: object
) -> None:
    (outcome,) = with_tile(fields, file=file).decode(0, starfish).outcomes
    assert (outcome.state, outcome.cause) == (State.INPUT_DAMAGED, Cause.INPUT_DAMAGED)
    assert f"iss/primary-fov_000.json names {file!r}" in outcome.reason
    assert "files fetched" not in fields.log(0)


@pytest.mark.starfish
def test_a_link_out_of_the_bucket_is_refused(fields: Fields, starfish: Starfish, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("of somebody else")
    tile = fields.root / "iss" / "primary-fov_000-c0-r0-z0.tiff"
    tile.unlink()
    tile.symlink_to(tmp_path / "secret")
    (outcome,) = fields.decode(0, starfish).outcomes
    assert outcome.state == State.INPUT_DAMAGED
    assert "leads out of" in outcome.reason


@pytest.mark.starfish
def test_a_tile_that_is_not_the_one_described_is_named(fields: Fields, starfish: Starfish) -> None:
    (outcome,) = with_tile(fields, sha256="0" * 64).decode(0, starfish).outcomes
    assert outcome.state == State.INPUT_DAMAGED
    assert "iss/primary-fov_000-c0-r0-z0.tiff has not the sha256" in outcome.reason


@pytest.mark.starfish
def test_a_tile_that_is_not_there_is_named_and_other_fields_are_decoded(fields: Fields, starfish: Starfish) -> None:
    (fields.root / "iss" / "dots-fov_000-c0-r0-z0.tiff").unlink()
    (outcome,) = fields.decode(0, starfish).outcomes
    assert (outcome.state, outcome.cause) == (State.INPUT_MISSING, Cause.INPUT_MISSING)
    assert "dots-fov_000-c0-r0-z0.tiff is not there" in outcome.reason
    (other,) = fields.decode(1, starfish).outcomes
    assert other.state == State.DONE


@pytest.mark.starfish
def test_an_experiment_that_was_changed_after_planning_is_not_decoded(fields: Fields, starfish: Starfish) -> None:
    fields.plan()
    plan = fields.bucket.read(fields.record.keys.shard_plan(1))
    fields.edit("dots.json", contents={"fov_000": "dots-fov_000.json"})
    job = fields.record.job
    assert isinstance(job, DecodeFovs)
    manifest = decode.run(
        fields.record, job, ShardPlan.from_json(plan), bucket=fields.bucket, starfish=starfish, memory_mib=4096
    )
    (outcome,) = manifest.outcomes
    assert outcome.state == State.INPUT_DAMAGED
    assert "fov_001 is not in the experiment as it was when it was planned" in outcome.reason
