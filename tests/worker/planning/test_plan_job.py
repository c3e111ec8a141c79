"""A request is planned from what lies in the storage, and refused before anything is spent if nothing could succeed."""

import gzip
from pathlib import Path
from typing import Any

import pytest

from cellpainting.errors import InvalidField, InvalidRequest, MissingInput
from cellpainting.jobs import parse_job
from cellpainting.planning import Group, ShardPlan
from cellpainting.planning.plan_job import can_plan_here, plan_job
from cellpainting.planning.run_plan import RunPlan
from cellpainting.storage import FolderStorage
from tests.worker.planning.conftest import pipeline_text

LOAD_DATA = """Metadata_Plate,Metadata_Well,Metadata_Site,FileName_OrigDNA,PathName_OrigDNA
P1,A01,1,P1_A01_1.tif,/home/ubuntu/bucket/plates/P 1/images
P1,A01,2,P1_A01_2.tif,/home/ubuntu/bucket/plates/P 1/images/
P1,A02,1,P1_A02_1.tif,/home/ubuntu/bucket/plates/P 1/images
"""
REQUEST: dict[str, Any] = {"pipeline": "analysis.cppipe", "load_data": "load_data.csv", "output": "results"}


@pytest.fixture
def bucket(tmp_path: Path) -> FolderStorage:
    """A pipeline that is not grouped, and load data in the form of Distributed-CellProfiler."""
    storage = FolderStorage(tmp_path)
    storage.write("analysis.cppipe", pipeline_text().encode())
    storage.write("load_data.csv", LOAD_DATA.encode())
    return storage


def plan(bucket: FolderStorage, **fields: Any) -> RunPlan:
    return plan_job(parse_job({**REQUEST, **fields}), bucket)


def test_plate_is_planned_image_set_by_image_set_into_small_shards(bucket: FolderStorage) -> None:
    planned = plan(bucket, image_sets_per_shard=2)
    assert [shard.image_set_count for shard in planned.shards] == [2, 1]
    assert planned.image_set_count == 3
    group = planned.shards[0].groups[1]
    assert group.folder == "P1/analysis/P1-A01-2"
    assert planned.shards[0].table(group).images(group.rows[0]) == ("plates/P 1/images/P1_A01_2.tif",)


def test_plan_knows_what_it_was_made_from(bucket: FolderStorage) -> None:
    before = plan(bucket).made_from
    assert [file.key for file in before] == ["analysis.cppipe", "load_data.csv"]
    bucket.write("load_data.csv", LOAD_DATA.replace("A02", "A03").encode())
    assert [file.key for file in plan(bucket).made_from if file not in before] == ["load_data.csv"]


def test_compressed_load_data_is_planned_the_same(bucket: FolderStorage) -> None:
    bucket.write("load_data.csv.gz", gzip.compress(LOAD_DATA.encode()))
    assert plan(bucket, load_data="load_data.csv.gz").shards == plan(bucket).shards


def test_shards_are_larger_where_there_are_more_vcpus(bucket: FolderStorage) -> None:
    rows = "".join(f"P1,A01,{site},{site}.tif,plates\n" for site in range(1, 37))
    bucket.write("load_data.csv", (LOAD_DATA.splitlines()[0] + "\n" + rows).encode())
    assert [len(plan(bucket, job_vcpu=vcpus).shards) for vcpus in (1, 2)] == [3, 2]


def test_folder_is_one_shard_whose_image_sets_only_cellprofiler_knows(bucket: FolderStorage) -> None:
    job = parse_job({"pipeline": "analysis.cppipe", "input": "plates", "output": "results"})
    (shard,) = plan_job(job, bucket).shards
    assert (shard.image_set_count, [group.folder for group in shard.groups]) == (0, [""])


@pytest.mark.parametrize(
    ("fields", "is_here"),
    [
        ({}, True),
        ({"load_data": "l.csv.gz"}, True),
        ({"load_data": "l.parquet"}, False),
        ({"load_data": None, "input": "plates"}, True),
        ({"load_data": None, "input": "plates", "group_by": "Plate"}, False),
        ({"load_data": None, "file_list": "files.txt"}, False),
        ({"load_data": None, "batch_data": "Batch_data.h5"}, False),
    ],
)
def test_what_needs_more_than_the_standard_library_is_planned_elsewhere(fields: dict[str, Any], is_here: bool) -> None:
    assert can_plan_here(parse_job({**REQUEST, **fields})) is is_here


def test_groups_that_the_load_data_has_not_are_named(bucket: FolderStorage) -> None:
    planned = plan(bucket, groups=[{"Metadata_Well": "A01"}, {"Metadata_Well": "H12"}])
    assert (planned.image_set_count, planned.unmatched) == (2, ("H12",))


def test_request_none_of_whose_groups_has_an_image_set_is_refused_with_an_example(bucket: FolderStorage) -> None:
    with pytest.raises(InvalidRequest, match=r"none of the 1 groups has an image set: the first is '01'.*'1'"):
        plan(bucket, groups=[{"Metadata_Site": "01"}])


def test_load_data_for_a_pipeline_that_reads_none_is_refused(bucket: FolderStorage) -> None:
    text = pipeline_text().replace("LoadData:[", "Images:[")
    bucket.write("analysis.cppipe", text.encode())
    with pytest.raises(InvalidField, match="has no LoadData module"):
        plan(bucket)


def test_pipeline_with_createbatchfiles_left_on_is_planned(bucket: FolderStorage) -> None:
    module = "CreateBatchFiles:[module_num:2|svn_version:'Unknown'|variable_revision_number:8|enabled:True]\n"
    text = pipeline_text().replace("ModuleCount:1", "ModuleCount:2") + "\n" + module
    bucket.write("analysis.cppipe", text.encode())
    assert plan(bucket).image_set_count == 3  # the driver switches it off


def test_pipeline_that_leaves_out_rows_is_refused(bucket: FolderStorage) -> None:
    text = pipeline_text() + "    Process just a range of rows?:Yes\n"
    bucket.write("analysis.cppipe", text.encode())
    with pytest.raises(InvalidField, match="Process just a range of rows"):
        plan(bucket)


def test_plugins_are_listed_once_in_the_plan_and_an_empty_folder_is_refused(bucket: FolderStorage) -> None:
    bucket.write("plugins/measure_more.py", b"")
    assert plan(bucket, plugins="plugins").shards[0].plugins == ("plugins/measure_more.py",)
    with pytest.raises(InvalidField, match="'plugins'"):
        plan(bucket, plugins="nothing")


@pytest.mark.parametrize("missing", ["analysis.cppipe", "load_data.csv"])
def test_file_that_is_not_there_is_named(bucket: FolderStorage, missing: str) -> None:
    bucket.delete(missing)
    with pytest.raises(MissingInput, match=missing):
        plan(bucket)


BACKEND = {"job_type": "build_backend", "analysis": "analysis/P1", "output": "backend", "batch": "B1", "plate": "P1"}


def test_backend_is_one_shard_whose_image_sets_only_its_worker_can_tell(bucket: FolderStorage) -> None:
    job = parse_job(BACKEND)
    assert can_plan_here(job)
    planned = plan_job(job, bucket)  # although there is no CSV
    assert planned == RunPlan((ShardPlan(0, (Group(""),)),), ())
    assert planned.image_set_count == 0


PROFILES = {"job_type": "make_profiles", "config": "config_files/plates.yml"}


def test_profiles_are_one_shard_planned_with_the_configuration_or_not_at_all(bucket: FolderStorage) -> None:
    job = parse_job(PROFILES)
    assert can_plan_here(job)
    with pytest.raises(MissingInput):
        plan_job(job, bucket)
    bucket.write("config_files/plates.yml", b"read by the worker alone")
    planned = plan_job(job, bucket)
    assert planned.shards == (ShardPlan(0, (Group(""),)),)
    assert [file.key for file in planned.made_from] == ["config_files/plates.yml"]


def test_page_is_one_shard_that_is_planned_although_nothing_is_there_yet(bucket: FolderStorage) -> None:
    job = parse_job({"job_type": "make_report", "plate": "P1", "backend": "backend/B1/P1", "output": "P1.html"})
    assert can_plan_here(job)
    assert plan_job(job, bucket) == RunPlan((ShardPlan(0, (Group(""),)),), ())


def test_backend_is_planned_with_the_ingest_configuration_that_it_names_or_not_at_all(bucket: FolderStorage) -> None:
    job = parse_job({**BACKEND, "ingest_config": "ingest_config.ini"})
    with pytest.raises(MissingInput):
        plan_job(job, bucket)
    bucket.write("ingest_config.ini", b"[filenames]")
    assert [file.key for file in plan_job(job, bucket).made_from] == ["ingest_config.ini"]
