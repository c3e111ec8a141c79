"""Requests for plates through all stages: each mistake is named with its field, the value got and what to write."""

import json
from typing import Any

import pytest

from cellpainting.errors import InvalidField, InvalidRequest
from cellpainting.jobs import ProcessPlate, parse_job, parse_message
from cellpainting.jobs.plate_source import PlateSource, read_plate_table
from cellpainting.jobs.stage import Stage, stage_run_id

REQUEST: dict[str, Any] = {
    "job_type": "process_plate",
    "load_data": "p/load_data.csv",
    "pipelines": {"illumination": "p/illum.cppipe", "analysis": "p/analysis.cppipe"},
    "platemap": "p/platemap.txt",
    "output": "p/workspace",
}


def job_of(**fields: Any) -> ProcessPlate:
    document = {name: value for name, value in {**REQUEST, **fields}.items() if value is not None}
    job = parse_job(document)
    assert isinstance(job, ProcessPlate)
    return job


def test_the_least_that_a_request_says_is_every_stage_of_every_plate_of_a_table() -> None:
    job = job_of()
    assert job.sources == (PlateSource("p/load_data.csv", platemap="p/platemap.txt"),)
    assert job.has_backend
    assert job.has_profiles
    assert (job.allow_missing, job.gate, job.leave_out) == (0.0, False, ())


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"load_data": None}, "'load_data': got None; a request needs it"),
        ({"platemap": None}, "'platemap': got None; profiles of the plates of p/load_data.csv need it"),
        ({"pipelines": None}, "'pipelines.analysis': got None; a backend needs it"),
        ({"pipelines": {}}, "'pipelines': got {}; write an object"),
        ({"pipelines": "p/a.cppipe"}, "'pipelines': got 'p/a.cppipe'; write an object"),
        ({"pipelines": {"analysis": "p/a.txt"}}, "'pipelines.analysis': got 'p/a.txt'; a pipeline's name ends in"),
        ({"pipelines": {"analysis": "../a.cppipe"}}, "'pipelines.analysis': got '../a.cppipe'"),
        (
            {"pipelines": {"analysis": "p/a.cppipe", "qc": "p/q.cppipe"}},
            "'pipelines.qc': got 'p/q.cppipe'; unknown field",
        ),
        ({"results": {"analysis": "p/csv"}}, "'results.analysis': got 'p/csv'; 'pipelines.analysis' makes it"),
        ({"results": {"illumination": "p/illum"}}, "'results.illumination': got 'p/illum'"),
        ({"leave_out": ["backend"]}, "'leave_out': got ['backend']; profiles need a backend"),
        ({"leave_out": ["analysis"]}, "'leave_out': got ['analysis']; write a list of some of backend"),
        ({"allow_missing": 1}, "'allow_missing': got 1; write a number from 0 to less than 1"),
        ({"gate": True, "pipelines": {"analysis": "p/a.cppipe"}}, "'gate': got True; there is nothing to approve of"),
        ({"run": "x" * 61}, "write at most 60 characters"),
        ({"run": "a--b"}, "no two dashes together"),
        ({"plates": []}, "'plates': got []; write a list of objects"),
        ({"plates": ["P1"]}, "'plates[0]': got 'P1'; write an object"),
        ({"plates": [{"plate": "P1"}, {"plate": ".."}]}, "'plates[1].plate': got '..'"),
        ({"plates": [{"plate": "P1", "wells": 3}]}, "'plates[0].wells': got 3; unknown field"),
        ({"plates": "p/plates.csv"}, "'load_data': got 'p/load_data.csv'; the table of plates says it"),
        ({"plates": "p/plates.xlsx", "load_data": None}, "'plates': got 'p/plates.xlsx'"),
        ({"plates": "runs/x/plates.csv", "load_data": None}, "'runs/' holds the records of runs"),
    ],
)
def test_a_mistake_is_named(fields: dict[str, Any], reason: str) -> None:
    with pytest.raises(InvalidRequest) as refusal:
        job_of(**fields)
    assert reason in str(refusal.value)


def test_plates_take_from_the_request_what_they_do_not_say_themselves() -> None:
    job = job_of(
        plates=[{"plate": "P1"}, {"load_data": "p/other.csv", "platemap": "p/other.txt", "batch": "B2"}], batch="B1"
    )
    assert job.sources == (
        PlateSource("p/load_data.csv", "P1", "B1", "p/platemap.txt"),
        PlateSource("p/other.csv", None, "B2", "p/other.txt"),
    )


def test_a_table_of_plates_is_read_row_by_row() -> None:
    table = b"\xef\xbb\xbfplate,load_data,platemap\r\nP1,p/1.csv,p/1.txt\r\n,p/2.csv,\r\n"
    assert read_plate_table(table, "plates.csv") == (
        PlateSource("p/1.csv", "P1", platemap="p/1.txt"),
        PlateSource("p/2.csv"),
    )


@pytest.mark.parametrize(
    ("table", "reason"),
    [
        (b"plate,load_data\n", "got no plate; write a header and a row for each"),
        (b"load_data\np/1.csv\n/p/2.csv\n", "row 3: field 'load_data': got '/p/2.csv'"),
        (b"plate,load_data\nP1,\n", "row 2: field 'load_data': got None"),
        (b"load_data,barcode\np/1.csv,X\n", "row 2: field 'barcode': got 'X'; unknown field"),
        (b"load_data\np/1.csv,extra\n", "row 2"),
        (b"load_data\n\xff\n", "save it as CSV UTF-8"),
    ],
)
def test_a_row_that_cannot_be_used_is_named(table: bytes, reason: str) -> None:
    with pytest.raises(InvalidRequest) as refusal:
        read_plate_table(table, "plates.csv")
    assert "table of plates plates.csv" in str(refusal.value)
    assert reason in str(refusal.value)


def test_results_that_are_there_stand_for_the_stage_that_would_make_them() -> None:
    assert not job_of(pipelines=None, results={"backend": "p/backend"}).has_backend
    assert job_of(pipelines=None, results={"analysis": "p/csv"}).has_backend
    assert job_of(pipelines={"analysis": "p/a.cppipe"}, results={"illumination": "p/illum"}).results.illumination


def test_a_stage_s_run_cannot_be_taken_by_a_request_of_another_name() -> None:
    stage = {"of": "screen", "plate": "P1", "name": "analysis"}
    document = {"pipeline": "p/a.cppipe", "load_data": "p/l.csv", "output": "o", "stage": stage}
    assert parse_job({**document, "run": "screen--P1--analysis"}).stage == Stage("screen", "P1", "analysis")
    with pytest.raises(InvalidField, match="the run of this stage is 'screen--P1--analysis'"):
        parse_job({**document, "run": "other"})


def test_load_data_of_a_stage_may_lie_in_its_own_record_only() -> None:
    stage = {"of": "screen", "plate": "P1", "name": "analysis"}
    document = {"pipeline": "p/a.cppipe", "output": "o", "run": "screen--P1--analysis", "stage": stage}
    assert parse_job({**document, "load_data": "runs/screen--P1--analysis/load_data.csv"}).load_data
    for other in ("runs/screen--P2--analysis/load_data.csv", "runs/screen--P1--analysis/../x/load_data.csv"):
        with pytest.raises(InvalidField, match="load_data"):
            parse_job({**document, "load_data": other})


@pytest.mark.parametrize(
    "plate", ["BR00117035", "P 1", "P-1", "P_1", "p/1", "BR00117035__2021-05-02T16_02_51-Measurement1", "a--b", "日本"]
)
def test_runs_of_stages_have_names_that_batch_takes_and_no_two_plates_share(plate: str) -> None:
    names = {one: stage_run_id("x" * 60, one, "quality_control") for one in (plate, plate + " ", plate.lower() + "_")}
    assert len(set(names.values())) == len(names)
    for name in names.values():
        assert len(f"{name}-1234-plan") <= 128
        assert name.replace("-", "").replace("_", "").isascii()
        assert len(name.split("--")) == 3


def test_a_message_may_hold_several_plates_that_share_an_output() -> None:
    requests = [{**REQUEST, "load_data": f"p/{plate}.csv"} for plate in ("P1", "P2")]
    assert len(parse_message(json.dumps(requests))) == 2
