"""Text becomes types in one place, and what cannot be carried out is refused by name before anything is spent."""

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cellpainting.errors import InvalidField, InvalidRequest
from cellpainting.jobs import Resources, RunCellProfiler, RunRecord, is_same_run, parse_job, parse_message
from tests.conftest import measuring

PUBLISHED: dict[str, Any] = {
    "pipeline": "examples/ExampleVitraImages/ExampleVitra.cppipe",
    "input": "examples/ExampleVitraImages/images/",
    "output": "examples/ExampleVitraImages/output0/",
}


def test_published_message_is_a_cellprofiler_run() -> None:
    (record,) = parse_message(json.dumps(PUBLISHED))
    assert record.job == RunCellProfiler(
        pipeline="examples/ExampleVitraImages/ExampleVitra.cppipe",
        input="examples/ExampleVitraImages/images",
        output="examples/ExampleVitraImages/output0",
        timeout_s=4 * 3600,
        run=None,
        force=False,
        resources=Resources(),
    )
    assert record.document == PUBLISHED


@pytest.mark.parametrize(("memory", "vcpus"), [("8192", "12"), (8192, 12)])
def test_numbers_may_be_strings(memory: Any, vcpus: Any) -> None:
    job = parse_job({**PUBLISHED, "job_memory": memory, "job_vcpu": vcpus})
    assert job.resources == Resources(memory_mib=8192, vcpus=12)


@pytest.mark.parametrize(("written", "usd"), [(12.5, 12.5), ("7", 7.0), (0.01, 0.01), (None, None)])
def test_a_budget_is_a_number_of_dollars(written: Any, usd: float | None) -> None:
    assert parse_job({**PUBLISHED, "budget_usd": written}).resources.budget_usd == usd


@pytest.mark.parametrize("written", [0, -1, "much", True, float("nan"), float("inf"), 1_000_000])
def test_a_budget_that_is_none_is_refused(written: Any) -> None:
    with pytest.raises(InvalidField, match="budget_usd"):
        parse_job({**PUBLISHED, "budget_usd": written})


def test_another_budget_is_the_same_run() -> None:
    earlier, later = (parse_job({**PUBLISHED, "budget_usd": usd}) for usd in (1, 2))
    assert is_same_run(earlier, later)
    assert RunRecord.of(earlier, PUBLISHED).run_id == RunRecord.of(later, PUBLISHED).run_id


def test_run_id_is_the_same_for_the_same_work_and_differs_for_other_work() -> None:
    def run_id(**fields: Any) -> str:
        return parse_message(json.dumps({**PUBLISHED, **fields}))[0].run_id

    assert run_id() == run_id() == run_id(force=True) == run_id(job_memory=16_384, input=PUBLISHED["input"].rstrip("/"))
    assert run_id() != run_id(output="elsewhere/")
    assert run_id(run="screen-7") == "screen-7"


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"pipeline": None}, "pipeline"),
        ({"input": ""}, "input"),
        ({"output": 7}, "output"),
        ({"output": "/etc/cron.d/"}, "leading '/'"),
        ({"input": "plates/../../secrets/"}, "'..'"),
        ({"input": "plates/..\\secrets/"}, "'/'"),
        ({"input": "s3://somebody-else/plates/"}, "scheme"),
        ({"output": "runs/other-run/"}, "runs/"),
        ({"output": "plates/\ud800"}, "printable"),
        ({"output": "examples/ExampleVitraImages/images/results/"}, "inside the input"),
        ({"pipeline": "examples/pipeline.txt"}, ".cppipe"),
        ({"pipleine": "x.cppipe"}, "'pipleine'"),
        ({"job_memory": "much"}, "job_memory"),
        ({"job_memory": True}, "job_memory"),
        ({"job_vcpu": 0}, "job_vcpu"),
        ({"job_vcpu": 1.5}, "job_vcpu"),
        ({"job_queue": "queue; rm -rf /"}, "job_queue"),
        ({"force": "true"}, "force"),
        ({"timeout_s": -1}, "timeout_s"),
        ({"run": "../x"}, "run"),
        ({"run": "rejected"}, "run"),
        ({"input": "plates/.hidden/images/"}, "begin with a dot"),
        ({"job_type": "run_imagej"}, "run_cellprofiler"),
    ],
)
def test_bad_field_is_refused_by_name(fields: dict[str, Any], named: str) -> None:
    with pytest.raises(InvalidField) as error:
        parse_job({**PUBLISHED, **fields})
    assert named in str(error.value)
    assert error.value.field in {*fields, "pipeline", "input", "output"}


@pytest.mark.parametrize("missing", ["pipeline", "input", "output"])
def test_missing_field_is_refused_by_name(missing: str) -> None:
    with pytest.raises(InvalidField, match=f"'{missing}'"):
        parse_job({name: value for name, value in PUBLISHED.items() if name != missing})


@pytest.mark.parametrize("body", ["", "not json", "{", "[]", "7", '"text"', "null", "[[]]"])
def test_message_that_is_no_request_is_refused(body: str) -> None:
    with pytest.raises(InvalidRequest):
        parse_message(body)


def test_list_with_one_bad_member_is_refused_whole_and_says_which() -> None:
    with pytest.raises(InvalidRequest, match=r"request 2 of 3: field 'output'"):
        parse_message(json.dumps([PUBLISHED, {**PUBLISHED, "output": "/x/"}, {**PUBLISHED, "output": "z/"}]))


def test_list_that_asks_twice_for_the_same_run_is_refused() -> None:
    with pytest.raises(InvalidRequest, match="request 2 of 2 is the same run"):
        parse_message(json.dumps([PUBLISHED, PUBLISHED]))


def test_list_whose_members_would_overwrite_each_other_is_refused() -> None:
    with pytest.raises(InvalidRequest, match="request 2 of 2 has the output of an earlier one"):
        parse_message(json.dumps([PUBLISHED, {**PUBLISHED, "input": "elsewhere/"}]))


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@settings(suppress_health_check=[HealthCheck.too_slow])  # the first draw builds Unicode tables
@given(
    st.fixed_dictionaries({}, optional=dict.fromkeys((*PUBLISHED, "run", "force", "job_memory", "other"), JSON_VALUES))
)
def test_any_object_is_either_a_job_or_refused_with_a_reason(document: dict[str, Any]) -> None:
    reason = "a job"
    try:
        parse_job({**PUBLISHED, **document})
    except InvalidRequest as error:
        reason = str(error)
    assert reason == "a job" or "; " in reason  # what was got; what to do


@given(st.text(max_size=60))
def test_key_that_is_accepted_stays_inside_the_bucket(key: str) -> None:
    try:
        output = parse_job({**PUBLISHED, "output": key}).output
    except InvalidRequest:
        return
    assert not output.startswith("/")
    assert ".." not in output.split("/")


PLATE: dict[str, Any] = {
    "pipeline": "pipelines/analysis.cppipe",
    "load_data": "load_data/P1.csv",
    "output": "analysis/batch1/",
}


def test_load_data_takes_the_place_of_a_folder() -> None:
    job = measuring(parse_job({**PLATE, "group_by": ["Plate", "Metadata_Well"], "image_sets_per_shard": 8}))
    assert (job.load_data, job.input, job.is_plain_folder) == ("load_data/P1.csv", None, False)
    assert job.group_by == ("Metadata_Plate", "Metadata_Well")
    assert measuring(parse_job({**PLATE, "group_by": "Metadata_Plate,Metadata_Well"})).group_by == job.group_by


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"file_list": "images.txt"}, "file_list"),
        ({"group_by": "Metadata_Plate;Well"}, "group_by"),
        ({"group_by": ["Plate", "Metadata_Plate"]}, "group_by"),
        ({"group_by": 3}, "group_by"),
        ({"groups": [{"Metadata_Well": "A01"}, {"Metadata_Site": "1"}]}, "groups"),
        ({"groups": [{"Metadata_Well": 1}]}, "groups"),
        ({"groups": "Metadata_Well=A01"}, "groups"),
        ({"image_sets_per_shard": 0}, "image_sets_per_shard"),
        ({"output_structure": "../Metadata_Plate"}, "output_structure"),
        ({"plugins": "/etc"}, "plugins"),
        ({"on_bad_image_set": "ignore"}, "on_bad_image_set"),
        ({"path_remap": {"": "plates/"}}, "path_remap"),
        ({"path_remap": ["a", "b"]}, "path_remap"),
        ({"redrive": ["bad_luck"]}, "redrive"),
        ({"redrive": []}, "redrive"),
    ],
)
def test_bad_field_of_a_plate_is_refused_by_name(fields: dict[str, Any], named: str) -> None:
    with pytest.raises(InvalidField, match=f"field '{named}'"):
        parse_job({**PLATE, **fields})


def test_plates_may_share_an_output_and_folders_may_not() -> None:
    second = {**PLATE, "load_data": "load_data/P2.csv"}
    assert len(parse_message(json.dumps([PLATE, second]))) == 2


def test_how_a_run_is_sent_again_does_not_make_it_another_run() -> None:
    (first,) = parse_message(json.dumps(PLATE))
    (again,) = parse_message(json.dumps({**PLATE, "redrive": ["out_of_memory"], "job_memory": 8192}))
    (other,) = parse_message(json.dumps({**PLATE, "group_by": "Plate"}))
    assert again.run_id == first.run_id != other.run_id
