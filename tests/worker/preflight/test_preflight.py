"""One request against the texts and the storage: what would run, what would fail, whether anything could succeed."""

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cellpainting.preflight import Preflight, Severity, check_request
from cellpainting.preflight.files import check_contents, check_files, users_of_files
from cellpainting.storage import FolderStorage, StoredObject
from tests.worker.pipelines.text import EXPORT, cppipe, load_data, measure, module
from tests.worker.preflight.plates import about, bucket_with, image_set, record_of, sites, table_of

ROWS = sites(["A01", "A02", "A03", "A04"])


@pytest.fixture
def bucket(tmp_path: Path) -> FolderStorage:
    return bucket_with(tmp_path / "bucket", ROWS)


def problems(preflight: Preflight) -> list[str]:
    return [finding.problem for finding in preflight.findings]


def test_what_would_run_is_counted(bucket: FolderStorage) -> None:
    preflight = check_request(record_of(image_sets_per_shard=3, job_vcpu=2), bucket)
    assert preflight.findings == ()
    assert preflight.exit_status == 0
    outlook = preflight.outlook
    assert (outlook.image_sets, outlook.groups, outlook.shards, outlook.vcpus) == (8, 8, 3, 6)
    assert (outlook.files, outlook.size_bytes) == (17, 1700)


def test_every_file_is_looked_at_once_and_told(bucket: FolderStorage) -> None:
    told: list[tuple[int, int]] = []
    check_request(record_of(), bucket, lambda done, total: told.append((done, total)))
    assert told == [(number, 17) for number in range(1, 18)]


def test_the_bucket_is_never_listed(bucket: FolderStorage) -> None:
    class Unlisted(FolderStorage):
        def list(self, prefix: str) -> Iterator[StoredObject]:
            raise AssertionError(f"{prefix} was listed")

    assert check_request(record_of(), Unlisted(bucket.root)).exit_status == 0


def test_missing_and_empty_files_cost_their_image_sets_only(bucket: FolderStorage) -> None:
    bucket.delete("p/images/P1_A01_1_DNA.tif")
    bucket.write("p/images/P1_A02_2_ER.tif", b"")
    bucket.write("p/images/P1_A03_1_ER.tif", b"123")
    preflight = check_request(record_of(), bucket)
    assert [(finding.severity, finding.subject, finding.image_sets) for finding in preflight.findings] == [
        (Severity.ERROR, "p/images/P1_A01_1_DNA.tif (OrigDNA, 1 image set)", (0,)),
        (Severity.ERROR, "p/images/P1_A02_2_ER.tif (OrigER, 1 image set)", (3,)),
        (
            Severity.WARNING,
            "p/images/P1_A03_1_ER.tif (OrigER, 1 image set): 3 bytes, usually 100",
            None,
        ),
    ]
    assert preflight.exit_status == 1


def test_a_missing_illumination_function_of_the_whole_plate_leaves_nothing(bucket: FolderStorage) -> None:
    bucket.delete("p/illum/P1.npy")
    preflight = check_request(record_of(), bucket)
    assert about(preflight.findings, "not in the storage") == ["p/illum/P1.npy (IllumDNA, 8 image sets)"]
    assert preflight.exit_status == 2


def test_only_the_files_of_requested_groups_are_looked_at(bucket: FolderStorage) -> None:
    bucket.delete("p/images/P1_A01_1_DNA.tif")
    groups = [{"Metadata_Plate": "P1", "Metadata_Well": "A02", "Metadata_Site": "1"}]
    preflight = check_request(record_of(groups=groups), bucket)
    assert preflight.outlook.files == 3
    assert preflight.exit_status == 0  # the other image sets are left out on purpose, for all that is known


def test_groups_none_of_which_matches_leave_nothing(bucket: FolderStorage) -> None:
    groups = [{"Metadata_Plate": "P1", "Metadata_Well": "A02", "Metadata_Site": "01"}]
    preflight = check_request(record_of(groups=groups), bucket)
    assert [(miss.column, miss.asked, miss.has) for miss in preflight.near_misses] == [("Metadata_Site", "01", "1")]
    assert preflight.exit_status == 2


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"group_by": ["Nope"]}, "the load data has no such column"),
        ({"output_structure": "Metadata_Plate/Metadata_Well"}, "two groups would have the folder"),
        ({"load_data": "p/none.csv"}, "is not there"),
        ({"pipeline": "p/none.cppipe"}, "is not there"),
        ({"plugins": "p/plugins"}, "field 'plugins'"),
    ],
)
def test_what_planning_would_refuse_is_a_finding(
    bucket: FolderStorage, fields: dict[str, object], problem: str
) -> None:
    preflight = check_request(record_of(**fields), bucket)
    assert problem in "\n".join(problems(preflight))
    assert preflight.exit_status == 2


def test_groups_finer_than_what_the_pipeline_puts_together_are_refused(tmp_path: Path) -> None:
    pipeline = cppipe(load_data("Plate"), module("MakeProjection", ("Select the input image", "OrigDNA")), EXPORT)
    bucket = bucket_with(tmp_path, ROWS, pipeline)
    assert check_request(record_of(), bucket).exit_status == 0
    preflight = check_request(record_of(group_by=["Plate", "Well"]), bucket)
    assert "would divide image sets that MakeProjection puts together" in problems(preflight)[0]
    assert preflight.exit_status == 2


def test_parquet_load_data_is_read(bucket: FolderStorage) -> None:
    pq.write_table(pa.Table.from_pylist(ROWS), bucket.path("p/load_data.parquet"))
    preflight = check_request(record_of(load_data="p/load_data.parquet"), bucket)
    assert preflight.findings == ()
    assert preflight.outlook.image_sets == 8


def folder_request(**fields: object) -> dict[str, object]:
    return {"load_data": None, "input": "p/images", "pipeline": "p/folder.cppipe", **fields}


def test_of_a_folder_it_is_known_that_there_is_something(bucket: FolderStorage) -> None:
    bucket.write("p/folder.cppipe", cppipe(module("Images"), EXPORT))
    preflight = check_request(record_of(**folder_request()), bucket)
    assert (preflight.findings, preflight.outlook.image_sets, preflight.outlook.shards) == ((), None, 1)
    empty = check_request(record_of(**folder_request(input="p/empty")), bucket)
    assert (problems(empty), empty.exit_status) == (["the input folder is empty"], 2)


def test_a_load_data_pipeline_over_a_folder_is_refused(bucket: FolderStorage) -> None:
    preflight = check_request(record_of(**folder_request(pipeline="p/analysis.cppipe")), bucket)
    assert problems(preflight) == ["the pipeline reads load data and the request names none"]
    assert preflight.exit_status == 2


def test_a_project_over_a_folder_is_left_to_cellprofiler(bucket: FolderStorage) -> None:
    bucket.write("p/project.cpproj", b"\x89HDF\r\n\x1a\n")
    assert check_request(record_of(**folder_request(pipeline="p/project.cpproj")), bucket).exit_status == 0


def test_files_of_a_file_list_are_looked_at(bucket: FolderStorage) -> None:
    bucket.write("p/folder.cppipe", cppipe(module("Images"), measure([]), EXPORT))
    bucket.write("p/list.txt", b"/home/ubuntu/bucket/p/images/P1_A01_1_DNA.tif\np/images/none.tif\n")
    preflight = check_request(record_of(load_data=None, file_list="p/list.txt", pipeline="p/folder.cppipe"), bucket)
    assert about(preflight.findings, "not in the storage") == ["p/images/none.tif"]
    assert (preflight.outlook.files, preflight.outlook.image_sets, preflight.exit_status) == (1, None, 1)
    bucket.write("p/list.txt", b"p/images/none.tif\n")
    assert (
        check_request(record_of(load_data=None, file_list="p/list.txt", pipeline="p/folder.cppipe"), bucket).exit_status
        == 2
    )


def test_two_channels_of_the_same_content_are_named() -> None:
    table = table_of([image_set("P1", "A01", "1")])
    md5 = "0123456789abcdef" * 2
    stored = {place: StoredObject(place, 100, md5) for place in users_of_files(table, [0])}
    (finding,) = check_contents(table, [0], stored)
    assert finding.subject == "OrigDNA and OrigER: p/images/P1_A01_1_DNA.tif and p/images/P1_A01_1_ER.tif"
    in_parts = {place: StoredObject(place, 100, md5 + "-2") for place in stored}
    assert list(check_contents(table, [0], in_parts)) == []
    assert list(check_files(users_of_files(table, [0]), stored)) == []
