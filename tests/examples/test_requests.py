"""Every request that is shipped is one that the dispatcher takes."""

import json
import re
from dataclasses import fields
from pathlib import Path

import pytest

from cellpainting.jobs import (
    BuildBackend,
    DownloadImages,
    MakeProfiles,
    MakeReport,
    ProcessPlate,
    Resources,
    RunCellProfiler,
    parse_message,
)
from cellpainting.jobs.build_backend import BackendSettings
from cellpainting.jobs.make_profiles import PlateProfiles
from cellpainting.jobs.plate_source import PlateSource
from cellpainting.jobs.process_plate import CellProfilerSettings, Pipelines, Treatments
from cellpainting.jump.selection_config import read_selection
from cellpainting.pipelines import parse_pipeline
from cellpainting.pipelines.saved_images import saved_image
from cellpainting.profiles.config import Controls, NormalizeStep, Thresholds
from cellpainting.profiles.read_config import read_config
from examples.small_plate.demo import PIPELINES, RESULTS, RUN
from examples.small_plate.make_images import CHANNELS

EXAMPLES = Path(__file__).parents[2] / "examples"
REQUESTS = sorted([*EXAMPLES.glob("*.json"), *EXAMPLES.glob("*/request.json")])
VITRA = "examples/ExampleVitraImages"
WRITTEN = {"redrive", "stage"}  # what only `cpb redrive` and the dispatcher write
# In place of the load data and of all of its groups; a folder that may not be empty.
ALTERNATIVES = {"input", "batch_data", "file_list", "groups", "plugins"} | WRITTEN
# Of a chain: in place of a plate, of a pipeline and of stages.
CHAIN_ALTERNATIVES = {"plate_table", "results", "leave_out", "plugins"} | WRITTEN


def published(output: int, **resources: str) -> dict[str, str]:
    """The message that the published README prints, with its output's number."""
    return {
        "pipeline": f"{VITRA}/ExampleVitra.cppipe",
        "input": f"{VITRA}/images/",
        "output": f"{VITRA}/output{output}/",
        **resources,
    }


@pytest.mark.parametrize("path", REQUESTS, ids=lambda path: str(path.relative_to(EXAMPLES)))
def test_shipped_request_is_accepted(path: Path) -> None:
    body = path.read_text()
    document = json.loads(body)
    assert len(parse_message(body)) == (len(document) if isinstance(document, list) else 1)


@pytest.mark.parametrize(
    ("name", "document"),
    [
        ("single_job", published(0)),
        ("multiple_jobs", [published(1), published(2)]),
        (
            "multiple_jobs_custom_resources",
            [
                published(3, job_memory="8192", job_vcpu="12"),
                published(4, job_memory="8192", job_vcpu="8"),
            ],
        ),
    ],
)
def test_published_request_is_shipped_as_it_was_published(name: str, document: object) -> None:
    assert json.loads((EXAMPLES / f"{name}.json").read_text()) == document


def test_request_with_every_field_leaves_out_only_alternatives_and_what_a_deployment_names() -> None:
    document = json.loads((EXAMPLES / "run_cellprofiler.json").read_text())
    own = {field.name for field in fields(RunCellProfiler)} - {"resources"}
    assert {field.name for field in fields(Resources)} == {"memory_mib", "vcpus", "queue", "definition", "budget_usd"}
    assert set(document) == {"job_type", "job_memory", "job_vcpu", "budget_usd"} | own - ALTERNATIVES


def test_download_with_every_field_leaves_out_only_what_a_deployment_names() -> None:
    document = json.loads((EXAMPLES / "download_images.json").read_text())
    own = {field.name for field in fields(DownloadImages)} - {"resources"} - WRITTEN
    assert set(document) == {"job_type", "job_memory", "job_vcpu"} | own


def test_backend_with_every_field_leaves_out_only_what_a_deployment_names() -> None:
    document = json.loads((EXAMPLES / "build_backend.json").read_text())
    own = {field.name for field in (*fields(BuildBackend), *fields(BackendSettings))}
    assert set(document) == {"job_type", "job_memory", "job_vcpu"} | own - {"resources", "settings"} - WRITTEN


def test_profiles_of_a_plate_with_every_field_leave_out_only_what_a_deployment_names() -> None:
    document = json.loads((EXAMPLES / "make_profiles.json").read_text())
    own = {field.name for field in (*fields(MakeProfiles), *fields(PlateProfiles))}
    assert set(document) == {"job_type", "job_memory", "job_vcpu"} | own - {"resources", "wanted"} - WRITTEN


def test_page_with_every_field_leaves_out_only_what_a_deployment_names() -> None:
    document = json.loads((EXAMPLES / "make_report.json").read_text())
    own = {field.name for field in fields(MakeReport)}
    assert set(document) == {"job_type", "job_memory", "job_vcpu"} | own - {"resources"} - WRITTEN


def test_whole_chain_with_every_field_leaves_out_only_alternatives_and_what_a_deployment_names() -> None:
    document = json.loads((EXAMPLES / "process_plate.json").read_text())
    kinds = (ProcessPlate, PlateSource, CellProfilerSettings, BackendSettings, Treatments)
    own = {field.name for kind in kinds for field in fields(kind)}
    holders = {"sources", "cellprofiler", "backend", "treatments", "resources"}
    assert set(document) == {"job_type", "job_memory", "job_vcpu"} | own - holders - CHAIN_ALTERNATIVES
    assert set(document["pipelines"]) == {field.name for field in fields(Pipelines)}


def test_shipped_configuration_says_in_full_what_is_usual() -> None:
    config = read_config((EXAMPLES / "profiling_config.yml").read_bytes(), "profiling_config.yml")
    assert [len(batch.plates) for batch in config.batches] == [2, 0]
    assert config.controls == Controls()
    assert config.normalize == NormalizeStep(epsilon=0.0, image_features=True)
    assert config.feature_select
    assert config.feature_select.thresholds == Thresholds(
        noise_removal_perturb_groups="Metadata_broad_sample", noise_removal_stdev_cutoff=0.8
    )


def test_shipped_selection_is_one_that_is_taken() -> None:
    selection = read_selection(EXAMPLES / "jump_selection.yml")
    assert selection.sites("ORF", "trt") == 6
    assert selection.sites("TARGET2", "trt") is None


def test_small_plate_is_one_message_that_leaves_out_no_stage_after_the_measuring() -> None:
    (run,) = parse_message((EXAMPLES / "small_plate" / "request.json").read_text())
    assert run.run_id == RUN
    assert isinstance(run.job, ProcessPlate)
    assert run.job.leave_out == ()
    folder, request = EXAMPLES / "small_plate", run.job
    assert [folder / Path(key).name for key in request.pipelines.given] == [folder / name for name in PIPELINES]
    assert request.output == RESULTS


@pytest.mark.parametrize("name", PIPELINES)
def test_shipped_pipeline_names_no_folder_of_any_machine(name: str) -> None:
    text = (EXAMPLES / "small_plate" / name).read_text()
    assert not re.search(r"/(home|root|tmp|Users|work)/|file:/", text)
    modules = re.findall(r"^(\w+):\[module_num:(\d+)", text, re.MULTILINE)
    assert modules[0] == ("LoadData", "1")
    assert f"ModuleCount:{len(modules)}\n" in text


def test_shipped_pipelines_agree_on_the_illumination_functions() -> None:
    making, using = (parse_pipeline((EXAMPLES / "small_plate" / name).read_bytes(), name) for name in PIPELINES)
    made = [saved_image(module) for module in making.enabled("SaveImages")]
    assert [(one.name, one.extension) for one in made] == [(rf"\g<Plate>_Illum{c}", "npy") for c in CHANNELS]
    assert {f"Illum{channel}" for channel in CHANNELS} <= set(using.input_images)
