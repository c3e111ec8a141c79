"""A request for profiles names a configuration or a plate; a bad value is refused by the name of its field."""

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cellpainting.errors import InvalidField, InvalidRequest
from cellpainting.jobs import MakeProfiles, Resources, parse_job, parse_message
from cellpainting.jobs.make_profiles import ConfiguredProfiles, PlateProfiles
from tests.conftest import profiling
from tests.worker.test_requests import JSON_VALUES

CONFIGURED: dict[str, Any] = {"job_type": "make_profiles", "config": "p/profiling/config_files/plates.yml"}
PLATE: dict[str, Any] = {
    "job_type": "make_profiles",
    "backend": "p/backend/B1/P1",
    "platemap": "p/platemap.txt",
    "output": "p/profiles/",
}


def asking(least: dict[str, Any], **fields: Any) -> MakeProfiles:
    return profiling(parse_job({**least, **fields}))


def run_id(least: dict[str, Any], **fields: Any) -> str:
    return parse_message(json.dumps({**least, **fields}))[0].run_id


def test_a_configuration_is_all_that_one_form_needs() -> None:
    assert asking(CONFIGURED) == MakeProfiles(
        wanted=ConfiguredProfiles("p/profiling/config_files/plates.yml", "p/profiling", None),
        run=None,
        force=False,
        resources=Resources(),
        redrive=(),
    )


@pytest.mark.parametrize(
    ("config", "root"),
    [
        ("config.yml", ""),
        ("config_files/config.yml", ""),
        ("p/config.yml", "p"),
        ("p/config_files/config.yml", "p"),
        ("p/my_config_files/config.yml", "p/my_config_files"),
    ],
)
def test_what_it_names_is_beside_it_or_beside_the_folder_of_configurations(config: str, root: str) -> None:
    assert asking(CONFIGURED, config=config).output == root


def test_backend_platemap_and_output_are_what_the_other_form_needs() -> None:
    job = asking(PLATE)
    assert job.wanted == PlateProfiles("p/backend/B1/P1", "p/platemap.txt", "p/profiles", None, None)
    assert isinstance(job.wanted, PlateProfiles)
    assert (job.wanted.batch, job.wanted.plate, job.results) == ("B1", "P1", "p/profiles/B1/P1")


def test_every_field_is_read() -> None:
    job = asking(
        CONFIGURED, root="p", backend="q/", run="profiles-7", force=True, job_memory=8192, redrive=["input_missing"]
    )
    assert job.wanted == ConfiguredProfiles(CONFIGURED["config"], "p", "q")
    assert (job.run, job.force, job.redrive) == ("profiles-7", True, ("input_missing",))
    assert job.resources == Resources(memory_mib=8192)
    wanted = asking(PLATE, external_metadata="p/moa.tsv", merge_column="broad_sample").wanted
    assert isinstance(wanted, PlateProfiles)
    assert (wanted.external_metadata, wanted.merge_column) == ("p/moa.tsv", "Metadata_broad_sample")


def test_single_files_are_those_without_which_nothing_is_planned() -> None:
    assert asking(CONFIGURED).named_files == (CONFIGURED["config"],)
    assert asking(PLATE).named_files == ("p/platemap.txt",)
    assert asking(PLATE, external_metadata="e.tsv", merge_column="a").named_files == ("p/platemap.txt", "e.tsv")


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"config": ""}, "write a key"),
        ({"config": 7}, "write a key"),
        ({"config": "../config.yml"}, "'..'"),
        ({"root": "/p"}, "leading '/'"),
        ({"root": "runs/p"}, "'runs/'"),
        ({"backend": "s3://other/backend"}, "leave out the scheme"),
        ({"platemap": "p/platemap.txt"}, "unknown field; the known ones are backend, budget_usd, config, force"),
        ({"output": "p/profiles"}, "unknown field"),
        ({"external_metadata": "p/moa.tsv"}, "unknown field"),
        ({"force": "yes"}, "true or false"),
        ({"redrive": ["bad_luck"]}, "input_missing"),
        ({"run": "a b"}, "letters, digits"),
    ],
)
def test_bad_value_beside_a_configuration_is_refused(fields: dict[str, Any], told: str) -> None:
    (field,) = fields
    with pytest.raises(InvalidField) as error:
        parse_job({**CONFIGURED, **fields})
    assert error.value.field == field
    assert told in str(error.value)


@pytest.mark.parametrize(
    ("fields", "field", "told"),
    [
        ({"backend": None}, "backend", "a request needs it"),
        ({"backend": "P1"}, "backend", "'<...>/<batch>/<plate>'"),
        ({"backend": "p/../B1/P1"}, "backend", "'..'"),
        ({"platemap": None}, "platemap", "a request needs it"),
        ({"platemap": ["a.txt"]}, "platemap", "write a key"),
        ({"output": None}, "output", "a request needs it"),
        ({"output": "runs/a"}, "output", "'runs/'"),
        ({"output": "p/backend"}, "output", "would replace files of the backend"),
        ({"external_metadata": "p/moa.tsv"}, "merge_column", "together"),
        ({"merge_column": "a"}, "merge_column", "together"),
        ({"external_metadata": "e.tsv", "merge_column": "a,b"}, "merge_column", "one column"),
        ({"external_metadata": "e.tsv", "merge_column": "a b"}, "merge_column", "metadata columns"),
        (
            {"root": "p"},
            "root",
            "unknown field; the known ones are backend, budget_usd, config, external_metadata, force",
        ),
        ({"plate": "P1"}, "plate", "unknown field"),
    ],
)
def test_bad_value_of_a_plate_is_refused(fields: dict[str, Any], field: str, told: str) -> None:
    with pytest.raises(InvalidField) as error:
        parse_job({**PLATE, **fields})
    assert error.value.field == field
    assert told in str(error.value)


def test_how_it_is_sent_again_does_not_make_it_another_run() -> None:
    same: list[dict[str, Any]] = [{"force": True}, {"redrive": ["input_missing"]}, {"job_memory": 8192}]
    for least in (CONFIGURED, PLATE):
        assert {run_id(least, **fields) for fields in same} == {run_id(least)}
    assert run_id(PLATE, output="p/profiles") == run_id(PLATE)


def test_other_places_are_another_run() -> None:
    runs = [run_id(CONFIGURED, **fields) for fields in ({}, {"root": "q"}, {"backend": "q"}, {"config": "c.yml"})]
    external = {"external_metadata": "e.tsv", "merge_column": "a"}
    for fields in ({}, {"backend": "q/B1/P1"}, {"platemap": "q.txt"}, {"output": "q"}, external):
        runs.append(run_id(PLATE, **fields))
    assert len(set(runs)) == len(runs)
    assert (runs[0].rsplit("-", 1)[0], runs[-1].rsplit("-", 1)[0]) == ("profiles-plates", "profiles-P1")


def test_plates_may_share_an_output_and_configurations_a_root() -> None:
    other_plate = {**PLATE, "backend": "p/backend/B1/P2"}
    other_config = {**CONFIGURED, "config": "p/profiling/config_files/others.yml"}
    other_root = {**CONFIGURED, "root": "q"}
    assert len(parse_message(json.dumps([PLATE, other_plate, CONFIGURED, other_config, other_root]))) == 5


@pytest.mark.parametrize(
    ("first", "second", "told"),
    [
        (PLATE, {**PLATE, "platemap": "other.txt"}, r"\('p/profiles/B1/P1'\)"),
        (PLATE, {**PLATE, "backend": "q/B1/P1"}, r"\('p/profiles/B1/P1'\)"),
        (CONFIGURED, {**CONFIGURED, "backend": "q"}, r"plates.yml below p/profiling'\)"),
    ],
)
def test_two_requests_that_write_the_same_profiles_are_refused(
    first: dict[str, Any], second: dict[str, Any], told: str
) -> None:
    with pytest.raises(InvalidRequest, match=f"request 2 of 2 has the output of an earlier one .*{told}"):
        parse_message(json.dumps([first, second]))


@pytest.mark.parametrize("is_first", [True, False])
def test_a_folder_of_images_with_the_same_output_is_refused(is_first: bool) -> None:
    folder = {"pipeline": "p/a.cppipe", "input": "p/images", "output": PLATE["output"]}
    with pytest.raises(InvalidRequest, match="request 2 of 2 has the output of an earlier one"):
        parse_message(json.dumps([folder, PLATE] if is_first else [PLATE, folder]))


FIELDS = ("config", "root", "backend", "platemap", "external_metadata", "merge_column", "output", "other")


@settings(suppress_health_check=[HealthCheck.too_slow])  # the first draw builds Unicode tables
@given(st.sampled_from([CONFIGURED, PLATE]), st.fixed_dictionaries({}, optional=dict.fromkeys(FIELDS, JSON_VALUES)))
def test_any_object_is_either_profiles_or_refused_with_a_reason(
    least: dict[str, Any], document: dict[str, Any]
) -> None:
    reason = "profiles"
    try:
        parse_job({**least, **document})
    except InvalidRequest as error:
        reason = str(error)
    assert reason == "profiles" or "; " in reason  # what was got; what to do
