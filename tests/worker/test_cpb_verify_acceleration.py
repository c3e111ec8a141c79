"""`cpb verify-acceleration`: both ways on one's own images, and what differs."""

import csv
import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from cellpainting.cellprofiler.compare_tables import OTHER, compare_tables
from cellpainting.cellprofiler.environment import CellProfiler
from cellpainting.cellprofiler.verification import choose_rows
from cellpainting.errors import CellProfilerFailed
from cellpainting.load_data import LoadData
from tests.conftest import LOAD_DATA_PIPELINE, Plate

IMAGE_SETS = [("P1", well, "1") for well in ("A01", "A02", "A03")]


PLUGIN = """
import random

from cellprofiler_core.module import Module


class Dice(Module):
    module_name = "Dice"
    category = "Other"
    variable_revision_number = 1

    def create_settings(self):
        pass

    def settings(self):
        return []

    def run(self, workspace):
        workspace.measurements.add_image_measurement("Dice_Number", random.random())

    def get_measurement_columns(self, pipeline):
        return [("Image", "Dice_Number", "float")]
"""
DICE = """Dice:[module_num:5|svn_version:'Unknown'|variable_revision_number:1|show_window:False|notes:[]|\
batch_state:array([], dtype=uint8)|enabled:True|wants_pause:False]

ExportToSpreadsheet:[module_num:6|"""


def verify(
    plate: Plate, cellprofiler: CellProfiler, *options: str, pipeline: Path = LOAD_DATA_PIPELINE
) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        ["cpb", "verify-acceleration", str(pipeline), str(plate.root / "plate" / "load_data.csv"), *options],
        check=False,
        capture_output=True,
        text=True,
        env={**os.environ, "CELLPROFILER": str(cellprofiler.command), "COLUMNS": "100"},
    )


@pytest.mark.cellprofiler
def test_both_ways_are_equal_and_each_module_has_a_row(plate: Plate, cellprofiler: CellProfiler) -> None:
    done = verify(plate.with_load_data(IMAGE_SETS), cellprofiler)
    assert done.returncode == 0, done.stderr
    assert "2 of 3 image sets" in done.stderr
    for row in ("MeasureObjectIntensity", OTHER, "the whole process"):
        assert row in done.stdout
    assert "0 columns out of tolerance (1e-06 relative, 1e-09 about zero)" in done.stdout


@pytest.mark.cellprofiler
def test_json_tells_times_memory_and_differences_of_both(plate: Plate, cellprofiler: CellProfiler) -> None:
    told: dict[str, Any] = json.loads(verify(plate.with_load_data(IMAGE_SETS), cellprofiler, "--json").stdout)
    for way in ("original", "accelerated"):
        assert told[way]["cpu_s"] > sum(told[way]["module_cpu_s"].values())
        assert told[way]["peak_memory_mib"] > 100
    assert "MeasureObjectIntensity" in told["acceleration"]["replaced"]
    assert told["modules"]["MeasureObjectIntensity"]["columns"] > 10
    assert told["modules"]["MeasureObjectIntensity"]["largest_difference"] <= told["tolerance"]["relative"]
    assert told["not_equal"] == []


@pytest.mark.cellprofiler
def test_a_column_out_of_tolerance_is_named_and_the_exit_status_is_1(plate: Plate, cellprofiler: CellProfiler) -> None:
    text = LOAD_DATA_PIPELINE.read_text().replace("ModuleCount:5", "ModuleCount:6")
    plate.bucket.write("plate/dice.cppipe", text.replace("ExportToSpreadsheet:[module_num:5|", DICE).encode())
    plate.bucket.write("plate/plugins/dice.py", PLUGIN.encode())
    folder = plate.root / "plate"
    plugins = ("--plugins", str(folder / "plugins"))
    done = verify(plate.with_load_data(IMAGE_SETS), cellprofiler, *plugins, pipeline=folder / "dice.cppipe")
    assert done.returncode == 1, done.stderr
    assert "not equal: Image.csv Dice_Number, row" in done.stdout
    assert "1 columns out of tolerance" in done.stdout


@pytest.mark.cellprofiler
def test_an_image_that_is_missing_is_named_and_nothing_is_measured(plate: Plate, cellprofiler: CellProfiler) -> None:
    plate = plate.with_load_data(IMAGE_SETS)
    (plate.images / "P1_A01_s1_DNA.tif").unlink()
    done = verify(plate, cellprofiler)
    assert done.returncode == 2
    assert "P1_A01_s1_DNA.tif" in done.stderr
    assert "mend it, or choose other sites" in done.stderr


def test_image_sets_are_spread_over_the_table_and_never_more_than_there_are() -> None:
    table = LoadData((), tuple((str(number),) for number in range(10)))
    assert [row for (row,) in choose_rows(table, 3).rows] == ["0", "3", "6"]
    assert len(choose_rows(table, 99).rows) == 10


def write_tables(folder: Path, **values: str) -> Path:
    folder.mkdir()
    row = {"ImageNumber": "1", "Texture_Contrast_DNA": "2.0", "PathName_DNA": str(folder), **values}
    for name in ("Cells.csv", "Experiment.csv"):
        with (folder / name).open("w", newline="") as file:
            writer = csv.DictWriter(file, row)
            writer.writeheader()
            writer.writerow(row)
    return folder


@pytest.mark.parametrize(
    ("value", "is_equal"),
    [("2.0000019", True), ("2.0000021", False), ("nan", False), ("", False)],
)
def test_a_column_is_equal_within_a_millionth(tmp_path: Path, value: str, is_equal: bool) -> None:
    one = write_tables(tmp_path / "one")
    other = write_tables(tmp_path / "other", Texture_Contrast_DNA=value)
    found = {item.column: item for item in compare_tables(one, other)}
    assert found.keys() == {"ImageNumber", "Texture_Contrast_DNA"}
    assert found["Texture_Contrast_DNA"].is_equal is is_equal
    assert found["Texture_Contrast_DNA"].module == "MeasureTexture"
    assert found["ImageNumber"].module == OTHER


def test_other_columns_are_no_small_difference(tmp_path: Path) -> None:
    one, other = write_tables(tmp_path / "one"), write_tables(tmp_path / "other", Texture_New="1")
    with pytest.raises(CellProfilerFailed, match="Texture_New"):
        compare_tables(one, other)
