"""`make demo`, from the drawing to the picture, with real CellProfiler in the local cloud."""

import csv
import json
import os
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from PIL import Image

from cellpainting.cellprofiler.environment import CellProfiler
from cellpainting.ledger import State
from examples.small_plate.contact_sheet import Tile, draw_sheet
from examples.small_plate.demo import MeasuredSite, difference, signed
from examples.small_plate.make_images import read_truth

REPOSITORY = Path(__file__).parents[2]
DEMO = REPOSITORY / "examples" / "small_plate" / "demo.py"
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
def test_demo_counts_the_cells_that_were_drawn_and_accounts_for_every_site(
    demo: tuple[Path, str], cellprofiler: CellProfiler
) -> None:
    tmp_path, first = demo
    truth = {(site.well, str(site.site)): site.cells for site in read_truth(tmp_path / "plate" / "truth.csv")}
    rows = read_rows(tmp_path / "results/row_A/Image.csv") + read_rows(tmp_path / "results/row_B/Image.csv")
    counted = {(row["Metadata_Well"], row["Metadata_Site"]): float(row["Count_Nuclei"]) for row in rows}
    assert counted.keys() == truth.keys()
    assert sum(abs(counted[site] - truth[site]) for site in truth) <= 0.02 * sum(truth.values())

    runs = [tmp_path / "cloud" / "bucket" / "runs" / f"small-plate-row-{row}" for row in "AB"]
    states = {(row["well"], row["site"]): row["state"] for run in runs for row in read_rows(run / "ledger.csv")}
    assert states == {site: "no_cells" if site[0] == "B03" else "done" for site in truth}
    summaries = [json.loads((run / "summary.json").read_text()) for run in runs]
    assert all(summary["complete"] for summary in summaries)
    assert [summary["states"] for summary in summaries] == [
        {state.value: Counter(states[site] for site in states if site[0][0] == row)[state] for state in State}
        for row in "AB"
    ]
    _check_picture(tmp_path)
    page = tmp_path / "SmallPlate.html"
    assert first.splitlines()[-1].endswith("Look at SmallPlate.html")
    assert page.read_text().count("data:image/jpeg;base64,") == 6  # a picture of each well
    assert "SmallPlate: good" in first

    second = run_demo(tmp_path, cellprofiler)
    assert second.count("nothing was submitted") == 2
    assert table_of(second) == table_of(first)


@pytest.mark.cellprofiler
def test_what_the_demo_measured_becomes_backends_in_the_same_cloud_and_what_was_odd_is_on_the_page(
    demo: tuple[Path, str], tmp_path: Path
) -> None:
    cloud = tmp_path / "cloud"
    shutil.copytree(demo[0] / "cloud", cloud)
    cut = cloud / "bucket" / "examples" / "small_plate" / "results" / "row_A" / "Nuclei.csv"
    cut.write_bytes(cut.read_bytes()[:-200])
    common = {"job_type": "build_backend", "output": "backend", "plate": "SmallPlate"}
    requests = [
        {**common, "run": "by-prefix", "analysis": "examples/small_plate/results", "batch": "both_rows"},
        {**common, "run": "by-run", "analysis": "runs/small-plate-row-B", "batch": "row_B", "aggregate": "median"},
    ]
    (tmp_path / "requests.json").write_text(json.dumps(requests))
    ended = subprocess.run(
        ["cpb", "local", "run", str(tmp_path / "requests.json"), "--data", str(cloud)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 1, ended.stdout + ended.stderr  # one of them is not complete
    runs, backend = cloud / "bucket" / "runs", cloud / "bucket" / "backend"
    states = {run: json.loads((runs / run / "summary.json").read_text())["states"] for run in ("by-prefix", "by-run")}
    assert {state: count for state, count in states["by-prefix"].items() if count} == {
        "input_damaged": 6,
        "no_cells": 2,
        "done": 4,
    }
    assert {state: count for state, count in states["by-run"].items() if count} == {"no_cells": 2, "done": 4}
    page = (backend / "both_rows" / "SmallPlate" / "SmallPlate_ingest.html").read_text()
    assert "row_A/Nuclei.csv" in page
    assert "fields, the header has" in page
    wells = read_rows(backend / "both_rows" / "SmallPlate" / "SmallPlate.csv")
    assert [(well["Metadata_Well"], well["Metadata_Site_Count"]) for well in wells] == [
        (f"{row}0{column}", "2") for row in "AB" for column in (1, 2, 3)
    ]
    cells = sum(int(well["Metadata_Object_Count"]) for well in wells)
    assert cells == sum(float(row["Count_Cells"]) for row in read_rows(cut.with_name("Image.csv"))) + sum(
        int(well["Metadata_Object_Count"]) for well in read_rows(backend / "row_B" / "SmallPlate" / "SmallPlate.csv")
    )
    assert wells[-1]["Metadata_Object_Count"] == "0"


def table_of(text: str) -> str:
    """What follows the table's title, without what is told of the backend and the profiles that are there already."""
    return text.partition("What ran")[2].partition("cpb ingest")[0]


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
