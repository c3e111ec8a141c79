"""An experiment becomes a shard for each field of view: field n is array child n."""

import json
from pathlib import Path
from typing import Any

import boto3
import pytest

from cellpainting.errors import InvalidField, InvalidRequest, MissingInput
from cellpainting.jobs import parse_job
from cellpainting.planning.plan_job import can_plan_here, plan_job
from cellpainting.planning.run_plan import RunPlan
from cellpainting.storage import FolderStorage, S3Storage

DECODING = {"job_type": "decode_fovs", "experiment": "iss/experiment.json", "recipe": "recipe.py", "output": "results"}


def experiment(*fields: str, **values: Any) -> dict[str, Any]:
    """The JSON files of an experiment, as far as planning reads them."""
    head = {"version": "5.0.0", "codebook": "codebook.json", "extras": {}}
    images = {"nuclei": "nuclei.json", "primary": "primary.json"}
    return {
        "experiment.json": {**head, "images": images, **values},
        "primary.json": {"version": "0.1.0", "contents": {field: f"primary-{field}.json" for field in fields}},
        "nuclei.json": {"version": "0.1.0", "contents": {field: f"nuclei-{field}.json" for field in fields[:1]}},
    }


def bucket_with(root: Path, files: dict[str, Any]) -> FolderStorage:
    bucket = FolderStorage(root)
    bucket.write("recipe.py", b"def process_fov(fov, codebook): ...")
    for name, content in files.items():
        bucket.write(f"iss/{name}", content if isinstance(content, bytes) else json.dumps(content).encode())
    return bucket


def plan(bucket: FolderStorage, **fields: Any) -> RunPlan:
    return plan_job(parse_job({**DECODING, **fields}), bucket)


def test_each_field_is_a_shard_that_bears_its_name_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    names = [f"fov_{number:03}" for number in (*range(998, 1002), 0, 1)]
    shards = plan(bucket_with(tmp_path, experiment(*names))).shards
    labels = [one.label for shard in shards for one in shard.image_sets(shard.groups[0])]
    assert labels == ["fov_000", "fov_001", "fov_998", "fov_999", "fov_1000", "fov_1001"]
    assert [shard.number for shard in shards] == list(range(6))


def test_a_field_names_its_images_of_every_type_the_primary_first(tmp_path: Path) -> None:
    first, second = plan(bucket_with(tmp_path, experiment("fov_000", "fov_001"))).shards
    assert first.image_sets(first.groups[0])[0].files == "iss/primary-fov_000.json | iss/nuclei-fov_000.json"
    assert second.image_sets(second.groups[0])[0].files == "iss/primary-fov_001.json"


def test_a_plan_is_made_from_the_recipe_and_the_files_that_list_fields(tmp_path: Path) -> None:
    made_from = [file.key for file in plan(bucket_with(tmp_path, experiment("fov_000"))).made_from]
    assert made_from == ["recipe.py", "iss/experiment.json", "iss/primary.json", "iss/nuclei.json"]


def test_number_of_fields_that_is_not_the_experiment_s_is_refused_with_both(tmp_path: Path) -> None:
    """The published tutorial asked for 4 of a set of 2."""
    bucket = bucket_with(tmp_path, experiment("fov_000", "fov_001"))
    with pytest.raises(InvalidField, match="got 4; the experiment has 2 fields of view"):
        plan(bucket, num_fovs=4)
    assert len(plan(bucket, num_fovs=2).shards) == 2


def test_version_4_names_its_images_otherwise(tmp_path: Path) -> None:
    files = experiment("fov_000", primary_images="primary.json", auxiliary_images={"nuclei": "nuclei.json"})
    del files["experiment.json"]["images"]
    (shard,) = plan(bucket_with(tmp_path, files)).shards
    assert shard.image_sets(shard.groups[0])[0].files == "iss/primary-fov_000.json | iss/nuclei-fov_000.json"


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"experiment.json": b"not json"}, "iss/experiment.json is not JSON"),
        ({"experiment.json": []}, "holds list"),
        ({"experiment.json": {"codebook": "c.json"}}, "names no primary images"),
        ({"experiment.json": {"codebook": "c.json", "images": {"nuclei": "nuclei.json"}}}, "names no primary images"),
        ({"experiment.json": {"codebook": "../c.json", "images": {"primary": "primary.json"}}}, "names '../c.json'"),
        ({"experiment.json": {"codebook": "c.json", "images": {"primary": "/etc/p.json"}}}, "names '/etc/p.json'"),
        (
            {"experiment.json": {"codebook": "c.json", "images": {"primary": "https://e.org/p.json"}}},
            "names 'https://e.org/p.json'; copy that file beside it",
        ),
        ({"primary.json": {"tiles": []}}, "has contents=None"),
        ({"primary.json": {"contents": {}}}, "lists no field of view"),
        ({"primary.json": {"contents": {"../fov": "a.json"}}}, "has a field of view '../fov'"),
        ({"primary.json": {"contents": {"fov_000": "../../a.json"}}}, "names '../../a.json'"),
    ],
)
def test_experiment_that_cannot_be_used_is_refused_by_the_file_and_what_it_says(
    tmp_path: Path, change: dict[str, Any], told: str
) -> None:
    with pytest.raises(InvalidRequest) as error:
        plan(bucket_with(tmp_path, {**experiment("fov_000"), **change}))
    assert told in str(error.value)
    assert "iss/" in str(error.value)


@pytest.mark.parametrize("missing", ["recipe.py", "iss/experiment.json", "iss/nuclei.json"])
def test_file_that_is_not_there_is_named(tmp_path: Path, missing: str) -> None:
    bucket = bucket_with(tmp_path, experiment("fov_000"))
    bucket.delete(missing)
    with pytest.raises(MissingInput, match=missing):
        plan(bucket)


def test_address_of_the_own_bucket_is_read_as_its_key(moto_url: str, tmp_path: Path) -> None:
    s3 = boto3.Session("local", "local", region_name="us-east-1").client("s3", endpoint_url=moto_url)
    s3.create_bucket(Bucket="own")
    bucket = S3Storage("own", s3)
    for item in (folder := bucket_with(tmp_path, experiment("fov_000"))).list(""):
        bucket.write(item.key, folder.read(item.key))
    job = parse_job({**DECODING, "experiment": "s3://own/iss/experiment.json"})
    (shard,) = plan_job(job, bucket).shards
    assert shard.image_sets(shard.groups[0])[0].files.startswith("iss/primary-fov_000.json")


def test_merging_is_one_shard_and_what_it_counts_is_the_table(tmp_path: Path) -> None:
    job = parse_job({"job_type": "merge_fovs", "decoded": "runs/decoding", "output": "results"})
    assert can_plan_here(job)
    (shard,) = plan_job(job, FolderStorage(tmp_path)).shards
    assert [one.label for one in shard.image_sets(shard.groups[0])] == ["merged_decoded_fovs"]


def test_the_two_together_are_not_planned_as_one(tmp_path: Path) -> None:
    job = parse_job({"job_type": "process_fovs", "experiment_url": "e.json", "recipe": "r.py", "results": "o"})
    with pytest.raises(InvalidRequest, match="no shards of its own; its stages have"):
        plan_job(job, FolderStorage(tmp_path))
