"""Distributed-CellProfiler's job files and messages are requests as they are."""

from typing import Any

import pytest

from cellpainting.errors import InvalidField
from cellpainting.jobs import parse_job
from tests.conftest import measuring

STRUCTURE = "Metadata_Plate/analysis/Metadata_Plate-Metadata_Well-Metadata_Site"
JOB_FILE: dict[str, Any] = {
    "_comment1": "Paths in this section are relative to the root of your S3 bucket",
    "pipeline": "projects/p/pipelines/analysis.cppipe",
    "data_file": "projects/p/load_data_csv/b/P/load_data_with_illum.csv",
    "input": "projects/p/input/",
    "output": "projects/p/analysis/b/",
    "output_structure": STRUCTURE,
    "_comment2": "The following groups are tasks, and each will be run in parallel",
    "groups": [
        {"Metadata": "Metadata_Plate=P,Metadata_Well=A01,Metadata_Site=1"},
        {"Metadata": "Metadata_Plate=P,Metadata_Well=A01,Metadata_Site=2", "_comment": "the second"},
    ],
}


def test_job_file_names_its_load_data_its_groups_and_their_folders() -> None:
    job = measuring(parse_job(JOB_FILE))
    assert job.load_data == "projects/p/load_data_csv/b/P/load_data_with_illum.csv"
    assert job.groups[1] == {"Metadata_Plate": "P", "Metadata_Well": "A01", "Metadata_Site": "2"}
    assert job.output_structure == STRUCTURE


def test_message_is_one_group() -> None:
    message = {**JOB_FILE, "Metadata": "Metadata_Plate=P,Metadata_Well=A01,Metadata_Site=1"}
    del message["groups"]
    assert measuring(parse_job(message)).groups == (
        {"Metadata_Plate": "P", "Metadata_Well": "A01", "Metadata_Site": "1"},
    )


def test_groups_as_objects_are_the_same_groups() -> None:
    groups = [
        {"Metadata": {"Metadata_Plate": "P", "Metadata_Well": "A01", "Metadata_Site": site}} for site in ("1", "2")
    ]
    assert parse_job({**JOB_FILE, "groups": groups}) == parse_job(JOB_FILE)


def test_without_a_structure_values_are_joined_and_objects_are_refused() -> None:
    job_file = {name: value for name, value in JOB_FILE.items() if name != "output_structure"}
    assert measuring(parse_job(job_file)).output_structure == "Metadata_Plate-Metadata_Well-Metadata_Site"
    with pytest.raises(InvalidField, match="output_structure"):
        parse_job({**job_file, "groups": [{"Metadata": {"Metadata_Plate": "P"}}]})


@pytest.mark.parametrize(
    ("data_file", "source"), [("p/files.txt", "file_list"), ("p/Batch_data.h5", "batch_data"), ("p/l.csv", "load_data")]
)
def test_data_file_is_taken_by_its_suffix(data_file: str, source: str) -> None:
    assert getattr(parse_job({**JOB_FILE, "data_file": data_file}), source) == data_file


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"data_file": ""}, "data_file"),
        ({"groups": []}, "groups"),
        ({"groups": ["Metadata_Well=A01"]}, "groups"),
        ({"groups": [{"Metadata": "Metadata_Well"}]}, "Metadata"),
        ({"groups": [{"Metadata": ""}]}, "Metadata"),
        ({"groups": [{"Metadata": "Metadata_Well=A01", "pipeline": "other.cppipe"}]}, "groups.pipeline"),
        ({"number_of_machines": 3}, "number_of_machines"),
    ],
)
def test_what_cannot_be_read_is_refused_by_name(fields: dict[str, Any], named: str) -> None:
    with pytest.raises(InvalidField, match=f"field '{named}'"):
        parse_job({**JOB_FILE, **fields})
