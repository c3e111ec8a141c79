"""`cpb verify-acceleration`: accelerated measurements against CellProfiler's own, on one's own images."""

import json
import os
import signal
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Column, Table

from cellpainting.cellprofiler.compare_tables import OTHER, ColumnDifference, by_module
from cellpainting.cellprofiler.environment import VARIABLE, find_cellprofiler
from cellpainting.cellprofiler.inside.accelerated.tolerance import ABSOLUTE, RELATIVE, UNSTABLE
from cellpainting.cellprofiler.verification import Measured, Verification, choose_rows, verify
from cellpainting.cli.bucket import open_bucket
from cellpainting.cli.signals import stop
from cellpainting.load_data import LoadData
from cellpainting.load_data.places import Places
from cellpainting.load_data.read_table import read_table
from cellpainting.scratch import scratch_folder
from cellpainting.storage import FolderStorage, Storage

SHOWN = 20  # columns that are out of tolerance
FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
FOLDER = click.Path(exists=True, file_okay=False, path_type=Path, resolve_path=True)


@click.command("verify-acceleration")
@click.argument("pipeline", metavar="PIPELINE", type=FILE)
@click.argument("load_data", metavar="LOAD_DATA", type=FILE)
@click.option(
    "--sites", metavar="N", type=click.IntRange(min=1), default=2, show_default=True, help="image sets to try"
)
@click.option("--bucket", metavar="URI", help="where the images are, if they are not on this machine: s3://bucket")
@click.option("--plugins", metavar="DIR", type=FOLDER, help="a folder of CellProfiler plugins")
@click.option("--json", "as_json", is_flag=True, help="print everything as one JSON object")
def verify_acceleration(
    pipeline: Path, load_data: Path, sites: int, bucket: str | None, plugins: Path | None, as_json: bool
) -> int:
    """Measure some image sets by CellProfiler's own means and accelerated, and compare every column of every table.

    PIPELINE and LOAD_DATA are files of this machine; the image sets are spread evenly over the table.
    Exit status: 0 all values are equal (within a millionth), 1 some are not, or something could not be measured.

    Example: cpb verify-acceleration analysis.cppipe load_data_with_illum.csv --sites 4
    """
    signal.signal(signal.SIGTERM, stop)
    images, table = _read(load_data, bucket)
    cellprofiler = find_cellprofiler(os.environ.get(VARIABLE, ""))
    console = Console(stderr=True)
    chosen = choose_rows(table, sites)
    console.print(f"{len(chosen.rows)} of {len(table.rows)} image sets, by CellProfiler's own means and accelerated")
    with scratch_folder() as scratch, console.status("measuring") as status:
        found = verify(
            cellprofiler, pipeline.resolve(), plugins, chosen, images, scratch, lambda line: status.update(line[:100])
        )
    if as_json:
        click.echo(json.dumps(_document(found), indent=1))
    else:
        _print(found, Console())
    return 0 if found.is_equal else 1


def _read(load_data: Path, bucket: str | None) -> tuple[Storage, LoadData]:
    storage = open_bucket(bucket) if bucket else None
    if storage:
        return storage, read_table(load_data.read_bytes(), load_data.name, Places.of(storage.uri("")))
    places = Places(("/",), base=str(load_data.resolve().parent))
    return FolderStorage(Path("/")), read_table(load_data.read_bytes(), load_data.name, places)


def _print(found: Verification, console: Console) -> None:
    console.print(_table(found))
    one, other = found.original, found.accelerated
    console.print(f"peak memory {one.peak_memory_mib:,.0f} and {other.peak_memory_mib:,.0f} MiB")
    for part, reason in other.acceleration.left_alone.items() if other.acceleration else ():
        console.print(f"not accelerated: {part}: {reason}")
    for item in found.unequal[:SHOWN]:
        console.print(f"not equal: {item.table} {item.column}, row {item.row + 1}: {' and '.join(item.values)}")
    count = sum(item.count for item in found.differences)
    told = f"{count:,} values in {len(found.differences):,} columns; {len(found.unequal):,} columns out of tolerance"
    console.print(f"{told} ({RELATIVE:g} relative, {ABSOLUTE:g} about zero)", soft_wrap=True)


def _table(found: Verification) -> Table:
    headers = ("own CPU s", "accel.", "ratio", "columns", "largest")
    table = Table(
        Column("module", no_wrap=True), *(Column(name, justify="right") for name in headers), box=SIMPLE_HEAD, padding=0
    )
    one, other = found.original, found.accelerated
    modules = by_module(found.differences)
    named = [name for name in one.module_s if name in modules]
    for name in named:
        table.add_row(name, *_times(one.module_s[name], other.module_s[name]), *_columns(modules[name]))
    rest = [item for name, items in modules.items() if name not in named for item in items]
    table.add_row(OTHER, *_times(_without(one, named), _without(other, named)), *_columns(rest))
    table.add_section()
    table.add_row("the whole process", *_times(one.cpu_s, other.cpu_s), *_columns(found.differences))
    return table


def _without(measured: Measured, named: Sequence[str]) -> float:
    return sum(seconds for name, seconds in measured.module_s.items() if name not in named)


def _times(one: float, other: float) -> tuple[str, str, str]:
    return f"{one:.2f}", f"{other:.2f}", f"{one / other:.1f}" if other else "-"


def _columns(items: Sequence[ColumnDifference]) -> tuple[str, str]:
    return f"{len(items):,}", f"{max((item.largest for item in items), default=0):.0e}"


def _document(found: Verification) -> dict[str, Any]:
    ways = {
        name: {
            "cpu_s": one.cpu_s,
            "wall_s": one.wall_s,
            "peak_memory_mib": one.peak_memory_mib,
            "module_cpu_s": dict(one.module_s),
        }
        for name, one in (("original", found.original), ("accelerated", found.accelerated))
    }
    modules = {
        name: {"columns": len(items), "largest_difference": max(item.largest for item in items)}
        for name, items in by_module(found.differences).items()
    }
    acceleration = found.accelerated.acceleration
    return {
        **ways,
        "acceleration": vars(acceleration) if acceleration else None,
        "modules": modules,
        "not_equal": [vars(item) for item in found.unequal],
        "unstable_columns": [rule._asdict() for rule in UNSTABLE],
        "tolerance": {"relative": RELATIVE, "absolute": ABSOLUTE},
    }
