"""A request for a page names a plate and what there is of it; a bad value is refused by the name of its field."""

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cellpainting.errors import InvalidField, InvalidRequest
from cellpainting.jobs import MakeReport, Resources, parse_job, parse_message
from tests.conftest import reporting
from tests.worker.test_requests import JSON_VALUES

OF_RUNS: dict[str, Any] = {"job_type": "make_report", "plate": "P1", "runs": ["plate1"], "output": "p/P1.html"}
OF_BACKEND: dict[str, Any] = {
    "job_type": "make_report",
    "plate": "P1",
    "backend": "p/backend/B1/P1",
    "output": "p/P1.html",
}


def asking(least: dict[str, Any], **fields: Any) -> MakeReport:
    return reporting(parse_job({**least, **fields}))


def run_id(least: dict[str, Any], **fields: Any) -> str:
    return parse_message(json.dumps({**least, **fields}))[0].run_id


def test_plate_output_and_a_run_are_all_that_it_needs() -> None:
    assert asking(OF_RUNS) == MakeReport(
        plate="P1",
        runs=("plate1",),
        backend=None,
        output="p/P1.html",
        run=None,
        force=False,
        resources=Resources(),
        redrive=(),
    )
    assert asking(OF_RUNS).batch == ""


@pytest.mark.parametrize("fields", [{}, {"runs": []}, {"runs": None}])
def test_with_a_backend_there_need_be_no_run(fields: dict[str, Any]) -> None:
    job = asking(OF_BACKEND, **fields)
    assert (job.runs, job.backend, job.batch) == ((), "p/backend/B1/P1", "B1")


def test_every_field_is_read() -> None:
    job = asking(
        OF_BACKEND, runs=["a1", "b1"], run="page-7", force=True, job_memory=8192, redrive=["input_missing"], plate="P1"
    )
    assert (job.runs, job.run, job.force, job.redrive) == (("a1", "b1"), "page-7", True, ("input_missing",))
    assert job.resources == Resources(memory_mib=8192)


def test_it_is_planned_whatever_is_there() -> None:
    assert asking(OF_RUNS).named_files == asking(OF_BACKEND).named_files == ()


@pytest.mark.parametrize(
    ("fields", "field", "told"),
    [
        ({"plate": None}, "plate", "a request needs it"),
        ({"plate": "B1/P1"}, "plate", "the name of one folder"),
        ({"plate": 7}, "plate", "the name of one folder"),
        ({"runs": "plate1"}, "runs", "a list of ids"),
        ({"runs": ["../x"]}, "runs", "a list of ids"),
        ({"runs": ["rejected"]}, "runs", "a list of ids"),
        ({"runs": [1]}, "runs", "a list of ids"),
        ({"runs": ["a1", "a1"]}, "runs", "name each once"),
        ({"runs": [], "backend": None}, "runs", "its 'backend', or both"),
        ({"runs": None, "backend": None}, "runs", "its 'backend', or both"),
        ({"backend": "P1"}, "backend", "'<...>/<batch>/P1'"),
        ({"backend": "p/backend/B1/P2"}, "backend", "'<...>/<batch>/P1'"),
        ({"backend": "p/../B1/P1"}, "backend", "'..'"),
        ({"output": None}, "output", "a request needs it"),
        ({"output": "p/pages/"}, "output", "ends in .html"),
        ({"output": "runs/P1.html"}, "output", "'runs/'"),
        ({"force": "yes"}, "force", "true or false"),
        ({"redrive": ["bad_luck"]}, "redrive", "input_missing"),
        ({"run": "a b"}, "run", "letters, digits"),
        ({"batch": "B1"}, "batch", "unknown field; the known ones are backend, budget_usd, force"),
    ],
)
def test_bad_value_is_refused(fields: dict[str, Any], field: str, told: str) -> None:
    with pytest.raises(InvalidField) as error:
        parse_job({**OF_BACKEND, **fields})
    assert error.value.field == field
    assert told in str(error.value)


def test_how_it_is_sent_again_does_not_make_it_another_run() -> None:
    same: list[dict[str, Any]] = [{"force": True}, {"redrive": ["input_missing"]}, {"job_memory": 8192}]
    for least in (OF_RUNS, OF_BACKEND):
        assert {run_id(least, **fields) for fields in same} == {run_id(least)}
    assert run_id(OF_BACKEND, backend="p/backend/B1/P1/") == run_id(OF_BACKEND, runs=[]) == run_id(OF_BACKEND)


def test_what_is_shown_and_where_make_it_another_run() -> None:
    runs = [run_id(OF_BACKEND), run_id(OF_RUNS)]
    for fields in ({"runs": ["a1"]}, {"backend": "q/B1/P1"}, {"output": "q.html"}):
        runs.append(run_id(OF_BACKEND, **fields))
    runs.append(run_id(OF_RUNS, plate="P2"))
    assert len(set(runs)) == len(runs)
    assert [one.rsplit("-", 1)[0] for one in runs] == ["report-P1"] * 5 + ["report-P2"]


def test_two_requests_that_write_the_same_page_are_refused() -> None:
    with pytest.raises(InvalidRequest, match=r"request 2 of 2 has the output of an earlier one \('p/P1.html'\)"):
        parse_message(json.dumps([OF_BACKEND, OF_RUNS]))
    assert len(parse_message(json.dumps([OF_BACKEND, {**OF_RUNS, "output": "p/other.html"}]))) == 2


FIELDS = ("plate", "runs", "backend", "output", "other")


@settings(suppress_health_check=[HealthCheck.too_slow])  # the first draw builds Unicode tables
@given(st.sampled_from([OF_RUNS, OF_BACKEND]), st.fixed_dictionaries({}, optional=dict.fromkeys(FIELDS, JSON_VALUES)))
def test_any_object_is_either_a_page_or_refused_with_a_reason(least: dict[str, Any], document: dict[str, Any]) -> None:
    reason = "a page"
    try:
        parse_job({**least, **document})
    except InvalidRequest as error:
        reason = str(error)
    assert reason == "a page" or "; " in reason  # what was got; what to do
