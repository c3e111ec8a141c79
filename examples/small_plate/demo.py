"""The main job on this machine: draw a small plate, send one message that takes it through all stages in a local cloud,
from illumination functions to the page about it, and compare what was counted with the truth.

    uv run python examples/small_plate/demo.py [--folder FOLDER] [--picture PATH]

Exit status: that of `cpb local run`, or 1 if the counted cells are farther from the true ones than they should be.
"""

import argparse
import csv
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

REPOSITORY = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(REPOSITORY))  # run as a script, Python knows this file's own folder only

from cellpainting.jobs.run_record import RunKeys  # noqa: E402
from cellpainting.ledger import State, read_ledger  # noqa: E402
from cellpainting.ledger.stage_record import read_stage_record  # noqa: E402
from cellpainting.storage import FolderStorage  # noqa: E402
from examples.small_plate.contact_sheet import Tile, draw_sheet  # noqa: E402
from examples.small_plate.make_images import (  # noqa: E402
    SMALL_PLATE,
    TRUTH,
    Site,
    read_truth,
    write_if_new,
    write_plate,
)

HERE = Path(__file__).resolve().parent
PREFIX = "examples/small_plate"  # where the request expects the plate in the bucket
PIPELINES = ("illumination.cppipe", "analysis.cppipe")
RESULTS = f"{PREFIX}/workspace"  # the request's output
RUN = "small-plate"
PLATE_FOLDER = f"{SMALL_PLATE.batch}/{SMALL_PLATE.name}"
MAX_DIFFERENCE = 0.02  # of all cells: segmentation may join or split a few, on another machine too
STATE_STYLES = {State.DONE: "green", State.NO_CELLS: "cyan"}
CONDITIONS = {well: condition.name for well, condition in SMALL_PLATE.wells}


@dataclass(frozen=True)
class Folders:
    """Where everything of a demo lies, below one folder."""

    root: Path

    @property
    def plate(self) -> Path:
        return self.root / "plate"

    @property
    def cloud(self) -> Path:
        return self.root / "cloud"

    @property
    def bucket(self) -> Path:
        return self.cloud / "bucket"

    @property
    def workspace(self) -> Path:
        """What all stages made, in folders named as the Cell Painting Gallery has them."""
        return self.root / "workspace"

    @property
    def picture(self) -> Path:
        return self.root / "outlines.png"

    @property
    def page(self) -> Path:
        return self.workspace / "reports" / f"{PLATE_FOLDER}.html"

    def measured(self, site: Site) -> Path:
        """Where the analysis left what it measured of a site."""
        return self.workspace / "analysis" / PLATE_FOLDER / "analysis" / f"{site.plate}-{site.well}-{site.site}"


@dataclass(frozen=True)
class MeasuredSite:
    """A site's state, its cells as measured and as drawn, and the seconds that CellProfiler's modules took."""

    well: str
    site: int
    state: State
    counted: int
    true: int
    seconds: float
    outlines: Path


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the demo and return its exit status."""
    parser = argparse.ArgumentParser(description="Draw a small plate, take it through all stages, and compare.")
    parser.add_argument("--folder", type=Path, default=REPOSITORY / "demo", help="where to work  [default: demo]")
    parser.add_argument("--picture", type=Path, help="where to put a second copy of the picture")
    options = parser.parse_args(arguments)
    console, folders = Console(highlight=False), Folders(options.folder.resolve())
    started = time.monotonic()
    console.print(f"small plate: drawing {len(SMALL_PLATE.wells)} wells x {SMALL_PLATE.sites} sites x 5 channels")
    write_plate(SMALL_PLATE, folders.plate)
    for pipeline in PIPELINES:
        write_if_new(folders.plate / pipeline, (HERE / pipeline).read_bytes())
    status = run_in_local_cloud(folders)
    if status:
        console.print(f"The run failed with status {status}; the lines above say why.", style="red")
        return status
    sites = read_sites(folders)
    draw_sheet([_tile(site) for site in sites if site.site == 1], folders.picture)
    if options.picture:
        options.picture.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(folders.picture, options.picture)
    print_sites(console, sites)
    print_places(console, folders)
    console.print(f"{time.monotonic() - started:.0f} s in all. Look at {shown(folders.page)}", soft_wrap=True)
    return 0 if difference(sites) <= MAX_DIFFERENCE else 1


def run_in_local_cloud(folders: Folders) -> int:
    """Send the message as anybody would, with the command line; its progress goes to the terminal."""
    arguments = ["--upload", f"{folders.plate}={PREFIX}"]
    arguments += ["--download", f"{RESULTS}={folders.workspace}"]
    arguments += ["--data", str(folders.cloud)]
    command = [str(Path(sys.executable).with_name("cpb")), "local", "run", str(HERE / "request.json"), *arguments]
    with subprocess.Popen(command) as process:
        try:
            return process.wait()
        except KeyboardInterrupt:  # Ctrl-C reaches the command, too: let it stop its jobs
            return process.wait()


def read_sites(folders: Folders) -> list[MeasuredSite]:
    """Put the ledger's states and CellProfiler's Image.csv beside the truth, a row per site that was drawn."""
    outcomes = read_ledger(FolderStorage(folders.bucket), RUN).outcomes
    states = {(outcome.image_set.well, outcome.image_set.site): outcome.state for outcome in outcomes}
    return [
        _measured_site(truth, states[truth.well, str(truth.site)], folders.measured(truth))
        for truth in read_truth(folders.plate / TRUTH)
    ]


def _measured_site(truth: Site, state: State, folder: Path) -> MeasuredSite:
    with (folder / "Image.csv").open(newline="") as file:
        (row,) = csv.DictReader(file)
    return MeasuredSite(
        well=truth.well,
        site=truth.site,
        state=state,
        counted=int(float(row["Count_Nuclei"])),
        true=truth.cells,
        seconds=sum(float(value) for name, value in row.items() if name.startswith("ExecutionTime_")),
        outlines=folder / "outlines" / f"{truth.plate}_{truth.well}_s{truth.site}.png",
    )


def difference(sites: Sequence[MeasuredSite]) -> float:
    """How far the counts are from the truth, as a share of all cells; one too many does not make up for one too few."""
    return sum(abs(site.counted - site.true) for site in sites) / max(1, sum(site.true for site in sites))


def print_sites(console: Console, sites: Sequence[MeasuredSite]) -> None:
    """A row per site, and a line for all of them."""
    table = Table("well", "site", "cells", "state", title="What was counted", show_footer=True, title_justify="left")
    table.columns[0].footer = "all"
    table.columns[1].footer = str(len(sites))
    counted, true = sum(site.counted for site in sites), sum(site.true for site in sites)
    footers = {
        "counted": str(counted),
        "true": str(true),
        "difference": signed(counted - true),
        "module seconds": f"{sum(site.seconds for site in sites):.1f}",
    }
    for name, footer in footers.items():
        table.add_column(name, footer=footer, justify="right")
    for site in sites:
        style = STATE_STYLES.get(site.state, "red")
        numbers = (str(site.counted), str(site.true), signed(site.counted - site.true), f"{site.seconds:.1f}")
        table.add_row(site.well, str(site.site), CONDITIONS[site.well], f"[{style}]{site.state}[/]", *numbers)
    console.print(table)
    console.print(
        f"{counted} cells counted, {true} drawn; site by site the counts are off by {difference(sites):.1%} "
        f"of all cells (at most {MAX_DIFFERENCE:.0%} is right).",
        soft_wrap=True,
    )


def signed(number: int) -> str:
    """A difference with its sign, and none without."""
    return f"{number:+d}" if number else "0"


def print_places(console: Console, folders: Folders) -> None:
    """Where to look further."""
    keys = RunKeys(RUN)
    record = read_stage_record(keys, FolderStorage(folders.bucket))
    logs = [RunKeys(stage.run_id).log(0) for stage in record.stages] if record else []
    places = [
        ("results", folders.workspace),
        ("ledger", folders.bucket / keys.ledger),
        *(("log", folders.bucket / key) for key in logs),
        ("truth", folders.plate / TRUTH),
        ("picture", folders.picture),
    ]
    for name, path in places:
        console.print(f"{name:<8} {shown(path)}", soft_wrap=True)


def shown(path: Path) -> str:
    """A path as a person would type it: relative to where they stand, if it lies there."""
    here = Path.cwd()
    return str(path.relative_to(here) if path.is_relative_to(here) else path)


def _tile(site: MeasuredSite) -> Tile:
    cells = "no cells" if site.state is State.NO_CELLS else f"{site.counted} counted, {site.true} true"
    return Tile(site.outlines, site.well, CONDITIONS[site.well], cells)


if __name__ == "__main__":
    sys.exit(main())
