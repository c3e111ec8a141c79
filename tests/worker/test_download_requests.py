"""A request for images is a type whose every field is known, and a bad value is refused by the name of its field."""

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cellpainting.errors import InvalidField, InvalidRequest
from cellpainting.jobs import DownloadImages, Resources, parse_job, parse_message
from tests.conftest import downloading
from tests.worker.test_requests import JSON_VALUES

LEAST: dict[str, Any] = {
    "job_type": "download_images",
    "load_data": "jobs/source_4__batch1__BR00117035.parquet",
    "output": "jump/",
}


def asking(**fields: Any) -> DownloadImages:
    return downloading(parse_job({**LEAST, **fields}))


def test_defaults_are_those_of_the_published_data_set() -> None:
    assert asking() == DownloadImages(
        load_data="jobs/source_4__batch1__BR00117035.parquet",
        output="jump",
        run=None,
        force=False,
        resources=Resources(),
        select=(),
        channels=(),
        crop_height_px=768,
        crop_width_px=768,
        scaling="image",
        percentile=1.0,
        format="png",
        redrive=(),
    )


def test_every_field_is_read() -> None:
    job = asking(
        run="screen-7",
        force=True,
        job_memory=8192,
        select={"Metadata_Well": ["A01", "A02"], "Site": ["1"]},
        channels=["DNA", "Mito"],
        crop_height_px=0,
        crop_width_px="512",
        scaling="plate",
        percentile="0.5",
        format="webdataset",
        redrive=["input_damaged"],
    )
    assert job.select == (("Metadata_Well", ("A01", "A02")), ("Metadata_Site", ("1",)))
    assert (job.channels, job.crop_height_px, job.crop_width_px) == (("DNA", "Mito"), 0, 512)
    assert (job.scaling, job.percentile, job.format) == ("plate", 0.5, "webdataset")
    assert (job.run, job.force, job.redrive) == ("screen-7", True, ("input_damaged",))
    assert job.resources == Resources(memory_mib=8192)


@pytest.mark.parametrize("name", ["P1.csv", "P1.csv.gz", "P1.parquet"])
def test_table_may_be_csv_or_parquet(name: str) -> None:
    assert asking(load_data=name).load_data == name


@pytest.mark.parametrize("percentile", [0, 0.0, 1, "1", 49.999])
def test_percentile_is_less_than_half(percentile: Any) -> None:
    assert asking(percentile=percentile).percentile == float(percentile)


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"load_data": None}, "a request needs it"),
        ({"load_data": "jobs/P1.xlsx"}, ".csv, .csv.gz, .parquet"),
        ({"load_data": "s3://cellpainting-gallery/P1.csv"}, "leave out the scheme"),
        ({"output": None}, "a request needs it"),
        ({"output": "/data"}, "leading '/'"),
        ({"output": "../data"}, "'..'"),
        ({"output": "runs/images"}, "'runs/'"),
        ({"select": []}, "write an object"),
        ({"select": {"Metadata_Well": "A01"}}, "write an object"),
        ({"select": {"Metadata_Well": []}}, "write an object"),
        ({"select": {"Metadata_Site": [1]}}, "values as text"),
        ({"select": {"Well name": ["A01"]}}, "write an object"),
        ({"channels": "DNA"}, "write a list of names"),
        ({"channels": []}, "write a list of names"),
        ({"channels": ["DNA", "../x"]}, "write a list of names"),
        ({"channels": ["DNA", "DNA"]}, "name each once"),
        ({"channels": ["DNA", 7]}, "write a list of names"),
        ({"crop_height_px": -1}, "from 0 to 100000"),
        ({"crop_width_px": 100_001}, "from 0 to 100000"),
        ({"crop_width_px": 76.8}, "from 0 to 100000"),
        ({"crop_height_px": True}, "from 0 to 100000"),
        ({"scaling": "well"}, "image, plate, none"),
        ({"scaling": 1}, "image, plate, none"),
        ({"percentile": 50}, "less than 50"),
        ({"percentile": -0.1}, "from 0"),
        ({"percentile": "nan"}, "less than 50"),
        ({"percentile": float("nan")}, "less than 50"),
        ({"percentile": float("inf")}, "less than 50"),
        ({"percentile": "one"}, "write a number"),
        ({"percentile": True}, "write a number"),
        ({"percentile": [1]}, "write a number"),
        ({"format": "tar"}, "png, webdataset"),
        ({"force": "yes"}, "true or false"),
        ({"redrive": ["bad_luck"]}, "input_missing"),
        ({"run": "a b"}, "letters, digits"),
        ({"pipeline": "a.cppipe"}, "unknown field"),
        ({"crop_px": 512}, "unknown field; the known ones are budget_usd, channels, crop_height_px, crop_width_px"),
    ],
)
def test_bad_value_is_refused_by_the_name_of_its_field(fields: dict[str, Any], told: str) -> None:
    (field,) = fields
    with pytest.raises(InvalidField) as error:
        parse_job({**LEAST, **fields})
    assert error.value.field == field
    assert told in str(error.value)


def test_how_it_is_sent_again_does_not_make_it_another_run_and_other_pixels_do() -> None:
    def run_id(**fields: Any) -> str:
        return parse_message(json.dumps({**LEAST, **fields}))[0].run_id

    same: list[dict[str, Any]] = [
        {"force": True},
        {"redrive": ["input_missing"]},
        {"job_memory": 8192},
        {"percentile": "1"},
    ]
    other: list[dict[str, Any]] = [
        {"crop_height_px": 512},
        {"scaling": "plate"},
        {"percentile": 2},
        {"format": "webdataset"},
        {"channels": ["DNA"]},
        {"select": {"Well": ["A01"]}},
    ]
    assert {run_id(**fields) for fields in same} == {run_id()}
    assert len({run_id(), *(run_id(**fields) for fields in other)}) == 1 + len(other)
    assert run_id().startswith("source-4-batch1-BR00117035-")


def test_percentile_of_images_that_are_not_scaled_makes_no_difference() -> None:
    assert asking(scaling="none", percentile=2).work == asking(scaling="none").work


def test_tables_may_share_an_output_as_plates_do() -> None:
    assert len(parse_message(json.dumps([LEAST, {**LEAST, "load_data": "jobs/BR00117036.parquet"}]))) == 2


FIELDS = ("select", "channels", "crop_height_px", "scaling", "percentile", "format", "redrive", "other")


@settings(suppress_health_check=[HealthCheck.too_slow])  # the first draw builds Unicode tables
@given(st.fixed_dictionaries({}, optional=dict.fromkeys(FIELDS, JSON_VALUES)))
def test_any_object_is_either_a_download_or_refused_with_a_reason(document: dict[str, Any]) -> None:
    reason = "a download"
    try:
        parse_job({**LEAST, **document})
    except InvalidRequest as error:
        reason = str(error)
    assert reason == "a download" or "; " in reason  # what was got; what to do
