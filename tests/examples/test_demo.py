"""`make demo`, from the drawing to the picture, with real CellProfiler in the local cloud."""

import csv
import json
import os
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


@pytest.mark.cellprofiler
def test_demo_counts_the_cells_that_were_drawn_and_accounts_for_every_site(
    tmp_path: Path, cellprofiler: CellProfiler
) -> None:
    first = run_demo(tmp_path, cellprofiler)
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

    second = run_demo(tmp_path, cellprofiler)
    assert second.count("nothing was submitted") == 2
    assert table_of(second) == table_of(first)


def table_of(text: str) -> str:
    """What follows the table's title, without the last line, which tells the time."""
    return "\n".join(text.partition("What ran")[2].rstrip().splitlines()[:-1])


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
