"""The main job on this machine: draw a small plate, measure it in a local cloud, compare with the truth; then make its
backend, its profiles and the page about it.

    uv run python examples/small_plate/demo.py [--folder FOLDER] [--picture PATH]

Exit status: that of `cpb local run`, or 1 if the counted cells are farther from the true ones than they should be.
"""

import argparse
import csv
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from rich.console import Console
from rich.table import Table

REPOSITORY = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(REPOSITORY))  # run as a script, Python knows this file's own folder only

from cellpainting.jobs import RunRecord, parse_message  # noqa: E402
from cellpainting.ledger import State, read_ledger  # noqa: E402
from cellpainting.storage import FolderStorage  # noqa: E402
from examples.small_plate.contact_sheet import Tile, draw_sheet  # noqa: E402
from examples.small_plate.make_images import (  # noqa: E402
    PLATEMAP,
    SMALL_PLATE,
    TRUTH,
    Site,
    read_truth,
    write_if_new,
    write_plate,
)

HERE = Path(__file__).resolve().parent
PREFIX = "examples/small_plate"  # where the request expects the plate in the bucket
PIPELINE = "small_plate.cppipe"
BATCH = "small_batch"
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
    def results(self) -> Path:
        return self.root / "results"

    @property
    def picture(self) -> Path:
        return self.root / "outlines.png"

    @property
    def workspace(self) -> Path:
        """Backend and profiles, in folders named as the Cell Painting Gallery has them."""
        return self.root / "workspace"

    @property
    def page(self) -> Path:
        return self.root / f"{SMALL_PLATE.name}.html"


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
    parser = argparse.ArgumentParser(description="Draw a small plate, measure it, compare, and make the page about it.")
    parser.add_argument("--folder", type=Path, default=REPOSITORY / "demo", help="where to work  [default: demo]")
    parser.add_argument("--picture", type=Path, help="where to put a second copy of the picture")
    options = parser.parse_args(arguments)
    console, folders = Console(highlight=False), Folders(options.folder.resolve())
    started = time.monotonic()
    console.print(f"small plate: drawing {len(SMALL_PLATE.wells)} wells x {SMALL_PLATE.sites} sites x 5 channels")
    write_plate(SMALL_PLATE, folders.plate)
    write_if_new(folders.plate / PIPELINE, (HERE / PIPELINE).read_bytes())
    status = run_in_local_cloud(folders)
    if status:
        console.print(f"The run failed with status {status}; the lines above say why.", style="red")
        return status
    runs = parse_message((HERE / "request.json").read_text())
    sites = read_sites(folders, runs)
    draw_sheet([_tile(site) for site in sites if site.site == 1], folders.picture)
    if options.picture:
        options.picture.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(folders.picture, options.picture)
    print_sites(console, sites)
    print_places(console, folders, runs)
    status = make_page(console, folders, runs)
    if status:
        console.print(f"The page was not made, status {status}; the lines above say why.", style="red")
        return status
    console.print(f"{time.monotonic() - started:.0f} s in all. Look at {shown(folders.page)}", soft_wrap=True)
    return 0 if difference(sites) <= MAX_DIFFERENCE else 1


def run_in_local_cloud(folders: Folders) -> int:
    """Send the request as anybody would, with the command line; its progress goes to the terminal."""
    arguments = ["--upload", f"{folders.plate}={PREFIX}"]
    arguments += ["--download", f"{PREFIX}/results={folders.results}"]
    arguments += ["--data", str(folders.cloud)]
    return run_cpb("local", "run", str(HERE / "request.json"), *arguments)


def make_page(console: Console, folders: Folders, runs: Sequence[RunRecord]) -> int:
    """From what was measured to the page, by commands that anybody would type; the status of the first that fails."""
    backend, profiles = folders.workspace / "backend", folders.workspace / "profiles"
    plate = backend / BATCH / SMALL_PLATE.name
    commands = (
        ("ingest", shown(folders.results), "-o", shown(backend), "--batch", BATCH),
        ("profile", "--backend", shown(plate), "--platemap", shown(folders.plate / PLATEMAP), "-o", shown(profiles)),
        (
            "report",
            *(run.run_id for run in runs),
            shown(plate),
            "--bucket",
            shown(folders.bucket),
            "-o",
            shown(folders.page),
        ),
    )
    for arguments in commands:
        console.print(f"cpb {' '.join(arguments)}", style="bold", soft_wrap=True)
        if status := run_cpb(*arguments):
            return status
    return 0


def run_cpb(*arguments: str) -> int:
    """Run our own command as anybody would; its exit status."""
    command = [str(Path(sys.executable).with_name("cpb")), *arguments]
    with subprocess.Popen(command) as process:
        try:
            return process.wait()
        except KeyboardInterrupt:  # Ctrl-C reaches the command, too: let it stop its jobs
            return process.wait()


def read_sites(folders: Folders, runs: Sequence[RunRecord]) -> list[MeasuredSite]:
    """Put the ledger's states and CellProfiler's Image.csv beside the truth, a row per site that was drawn."""
    bucket = FolderStorage(folders.bucket)
    measured = {}
    for run in runs:
        results = folders.results / PurePosixPath(run.job.output).name
        with (results / "Image.csv").open(newline="") as file:
            rows = {(row["Metadata_Well"], row["Metadata_Site"]): row for row in csv.DictReader(file)}
        for outcome in read_ledger(bucket, run.run_id).outcomes:
            place = outcome.image_set.well, outcome.image_set.site
            measured[place] = (outcome.state, rows[place], results / "outlines")
    truths = read_truth(folders.plate / TRUTH)
    return [_measured_site(truth, *measured[truth.well, str(truth.site)]) for truth in truths]


def _measured_site(truth: Site, state: State, row: Mapping[str, str], outlines: Path) -> MeasuredSite:
    return MeasuredSite(
        well=truth.well,
        site=truth.site,
        state=state,
        counted=int(float(row["Count_Nuclei"])),
        true=truth.cells,
        seconds=sum(float(value) for name, value in row.items() if name.startswith("ExecutionTime_")),
        outlines=outlines / f"{truth.plate}_{truth.well}_s{truth.site}.png",
    )


def difference(sites: Sequence[MeasuredSite]) -> float:
    """How far the counts are from the truth, as a share of all cells; one too many does not make up for one too few."""
    return sum(abs(site.counted - site.true) for site in sites) / max(1, sum(site.true for site in sites))


def print_sites(console: Console, sites: Sequence[MeasuredSite]) -> None:
    """A row per site, and a line for all of them."""
    table = Table("well", "site", "cells", "state", title="What ran", show_footer=True, title_justify="left")
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


def print_places(console: Console, folders: Folders, runs: Sequence[RunRecord]) -> None:
    """Where to look further."""
    places = Table(box=None, show_header=False, pad_edge=False)
    places.add_row("results", shown(folders.results))
    for run in runs:
        keys = run.keys
        places.add_row("ledger", shown(folders.bucket / keys.ledger))
        places.add_row("manifest", shown(folders.bucket / keys.shard(0)))
        places.add_row("log", shown(folders.bucket / keys.log(0)))
    places.add_row("truth", shown(folders.plate / TRUTH))
    places.add_row("picture", shown(folders.picture))
    console.print(places)


def shown(path: Path) -> str:
    """A path as a person would type it: relative to where they stand, if it lies there."""
    here = Path.cwd()
    return str(path.relative_to(here) if path.is_relative_to(here) else path)


def _tile(site: MeasuredSite) -> Tile:
    cells = "no cells" if site.state is State.NO_CELLS else f"{site.counted} counted, {site.true} true"
    return Tile(site.outlines, site.well, CONDITIONS[site.well], cells)


if __name__ == "__main__":
    sys.exit(main())
