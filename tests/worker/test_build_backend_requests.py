"""A request for a backend is a type whose every field is known, and a bad value is refused by the name of its field."""

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cellpainting.errors import InvalidField, InvalidRequest
from cellpainting.jobs import BuildBackend, Resources, parse_job, parse_message
from cellpainting.jobs.build_backend import BackendSettings
from tests.conftest import building
from tests.worker.test_requests import JSON_VALUES

LEAST: dict[str, Any] = {
    "job_type": "build_backend",
    "analysis": "p/analysis/B1/P1",
    "output": "p/backend/",
    "batch": "B1",
    "plate": "P1",
}


def asking(**fields: Any) -> BuildBackend:
    return building(parse_job({**LEAST, **fields}))


def test_defaults_are_the_backend_and_the_mean_of_all_tables() -> None:
    assert asking() == BuildBackend(
        analysis="p/analysis/B1/P1",
        output="p/backend",
        batch="B1",
        plate="P1",
        run=None,
        force=False,
        resources=Resources(),
        settings=BackendSettings(compartments=(), sqlite=True, aggregate="mean", single_cells=False),
        ingest_config=None,
        redrive=(),
    )
    assert asking().folder == "p/backend/B1/P1"


def test_every_field_is_read() -> None:
    job = asking(
        run="backend-7",
        force=True,
        job_memory=8192,
        compartments=["Cells", "Nuclei"],
        sqlite=False,
        aggregate="median",
        single_cells=True,
        ingest_config="p/ingest_config.ini",
        redrive=["input_damaged"],
    )
    assert job.settings == BackendSettings(("Cells", "Nuclei"), sqlite=False, aggregate="median", single_cells=True)
    assert (job.run, job.force, job.redrive) == ("backend-7", True, ("input_damaged",))
    assert (job.ingest_config, job.resources) == ("p/ingest_config.ini", Resources(memory_mib=8192))


@pytest.mark.parametrize("written", ["runs/plate-1", "runs/plate-1/"])
def test_a_run_may_be_named_in_place_of_a_folder(written: str) -> None:
    assert asking(analysis=written).analysis == "runs/plate-1"
    assert asking(analysis=written).analysed_run == "plate-1"
    assert asking().analysed_run is None


@pytest.mark.parametrize("plate", ["BR00117035__2021-05-02T16_02_51-Measurement 1", "0042", "Plätte", "a.b", "p" * 200])
def test_plates_may_have_the_names_that_microscopes_give_them(plate: str) -> None:
    job = asking(plate=plate)
    assert job.folder == f"p/backend/B1/{plate}"
    assert parse_message(json.dumps({**LEAST, "plate": plate}))[0].run_id.startswith("backend-")


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"analysis": None}, "a request needs it"),
        ({"analysis": ""}, "write a key"),
        ({"analysis": 7}, "write a key"),
        ({"analysis": "runs"}, "'runs/<run id>'"),
        ({"analysis": "runs/"}, "'runs/<run id>'"),
        ({"analysis": "runs/rejected"}, "'runs/<run id>'"),
        ({"analysis": "runs/plate-1/logs"}, "'runs/<run id>'"),
        ({"analysis": "runs//plate-1"}, "'runs/<run id>'"),
        ({"analysis": "runs/../p"}, "'runs/<run id>'"),
        ({"analysis": "p/../runs/plate-1"}, "'..'"),
        ({"analysis": "s3://cellpainting-gallery/p"}, "leave out the scheme"),
        ({"analysis": "p/\ud800"}, "printable characters only"),
        ({"output": None}, "a request needs it"),
        ({"output": "runs/plate-1"}, "'runs/'"),
        ({"batch": None}, "a request needs it"),
        ({"batch": ""}, "the name of one folder"),
        ({"batch": "B1/P1"}, "the name of one folder"),
        ({"batch": ".."}, "the name of one folder"),
        ({"plate": None}, "a request needs it"),
        ({"plate": 42}, "the name of one folder"),
        ({"plate": ["P1"]}, "the name of one folder"),
        ({"plate": "P1/"}, "the name of one folder"),
        ({"plate": "P\\1"}, "the name of one folder"),
        ({"plate": "P\n1"}, "the name of one folder"),
        ({"plate": "P\ud800"}, "the name of one folder"),
        ({"plate": ".P1"}, "the name of one folder"),
        ({"plate": " P1"}, "the name of one folder"),
        ({"plate": "P1 "}, "the name of one folder"),
        ({"plate": "runs"}, "the name of one folder"),
        ({"plate": "ä" * 101}, "at most 200 bytes"),
        ({"compartments": "Cells"}, "write a list of names"),
        ({"compartments": []}, "write a list of names"),
        ({"compartments": ["Cells", "Cells"]}, "name each once"),
        ({"compartments": ["../x"]}, "write a list of names"),
        ({"sqlite": "yes"}, "true or false"),
        ({"sqlite": 0}, "true or false"),
        ({"aggregate": "mode"}, "mean, median"),
        ({"single_cells": 1}, "true or false"),
        ({"ingest_config": "/config.ini"}, "leading '/'"),
        ({"ingest_config": "runs/plate-1/request.json"}, "'runs/'"),
        ({"redrive": ["bad_luck"]}, "input_missing"),
        ({"run": "a b"}, "letters, digits"),
        ({"load_data": "a.csv"}, "unknown field"),
        (
            {"compartment": "Cells"},
            "unknown field; the known ones are aggregate, analysis, batch, budget_usd, compartments",
        ),
    ],
)
def test_bad_value_is_refused_by_the_name_of_its_field(fields: dict[str, Any], told: str) -> None:
    (field,) = fields
    with pytest.raises(InvalidField) as error:
        parse_job({**LEAST, **fields})
    assert error.value.field == field
    assert told in str(error.value)


def test_results_in_place_of_what_is_read_are_refused() -> None:
    with pytest.raises(InvalidField, match="written to 'analysis' itself") as error:
        asking(analysis="p/backend/B1/P1/")
    assert error.value.field == "output"


@pytest.mark.parametrize("analysis", ["p", "p/backend", "p/backend/B1", "p/backend/B1/P", "p/backend/B1/P1/analysis"])
def test_results_beside_inside_or_around_what_is_read_are_not_refused(analysis: str) -> None:
    assert asking(analysis=analysis).analysis == analysis


def test_how_it_is_sent_again_does_not_make_it_another_run_and_other_tables_do() -> None:
    def run_id(**fields: Any) -> str:
        return parse_message(json.dumps({**LEAST, **fields}))[0].run_id

    same: list[dict[str, Any]] = [
        {"force": True},
        {"redrive": ["input_missing"]},
        {"job_memory": 8192},
        {"sqlite": True, "aggregate": "mean", "single_cells": False},
        {"analysis": LEAST["analysis"] + "/"},
    ]
    other: list[dict[str, Any]] = [
        {"analysis": "runs/plate-1"},
        {"output": "elsewhere"},
        {"batch": "B2"},
        {"plate": "P2"},
        {"compartments": ["Cells"]},
        {"sqlite": False},
        {"aggregate": "median"},
        {"single_cells": True},
        {"ingest_config": "p/ingest_config.ini"},
    ]
    assert {run_id(**fields) for fields in same} == {run_id()}
    assert len({run_id(), *(run_id(**fields) for fields in other)}) == 1 + len(other)
    assert run_id().startswith("backend-P1-")


def test_plates_may_share_output_and_batch() -> None:
    assert len(parse_message(json.dumps([LEAST, {**LEAST, "plate": "P2", "analysis": "p/analysis/B1/P2"}]))) == 2


def test_two_backends_of_one_plate_in_a_message_are_refused() -> None:
    with pytest.raises(InvalidRequest, match=r"request 2 of 2 has the output of an earlier one \('p/backend/B1/P1'\)"):
        parse_message(json.dumps([LEAST, {**LEAST, "aggregate": "median"}]))


@pytest.mark.parametrize("is_first", [True, False])
def test_a_folder_of_images_with_the_output_of_a_backend_is_refused(is_first: bool) -> None:
    folder = {"pipeline": "p/a.cppipe", "input": "p/images", "output": LEAST["output"]}
    with pytest.raises(InvalidRequest, match="request 2 of 2 has the output of an earlier one"):
        parse_message(json.dumps([folder, LEAST] if is_first else [LEAST, folder]))


FIELDS = ("analysis", "batch", "plate", "compartments", "sqlite", "aggregate", "single_cells", "ingest_config", "other")


@settings(suppress_health_check=[HealthCheck.too_slow])  # the first draw builds Unicode tables
@given(st.fixed_dictionaries({}, optional=dict.fromkeys(FIELDS, JSON_VALUES)))
def test_any_object_is_either_a_backend_or_refused_with_a_reason(document: dict[str, Any]) -> None:
    reason = "a backend"
    try:
        parse_job({**LEAST, **document})
    except InvalidRequest as error:
        reason = str(error)
    assert reason == "a backend" or "; " in reason  # what was got; what to do
