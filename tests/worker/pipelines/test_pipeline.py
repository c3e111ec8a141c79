"""What planning asks of a pipeline: its source of image sets, its grouping, what it puts together, what it needs."""

import json
import subprocess
from pathlib import Path

import pytest

from cellpainting.cellprofiler.environment import CellProfiler
from cellpainting.pipelines import Pipeline, parse_pipeline
from cellpainting.pipelines.image_names import WITHOUT_NEEDS, is_input_label, is_output_label
from tests.worker.pipelines.text import EXPORT, cppipe, load_data, measure, module

REPOSITORY = Path(__file__).resolve().parents[3]
REAL = REPOSITORY.parent / "shared" / "data" / "pipelines"
FIVE = ("DNA", "ER", "AGP", "Mito", "RNA")
EIGHT = (*FIVE, "Brightfield", "Brightfield_H", "Brightfield_L")


def pipeline_of(*modules: str) -> Pipeline:
    return parse_pipeline(cppipe(*modules), "p.cppipe")


def test_grouping_of_load_data_is_in_its_order_with_the_prefix() -> None:
    pipeline = pipeline_of(load_data("Plate", "Site", "Well"))
    assert pipeline.reads_load_data
    assert pipeline.grouping == ("Metadata_Plate", "Metadata_Site", "Metadata_Well")
    assert pipeline_of(load_data()).grouping == ()


def test_grouping_of_the_groups_module_counts_only_if_it_is_wanted() -> None:
    def groups(wanted: str) -> str:
        return module(
            "Groups",
            ("Do you want to group your images?", wanted),
            ("grouping metadata count", "2"),
            ("Metadata category", "Plate"),
            ("Metadata category", "Well"),
        )

    assert pipeline_of(groups("Yes")).grouping == ("Metadata_Plate", "Metadata_Well")
    assert pipeline_of(groups("No")).grouping == ()
    assert not pipeline_of(groups("Yes")).reads_load_data


def test_modules_that_put_a_group_together_are_named_once() -> None:
    each_or_all = "Calculate function for each image individually, or based on all images?"
    pipeline = pipeline_of(
        module("CorrectIlluminationCalculate", (each_or_all, "All: First cycle")),
        module("CorrectIlluminationCalculate", (each_or_all, "All: First cycle")),
        module("MakeProjection"),
        module("TrackObjects", enabled=False),
        module("Tile", ("Tile assembly method", "Within cycles")),
        module("SaveImages", ("Select the type of image to save", "Image"), ("When to save", "Last cycle")),
        module("RescaleIntensity", ("Rescaling method", "Stretch each image to use the full intensity range")),
    )
    assert pipeline.aggregates == ("CorrectIlluminationCalculate", "MakeProjection", "SaveImages")
    assert pipeline_of(module("CorrectIlluminationCalculate", (each_or_all, "Each"))).aggregates == ()


def test_an_image_that_an_earlier_module_makes_is_no_input() -> None:
    resize = module("Resize", ("Select the input image", "DNA"), ("Name the output image", "Small"))
    assert pipeline_of(resize, measure(["Small", "ER"])).input_images == ("DNA", "ER")
    assert pipeline_of(measure(["Small"]), resize).input_images == ("Small", "DNA")


def test_a_name_that_a_module_hides_is_no_input() -> None:
    def quality(which: str) -> str:
        return module(
            "MeasureImageQuality",
            ("Calculate metrics for which images?", which),
            ("Select the images to measure", "Old"),
        )

    assert pipeline_of(quality("All loaded images")).input_images == ()
    assert pipeline_of(quality("Select...")).input_images == ("Old",)


def test_blank_choices_disabled_modules_and_measurements_are_no_inputs() -> None:
    colour = module(
        "GrayToColor",
        ("Select a color scheme", "RGB"),
        ("Select the image to be colored red", "Leave this black"),
        ("Select the image to be colored green", "AGP"),
        ("Select the image to be colored cyan", "Stale"),
    )
    flag = module("FlagImage", ("Select the object to be used for flagging", "Nuclei"))
    disabled = module("Resize", ("Select the input image", "Other"), enabled=False)
    assert pipeline_of(colour, flag, disabled, EXPORT).input_images == ("AGP",)


def test_objects_that_no_module_finds_are_inputs() -> None:
    pipeline = pipeline_of(
        module("IdentifyPrimaryObjects", ("Name the primary objects to be identified", "Nuclei")),
        module("MeasureObjectSizeShape", ("Select object sets to measure", "Nuclei, Loaded")),
    )
    assert pipeline.input_images == ("Loaded",)


@pytest.mark.parametrize(
    ("name", "grouping", "inputs"),
    [
        ("JUMP_production/JUMP_QC_LoadData_v1", "Plate Well", {f"Orig{one}" for one in FIVE}),
        (
            "JUMP_production/JUMP_analysis_v3",
            "Plate Well Site",
            {kind + one for kind in ("Orig", "Illum") for one in EIGHT},
        ),
        ("JUMP_production/JUMP_illum_LoadData_v1", "Plate", {f"Orig{one}" for one in EIGHT}),
        (
            "JUMP_production/JUMP_segment_LoadData_v1",
            "Plate Well",
            {kind + one for kind in ("Orig", "Illum") for one in (*FIVE, "Brightfield")},
        ),
        (
            "cellpainting_a549_20x_phenix_bin1/analysis_without_batchfile",
            "Plate Well Site",
            {kind + one for kind in ("Orig", "Illum") for one in FIVE},
        ),
        ("cellpainting_a549_20x_phenix_bin1/illum_without_batchfile", "Plate", {f"Orig{one}" for one in FIVE}),
        ("cellpainting_a549_20x_phenix_bin1/qc_without_batchfile", "Plate Well Site", {"OrigDNA", "OrigRNA"}),
    ],
)
def test_published_pipelines_need_just_the_channels_of_their_load_data(
    name: str, grouping: str, inputs: set[str]
) -> None:
    path = REAL / f"{name}.cppipe"
    if not path.exists():
        pytest.skip("the published pipelines are not here")
    pipeline = parse_pipeline(path.read_bytes(), path.name)
    assert set(pipeline.input_images) == inputs
    assert pipeline.grouping == tuple(f"Metadata_{tag}" for tag in grouping.split())
    assert pipeline.reads_load_data
    assert bool(pipeline.aggregates) == ("illum" in name)


def test_pipelines_that_find_their_own_images_need_none() -> None:
    paths = [*(REPOSITORY / "tests" / "data").glob("*.cppipe"), *(REPOSITORY / "examples").rglob("*.cppipe")]
    pipelines = [parse_pipeline(path.read_bytes(), path.name) for path in paths]
    finders = [pipeline for pipeline in pipelines if not pipeline.reads_load_data]
    assert len(finders) >= 2
    assert [pipeline.input_images for pipeline in finders] == [()] * len(finders)


LABELS = """
import json, logging
logging.disable(logging.CRITICAL)
from cellprofiler_core.preferences import set_headless
set_headless()
from cellprofiler_core.setting import subscriber, text
from cellprofiler_core.utilities.core.modules import fill_modules, get_module_names, instantiate_module
fill_modules()
kinds_of_use = ("ImageSubscriber", "ImageListSubscriber", "LabelSubscriber", "LabelListSubscriber")
uses = tuple(getattr(subscriber, kind) for kind in kinds_of_use)
makes = (text.ImageName, text.LabelName)
kinds = [("uses", uses), ("makes", makes)]
print(json.dumps([
    (kind, name, setting.text)
    for name in get_module_names() for setting in instantiate_module(name).settings()
    for kind, types in kinds if isinstance(setting, types)
]))
"""


@pytest.mark.cellprofiler
def test_every_setting_of_cellprofiler_that_names_an_image_is_known(cellprofiler: CellProfiler, tmp_path: Path) -> None:
    answer = subprocess.run(
        [cellprofiler.python, "-c", LABELS], capture_output=True, text=True, check=True, cwd=tmp_path
    ).stdout
    labels = [one for one in json.loads(answer.splitlines()[-1]) if one[1] not in WITHOUT_NEEDS]
    assert len(labels) > 150
    unknown = [
        (kind, name, label)
        for kind, name, label in labels
        if not (is_input_label(name, label) if kind == "uses" else is_output_label(name, label))
    ]
    # CellProfiler's own slip: it is an input, and is taken for one here.
    assert unknown == [("makes", "UntangleWorms", "Select the input binary image")]
