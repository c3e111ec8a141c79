"""Requests for fields of view are types whose every field is known; a bad value is refused by the name of its field."""

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cellpainting.errors import InvalidField, InvalidRequest
from cellpainting.jobs import DecodeFovs, Job, MergeFovs, ProcessFovs, Resources, parse_job, parse_message
from cellpainting.jobs.stage import Stage
from tests.worker.test_requests import JSON_VALUES

PROCESS: dict[str, Any] = {
    "job_type": "process_fovs",
    "experiment_url": "iss/formatted/experiment.json",
    "recipe": "iss/recipe.py",
    "results": "iss/results/",
}
DECODE: dict[str, Any] = {
    "job_type": "decode_fovs",
    "experiment": "iss/formatted/experiment.json",
    "recipe": "iss/recipe.py",
    "output": "iss/results/",
}
MERGE: dict[str, Any] = {"job_type": "merge_fovs", "decoded": "runs/decode-1", "output": "iss/results/"}


def run_id(document: dict[str, Any], **fields: Any) -> str:
    return parse_message(json.dumps({**document, **fields}))[0].run_id


def processing(**fields: Any) -> ProcessFovs:
    job = parse_job({**PROCESS, **fields})
    assert isinstance(job, ProcessFovs)
    return job


def test_defaults_of_decoding_and_merging() -> None:
    common: dict[str, Any] = {"output": "iss/results", "run": None, "force": False, "resources": Resources()}
    assert parse_job(DECODE) == DecodeFovs("iss/formatted/experiment.json", "iss/recipe.py", timeout_s=14400, **common)
    assert parse_job(MERGE) == MergeFovs("runs/decode-1", allow_missing=0.0, **common)


@pytest.mark.parametrize("document", [PROCESS, DECODE, MERGE])
def test_all_run_where_starfish_is(document: dict[str, Any]) -> None:
    assert parse_job(document).runtime == "starfish"


def test_a_request_becomes_two_and_every_field_goes_where_it_is_meant() -> None:
    job = processing(
        num_fovs="2", allow_missing=0.1, timeout_s=60, force=True, redrive=["timeout"], job_memory=2500, job_queue="q"
    )
    decoding, merging = parse_job(job.decoding("iss")), parse_job(job.merging("iss"))
    common: dict[str, Any] = {
        "output": "iss/results",
        "force": True,
        "resources": Resources(memory_mib=2500, queue="q"),
        "redrive": ("timeout",),
    }
    assert decoding == DecodeFovs(
        "iss/formatted/experiment.json",
        "iss/recipe.py",
        run="iss--decode",
        num_fovs=2,
        timeout_s=60,
        stage=Stage("iss", "", "decode", allow_missing=0.1),
        **common,
    )
    stage = Stage("iss", "", "merge", needs=("iss--decode",), allow_missing=0.1)
    assert merging == MergeFovs("runs/iss--decode", run="iss--merge", allow_missing=0.1, stage=stage, **common)


def test_what_a_request_leaves_out_its_two_leave_out() -> None:
    job = processing()
    decoding, merging = job.decoding("iss"), job.merging("iss")
    assert set(decoding) == {*DECODE, "run", "timeout_s", "force", "stage"}
    assert set(merging) == {*MERGE, "run", "allow_missing", "force", "stage"}


@pytest.mark.parametrize("url", ["a.json", "s3://spacetx.starfish.data.public/browse/iss/experiment.json"])
def test_experiment_is_a_key_or_lies_in_another_bucket(url: str) -> None:
    assert processing(experiment_url=url).experiment == url


@pytest.mark.parametrize(
    ("document", "fields", "told"),
    [
        (PROCESS, {"experiment_url": None}, "a request needs it"),
        (PROCESS, {"experiment_url": "https://d2nhj9g34unfro.cloudfront.net/e.json"}, "copy it to the bucket"),
        (PROCESS, {"experiment_url": "ftp://e.json"}, "s3://bucket/key"),
        (PROCESS, {"experiment_url": "s3://bucket"}, "s3://bucket/key"),
        (PROCESS, {"experiment_url": "s3://bucket/../e.json"}, "'..'"),
        (PROCESS, {"experiment_url": "../e.json"}, "'..'"),
        (PROCESS, {"recipe": "iss/recipe.ipynb"}, "ends in .py"),
        (PROCESS, {"recipe": "s3://bucket/recipe.py"}, "leave out the scheme"),
        (PROCESS, {"results": "runs/x"}, "'runs/'"),
        (PROCESS, {"num_fovs": 0}, "whole number from 1"),
        (PROCESS, {"allow_missing": 1}, "number from 0 to less than 1"),
        (PROCESS, {"timeout_s": 0}, "whole number from 1"),
        (PROCESS, {"output": "o"}, "unknown field"),
        (DECODE, {"experiment": "http://example.org/e.json"}, "copy it to the bucket"),
        (DECODE, {"allow_missing": 0.5}, "unknown field"),
        (MERGE, {"decoded": "iss/results"}, "name the run that decoded the fields"),
        (MERGE, {"decoded": "runs/a/b"}, "'runs/<run id>'"),
        (MERGE, {"num_fovs": 2}, "unknown field"),
    ],
)
def test_bad_value_is_refused(document: dict[str, Any], fields: dict[str, Any], told: str) -> None:
    (field,) = fields
    with pytest.raises(InvalidField) as error:
        parse_job({**document, **fields})
    assert error.value.field == field
    assert told in str(error.value)


def test_how_it_is_done_does_not_make_it_another_run() -> None:
    same: list[dict[str, Any]] = [{"force": True}, {"job_memory": 8192}, {"redrive": ["timeout"]}]
    for document in (PROCESS, DECODE, MERGE):
        assert {run_id(document, **fields) for fields in same} == {run_id(document)}
    for document in (PROCESS, DECODE):
        assert run_id(document, num_fovs=2, timeout_s=9) == run_id(document)
    assert run_id(PROCESS, allow_missing=0.1) != run_id(PROCESS)
    assert run_id(PROCESS).rpartition("-")[0] == "fovs-recipe"
    assert run_id(DECODE).rpartition("-")[0] == "decode-recipe"


def test_only_what_is_decoded_and_then_merged_may_share_an_output() -> None:
    assert len(parse_message(json.dumps([DECODE, MERGE]))) == 2
    for other in ({**DECODE, "recipe": "b.py"}, PROCESS):
        with pytest.raises(InvalidRequest, match="request 2 of 2 has the output of an earlier one"):
            parse_message(json.dumps([DECODE, other]))


FIELDS = (*PROCESS, *DECODE, *MERGE, "num_fovs", "allow_missing", "timeout_s", "other")


@settings(suppress_health_check=[HealthCheck.too_slow])  # the first draw builds Unicode tables
@given(
    st.sampled_from([PROCESS, DECODE, MERGE]),
    st.fixed_dictionaries({}, optional={name: JSON_VALUES for name in FIELDS if name != "job_type"}),
)
def test_any_object_is_either_a_job_or_refused_with_a_reason(least: dict[str, Any], document: dict[str, Any]) -> None:
    try:
        parsed: Job | str = parse_job({**least, **document})
    except InvalidRequest as error:
        parsed = str(error)
    assert not isinstance(parsed, str) or "; " in parsed  # what was got; what to do
