"""What published analysis pipelines take, by module: CellProfiler as it comes, and accelerated.

Each pipeline measures one whole real site (tests/real_plate/make_sites.py), one run each, one after the other. "As it
comes" is `cellprofiler -c -r` with as many threads of BLAS as it starts. The worker gives each process one thread; what
that alone changes is told below each table. Processor time is that of the whole process, its start and its export
included. Every column is compared. Needs the images and pipelines of `tests/real_plate`, which are not part of the
repository.

    CELLPROFILER=.cellprofiler/bin/cellprofiler .venv/bin/python benchmarks/acceleration.py [--chart FILE]
"""

import argparse
import os
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

REPOSITORY = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(REPOSITORY))  # run as a script, Python knows this file's own folder only

from benchmarks.drawing.bars import Pair, draw_bars  # noqa: E402
from benchmarks.peers.processes import Cost, measured  # noqa: E402
from cellpainting.cellprofiler.compare_tables import by_module  # noqa: E402
from cellpainting.cellprofiler.environment import CellProfiler, find_cellprofiler  # noqa: E402
from cellpainting.cellprofiler.process import SAME_COLUMNS  # noqa: E402
from cellpainting.cellprofiler.verification import Verification, module_seconds, verify  # noqa: E402
from cellpainting.load_data.places import Places  # noqa: E402
from cellpainting.load_data.read_table import read_table  # noqa: E402
from cellpainting.storage import FolderStorage  # noqa: E402
from tests.conftest import LOAD_DATA_PIPELINE, write_load_data  # noqa: E402
from tests.conftest import write_site as write_small_site  # noqa: E402
from tests.real_plate.make_sites import SITES, Site, write_site  # noqa: E402

ROUNDS = 5  # of the first group
SHOWN_S = 0.2  # modules that take less are one row
REST = "all other modules"
OUTSIDE = "start, reading the pipeline, tables"


def main(arguments: Sequence[str] | None = None) -> int:
    """Print a table for each site; 1 when a value is out of tolerance."""
    parser = argparse.ArgumentParser(description="Time accelerated measurements.")
    parser.add_argument("--sites", default=",".join(SITES), help="which, with commas between")
    parser.add_argument("--chart", type=Path, help="where to draw the first site, an SVG")
    options = parser.parse_args(arguments)
    if not all(site.pipeline.exists() for site in SITES.values()):
        print("the real images and published pipelines are not here: nothing was measured")
        return 0
    os.environ.setdefault("CELLPROFILER", str(REPOSITORY / ".cellprofiler" / "bin" / "cellprofiler"))
    cellprofiler = find_cellprofiler(os.environ["CELLPROFILER"])
    results = {name: measure(name, SITES[name], cellprofiler) for name in options.sites.split(",")}
    time_first_groups(cellprofiler)
    if options.chart:
        name, (stock, found) = next(iter(results.items()))
        pairs = [Pair(module, before, after) for module, before, after in rows(stock, found)]
        title = f"{name}: processor seconds of one site"
        options.chart.write_text(draw_bars(title, ("CellProfiler as it comes", "accelerated"), pairs))
    return 0 if all(found.is_equal for _, found in results.values()) else 1


@dataclass(frozen=True)
class Stock:
    """A run by hand, and the processor seconds of its modules."""

    cost: Cost
    module_s: Mapping[str, float]


def run_stock(site: Site, table: Path, folder: Path, cellprofiler: CellProfiler) -> Stock:
    """CellProfiler as people type it."""
    output = folder / "output"
    output.mkdir(parents=True)
    command = [str(cellprofiler.command), "-c", "-r", "-p", str(site.pipeline), "-o", str(output)]
    cost = measured([*command, f"--data-file={table}"], folder / "log", folder, SAME_COLUMNS)
    return Stock(cost, module_seconds(output))


def measure(name: str, site: Site, cellprofiler: CellProfiler) -> tuple[Stock, Verification]:
    """One site, three times."""
    with tempfile.TemporaryDirectory(prefix="cpb-benchmark-") as scratch:
        folder = Path(scratch)
        table = write_site(site, folder / "site")
        stock = run_stock(site, table, folder / "stock", cellprofiler)
        image_sets = read_table(table.read_bytes(), table.name, Places(("/",)))
        found = verify(
            cellprofiler, site.pipeline, None, image_sets, FolderStorage(Path("/")), folder / "both", lambda line: None
        )
    print_site(name, stock, found)
    return stock, found


def time_first_groups(cellprofiler: CellProfiler) -> None:
    """What a fresh process takes for its first group, if that is one small image set: start-up, mostly."""
    found = []
    with tempfile.TemporaryDirectory(prefix="cpb-benchmark-") as scratch:
        images, table = Path(scratch) / "images", Path(scratch) / "load_data.csv"
        write_small_site(images, "A01")
        write_load_data(table, images, [("P1", "A01", "1")])
        image_sets = read_table(table.read_bytes(), table.name, Places(("/",)))
        for number in range(ROUNDS):
            folder = Path(scratch) / str(number)
            found.append(
                verify(
                    cellprofiler,
                    LOAD_DATA_PIPELINE,
                    None,
                    image_sets,
                    FolderStorage(Path("/")),
                    folder,
                    lambda line: None,
                )
            )
    own = median(item.original.wall_s for item in found)
    fast = median(item.accelerated.wall_s for item in found)
    print(f"\nfirst group of a fresh process, {ROUNDS} pairs: {own:.2f} s by its own means, {fast:.2f} s accelerated")


def rows(stock: Stock, found: Verification) -> list[tuple[str, float, float]]:
    """Modules, as stock and accelerated, the slowest first; then all the others, and what is no module's."""
    one, other = stock.module_s, found.accelerated.module_s
    named = sorted((name for name in one if one[name] >= SHOWN_S), key=lambda name: -one[name])
    told = [(name, one[name], other[name]) for name in named]
    told.append((REST, _sum_without(one, named), _sum_without(other, named)))
    told.append((OUTSIDE, stock.cost.processor - sum(one.values()), found.accelerated.cpu_s - sum(other.values())))
    return told


def _sum_without(module_s: Mapping[str, float], named: Sequence[str]) -> float:
    return sum((seconds for name, seconds in module_s.items() if name not in named), 0.0)


def print_site(name: str, stock: Stock, found: Verification) -> None:
    """A table in Markdown, and what was compared."""
    own, fast = found.original, found.accelerated
    largest = {module: max(item.largest for item in items) for module, items in by_module(found.differences).items()}
    print(f"\n{name}\n\n| module | as it comes | accelerated | ratio | largest difference |\n|---|---|---|---|---|")
    for module, before, after in rows(stock, found):
        difference = f"{largest[module]:.0e}" if module in largest else ""
        print(f"| {module} | {before:.1f} | {after:.1f} | {before / max(after, 0.01):.1f} | {difference} |")
    ratio = stock.cost.processor / fast.cpu_s
    print(f"| the whole process | {stock.cost.processor:.1f} | {fast.cpu_s:.1f} | {ratio:.1f} | |")
    print(f"\nwith one thread by its own means: {own.cpu_s:.1f} CPU s, ratio {own.cpu_s / fast.cpu_s:.1f}")
    print(f"wall: {stock.cost.wall:.1f}, {own.wall_s:.1f}, {fast.wall_s:.1f} s")
    print(f"peak memory: {stock.cost.memory_mib:.0f}, {own.peak_memory_mib:.0f}, {fast.peak_memory_mib:.0f} MiB")
    values = sum(item.count for item in found.differences)
    print(f"{values:,} values in {len(found.differences):,} columns; {len(found.unequal)} columns out of tolerance")


if __name__ == "__main__":
    sys.exit(main())
