"""Runs with accelerated measurements: what the manifest tells, and when they are switched off."""

import subprocess
from pathlib import Path

import pytest

from cellpainting.cellprofiler.compare_tables import compare_tables
from cellpainting.cellprofiler.environment import CellProfiler, find_cellprofiler
from cellpainting.ledger import Manifest
from cellpainting.ledger.manifest import Acceleration
from tests.conftest import LOAD_DATA_PIPELINE, REPOSITORY, Plate

pytestmark = pytest.mark.cellprofiler
IMAGE_SETS = [("P1", well, "1") for well in ("A01", "A02", "A03")]
TEXTURE = """MeasureTexture:[module_num:5|svn_version:'Unknown'|variable_revision_number:7|show_window:False|notes:[]|\
batch_state:array([], dtype=uint8)|enabled:True|wants_pause:False]
    Select images to measure:CorrDNA
    Select objects to measure:Nuclei
    Enter how many gray levels to measure the texture at:256
    Hidden:1
    Measure whole images or objects?:Both
    Texture scale to measure:3

ExportToSpreadsheet:[module_num:6|"""
# Of the same name, but another module.
PLUGIN = """
from cellprofiler.modules.measuretexture import MeasureTexture as Original


class MeasureTexture(Original):
    def run_one(self, *arguments):
        print("the plugin measures", flush=True)
        return super().run_one(*arguments)
"""


@pytest.fixture
def textured(plate: Plate) -> Plate:
    """The plate, with a pipeline that measures texture too."""
    plate = plate.with_load_data(IMAGE_SETS)
    text = LOAD_DATA_PIPELINE.read_text().replace("ModuleCount:5", "ModuleCount:6")
    text = text.replace("ExportToSpreadsheet:[module_num:5|", TEXTURE)
    plate.bucket.write("plate/textured.cppipe", text.encode())
    return plate.asking(pipeline="plate/textured.cppipe")


def acceleration(manifest: Manifest) -> Acceleration | None:
    """What all groups of a shard say, who say the same."""
    assert manifest.is_success, manifest.reason or manifest.outcomes
    said = manifest.groups[0].acceleration
    assert all(group.acceleration == said for group in manifest.groups)
    return said


def log(plate: Plate) -> str:
    return plate.bucket.read(plate.record.keys.log(0)).decode()


def test_the_manifest_tells_how_results_were_accelerated_and_they_equal_the_original_ones(
    textured: Plate, cellprofiler: CellProfiler
) -> None:
    fast = textured.asking(output="plate/fast")
    said = acceleration(fast.run(cellprofiler))
    assert said
    assert "MeasureTexture" in said.replaced
    assert not said.left_alone
    assert len(said.version) == 16
    stored = Manifest.from_json(fast.bucket.read(fast.record.keys.shard(0)))
    assert stored.groups[0].acceleration == said
    original = textured.asking(output="plate/original", accelerate=False)
    assert acceleration(original.run(cellprofiler)) is None
    compared = compare_tables(textured.root / "plate" / "original", textured.root / "plate" / "fast")
    assert sum(item.count for item in compared) > 500
    assert not [item for item in compared if not item.is_equal]
    assert "not accelerated" not in log(fast)


def test_accelerated_results_are_measured_again_for_who_wants_the_original_and_not_the_other_way_round(
    textured: Plate, cellprofiler: CellProfiler
) -> None:
    textured = textured.asking(run="same")
    original = textured.asking(accelerate=False)
    textured.run(cellprofiler)
    measured = original.run(cellprofiler)
    assert acceleration(measured) is None
    assert textured.run(cellprofiler) == measured


def test_a_plugin_that_replaces_a_module_is_left_alone_with_a_line_in_the_log(
    textured: Plate, cellprofiler: CellProfiler
) -> None:
    textured.bucket.write("plate/plugins/measuretexture.py", PLUGIN.encode())
    textured = textured.asking(plugins="plate/plugins")
    said = acceleration(textured.run(cellprofiler))
    assert said
    assert "MeasureTexture" not in said.replaced
    assert said.left_alone["MeasureTexture"].startswith("a plugin replaces it")
    assert log(textured).count("cpb: MeasureTexture is not accelerated: a plugin replaces it") == 1
    assert "the plugin measures" in log(textured)


def test_without_compiled_kernels_everything_is_measured_by_cellprofilers_own_means(
    textured: Plate, cellprofiler: CellProfiler, tmp_path: Path
) -> None:
    said = acceleration(textured.run(without_kernels(cellprofiler, tmp_path / "environment")))
    assert said
    assert "MeasureTexture" not in said.replaced
    assert "run 'make setup'" in said.left_alone["MeasureTexture"]


def without_kernels(cellprofiler: CellProfiler, environment: Path) -> CellProfiler:
    """The same CellProfiler as an environment of its own, for which no kernels were compiled."""
    whole = cellprofiler.python.parents[1]
    (environment / "bin").mkdir(parents=True)
    for name in ("lib", "pyvenv.cfg", "java_home"):
        (environment / name).symlink_to(whole / name)
    python = environment / "bin" / "python"
    python.symlink_to(cellprofiler.python.resolve())
    command = environment / "bin" / "cellprofiler"
    command.write_text(f"#!{python}\n")
    return find_cellprofiler(str(command))


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ('parts.VERSIONS["cellprofiler"] = "4.2.9"', "cellprofiler is 4.2.8.1, and equal values are proven for 4.2.9"),
        (
            'part.sources["cellprofiler.modules.measuretexture"] = "0123456789abcdef"',
            "cellprofiler.modules.measuretexture is not as it was proven equal to",
        ),
    ],
)
def test_an_unknown_version_or_source_is_left_alone_and_the_original_stays(
    cellprofiler: CellProfiler, changed: str, reason: str
) -> None:
    inside = REPOSITORY / "containers" / "worker" / "cellpainting" / "cellprofiler" / "inside"
    script = f"""
import sys
sys.path.insert(0, {str(inside)!r})
from accelerated import parts
from cellprofiler_core import preferences
preferences.set_headless()
from cellprofiler_core.utilities.core.modules import fill_modules
fill_modules()
from cellprofiler.modules.measuretexture import MeasureTexture
(part,) = [part for part in parts.PARTS if part.name == "MeasureTexture"]
before = MeasureTexture.run_one
{changed}
found = parts.accelerate(["MeasureTexture"])
assert MeasureTexture.run_one is before
print(found.left_alone["MeasureTexture"])
"""
    done = subprocess.run([cellprofiler.python, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip().startswith(reason)
