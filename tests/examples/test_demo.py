"""`make demo`, from the drawing to the picture, with real CellProfiler in the local cloud."""

import csv
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cellpainting.cellprofiler.environment import CellProfiler
from cellpainting.ledger import State
from examples.small_plate.contact_sheet import Tile, draw_sheet
from examples.small_plate.demo import MeasuredSite, difference, signed
from examples.small_plate.make_images import CHANNELS, SMALL_PLATE, VIGNETTING, read_truth

REPOSITORY = Path(__file__).parents[2]
DEMO = REPOSITORY / "examples" / "small_plate" / "demo.py"
PAGE = "workspace/reports/small_batch/SmallPlate.html"
MAX_PICTURE_BYTES = 400_000  # what a README should load


def run_demo(folder: Path, cellprofiler: CellProfiler) -> str:
    """Run it as `make demo` does; returns what it printed."""
    ended = subprocess.run(
        [sys.executable, str(DEMO), "--folder", str(folder), "--picture", str(folder / "copy" / "outlines.png")],
        env={**os.environ, "CELLPROFILER": str(cellprofiler.command), "COLUMNS": "200"},
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout


def read_rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory, cellprofiler: CellProfiler) -> tuple[Path, str]:
    """The folder of a demo that was run, and what it printed."""
    folder = tmp_path_factory.mktemp("demo")
    return folder, run_demo(folder, cellprofiler)


@pytest.mark.cellprofiler
@pytest.mark.stages
def test_one_message_counts_the_cells_that_were_drawn_and_ends_in_the_page(demo: tuple[Path, str]) -> None:
    folder, first = demo
    truth = {(site.well, str(site.site)): site.cells for site in read_truth(folder / "plate" / "truth.csv")}
    rows = [row for path in analysis_of(folder).glob("*/Image.csv") for row in read_rows(path)]
    counted = {(row["Metadata_Well"], row["Metadata_Site"]): float(row["Count_Nuclei"]) for row in rows}
    assert counted.keys() == truth.keys()
    assert sum(abs(counted[site] - truth[site]) for site in truth) <= 0.02 * sum(truth.values())

    run = folder / "cloud" / "bucket" / "runs" / "small-plate"
    states = {(row["well"], row["site"]): row["state"] for row in read_rows(run / "ledger.csv")}
    assert states == {site: "no_cells" if site[0] == "B03" else "done" for site in truth}
    summary = json.loads((run / "summary.json").read_text())
    assert summary["complete"]
    stages = {name: stage["state"] for name, stage in summary["stages"]["SmallPlate"].items()}
    assert stages == dict.fromkeys(("illumination", "analysis", "backend", "profiles", "report"), "complete")
    _check_picture(folder)
    page = folder / PAGE
    assert first.splitlines()[-1].endswith(f"Look at {PAGE}")
    assert page.read_text().count("data:image/jpeg;base64,") == 6  # a picture of each well
    assert "SmallPlate: good" in first


@pytest.mark.cellprofiler
@pytest.mark.stages
def test_a_repeated_demo_does_no_work_again_and_tells_the_same(
    demo: tuple[Path, str], cellprofiler: CellProfiler
) -> None:
    folder, first = demo
    done = manifests(folder)
    assert len(done) == 6  # two of the analysis
    second = run_demo(folder, cellprofiler)
    assert second.count("nothing was submitted") == 1
    assert table_of(second) == table_of(first)
    assert manifests(folder) == done


@pytest.mark.cellprofiler
@pytest.mark.stages
def test_illumination_functions_take_most_of_the_vignetting_away(demo: tuple[Path, str]) -> None:
    y, x = np.ogrid[-1 : 1 : SMALL_PLATE.size_px * 1j, -1 : 1 : SMALL_PLATE.size_px * 1j]
    light = 1 - VIGNETTING * (y**2 + x**2) / 2
    functions = sorted((demo[0] / "workspace" / "illum").rglob("*.npy"))
    assert {path.name for path in functions} == {f"SmallPlate_Illum{channel}.npy" for channel in CHANNELS}
    for path in functions:
        left = light / np.load(path)
        assert left.std() / left.mean() < 0.5 * light.std() / light.mean()


@pytest.mark.cellprofiler
@pytest.mark.stages
def test_what_the_demo_measured_becomes_backends_in_the_same_cloud_and_what_was_odd_is_on_the_page(
    demo: tuple[Path, str], tmp_path: Path
) -> None:
    cloud = tmp_path / "cloud"
    shutil.copytree(demo[0] / "cloud", cloud)
    runs, backend = cloud / "bucket" / "runs", cloud / "bucket" / "backend"
    prefix = "examples/small_plate/workspace/analysis/small_batch/SmallPlate/analysis"
    cut = cloud / "bucket" / prefix / "SmallPlate-A01-1" / "Nuclei.csv"
    cut.write_bytes(cut.read_bytes()[:-200])
    common = {"job_type": "build_backend", "output": "backend", "plate": "SmallPlate"}
    analysis = "runs/small-plate--SmallPlate--analysis"
    requests = [
        {**common, "run": "by-prefix", "analysis": prefix, "batch": "by_prefix"},
        {**common, "run": "by-run", "analysis": analysis, "batch": "by_run", "aggregate": "median"},
    ]
    (tmp_path / "requests.json").write_text(json.dumps(requests))
    command = ["cpb", "local", "run", str(tmp_path / "requests.json"), "--data", str(cloud)]
    ended = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert ended.returncode == 1, ended.stdout + ended.stderr  # neither of them is complete
    signs = ("fields, the header has", "when it was listed")  # a run knows how large its files were
    for request, sign in zip(requests, signs, strict=True):
        states = json.loads((runs / request["run"] / "summary.json").read_text())["states"]
        assert {state: count for state, count in states.items() if count} == {
            "input_damaged": 1,
            "no_cells": 2,
            "done": 9,
        }
        page = (backend / request["batch"] / "SmallPlate" / "SmallPlate_ingest.html").read_text()
        assert "SmallPlate-A01-1/Nuclei.csv" in page
        assert sign in page
        wells = read_rows(backend / request["batch"] / "SmallPlate" / "SmallPlate.csv")
        assert [(well["Metadata_Well"], well["Metadata_Site_Count"]) for well in wells] == [
            (f"{row}0{column}", "2") for row in "AB" for column in (1, 2, 3)
        ]
        cells = sum(float(row["Count_Cells"]) for path in cut.parents[1].glob("*/Image.csv") for row in read_rows(path))
        assert sum(int(well["Metadata_Object_Count"]) for well in wells) == cells
        assert wells[-1]["Metadata_Object_Count"] == "0"


def analysis_of(folder: Path) -> Path:
    """The folder that has one of each site."""
    return folder / "workspace" / "analysis" / "small_batch" / "SmallPlate" / "analysis"


def manifests(folder: Path) -> dict[str, bytes]:
    """What the jobs of all stages wrote last: another of any of them says other seconds."""
    runs = folder / "cloud" / "bucket" / "runs"
    return {str(path.relative_to(runs)): path.read_bytes() for path in runs.glob("*/shards/*.json")}


def table_of(text: str) -> str:
    """What follows the table's title, but for the seconds at the end."""
    return text.partition("What was counted")[2].rpartition("\n")[0].rpartition("\n")[0]


def _check_picture(folder: Path) -> None:
    picture = folder / "outlines.png"
    assert picture.read_bytes() == (folder / "copy" / "outlines.png").read_bytes()
    assert picture.stat().st_size <= MAX_PICTURE_BYTES
    with Image.open(picture) as image:
        assert image.width == 1200


def test_differences_do_not_make_up_for_each_other() -> None:
    sites = [MeasuredSite("A01", site, State.DONE, 50 + off, 50, 1.0, Path()) for site, off in ((1, 2), (2, -2))]
    assert difference(sites) == 0.04
    assert [signed(number) for number in (2, 0, -2)] == ["+2", "0", "-2"]


def test_contact_sheet_has_rows_of_three_and_keeps_the_colors_of_its_legend(tmp_path: Path) -> None:
    overlay = tmp_path / "overlay.png"
    Image.linear_gradient("L").convert("RGB").save(overlay)
    draw_sheet([Tile(overlay, f"A0{n}", "control", "3 counted, 3 true") for n in range(1, 5)], tmp_path / "sheet.png")
    with Image.open(tmp_path / "sheet.png") as sheet:
        assert sheet.size == (1200, 56 + 2 * (384 + 38 + 12))
        colors = {color for _, color in sheet.convert("RGB").getcolors(1 << 16) or ()}
    assert {(255, 210, 60), (255, 255, 255), (18, 176, 76)} <= colors
