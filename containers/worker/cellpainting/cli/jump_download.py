"""`cpb jump download`: the images of a table, cropped and scaled, on this machine."""

import os
import shlex
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from cellpainting.cli.jump_options import ENDPOINT_URL, output_option
from cellpainting.cli.signals import stop
from cellpainting.errors import InvalidRequest
from cellpainting.ledger import Ledger

if TYPE_CHECKING:
    from cellpainting.download.tally import Tell

TABLES = ("*.parquet", "*.csv", "*.csv.gz")
TOLD = 20  # lines of what is not done
PROCESSORS = os.cpu_count() or 1


@click.command("download")
@click.option(
    "--load-data",
    "table",
    metavar="TABLE",
    required=True,
    type=click.Path(exists=True, path_type=Path),
    help="load data (.parquet, .csv, .csv.gz), such as a job file of 'cpb jump select'; or a folder of them",
)
@output_option("images, index, contact sheets and records")
@ENDPOINT_URL
@click.option(
    "--workers",
    type=click.IntRange(min=1),
    default=PROCESSORS,
    show_default="one per processor",
    help="images that are made at a time; several times as many are on their way",
)
@click.option("--channels", metavar="A,B,...", help="channels to take  [default: Cell Painting's]")
@click.option("--crop-height-px", metavar="N", help="0 keeps all  [default: 768]")
@click.option("--crop-width-px", metavar="N", help="0 keeps all  [default: 768]")
@click.option(
    "--scaling", metavar="S", help="to 8 bits by 'image', by 'plate' and channel, or 'none'  [default: image]"
)
@click.option("--percentile", metavar="P", help="what becomes black, and 100 less it what becomes white  [default: 1]")
@click.option("--format", metavar="F", help="'png' or 'webdataset'  [default: png]")
@click.option("--force", is_flag=True, help="do again what is done")
def download(table: Path, folder: Path, endpoint_url: str | None, workers: int, **fields: Any) -> int:
    """Fetch images, crop and scale them, and leave them with an index, contact sheets and the ledger.

    Stopped, or with images that failed, it goes on when the same is typed again: each file that is there is looked
    at, and only what is not right is fetched. Public buckets are read without credentials.

    Example: cpb jump download --load-data jobs/source_4__batch1__BR00117035.parquet --output jump
    """
    from cellpainting.download.here import Here
    from cellpainting.download.here import download as download_table

    signal.signal(signal.SIGTERM, stop)
    processing = {name: value for name, value in fields.items() if value}
    if "channels" in processing:
        processing["channels"] = processing["channels"].split(",")
    here = Here(folder.resolve(), endpoint_url, workers)
    console = Console()
    ledgers, refusals = [], []
    for one in _tables(table):
        try:
            with _bar(console, one.name) as tell:
                ledger = download_table(one, processing, here, show=_line_printer(console), tell=tell)
        except InvalidRequest as error:
            refusals.append(error)
            click.echo(f"not done: {one}: {error}")  # the other tables of a folder are
        else:
            ledgers.append(ledger)
            _tell_outcome(ledger, here.folder)
    if not ledgers:
        raise refusals[0]
    return 0 if not refusals and all(ledger.is_complete for ledger in ledgers) else 1


def _tables(table: Path) -> list[Path]:
    if table.is_file():
        return [table]
    tables = sorted(path for pattern in TABLES for path in table.glob(pattern))
    if not tables:
        raise InvalidRequest(f"the folder {table} has no load data ({', '.join(TABLES)}); name a table")
    return tables


@contextmanager
def _bar(console: Console, name: str) -> "Iterator[Tell]":
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    fetched = TextColumn("{task.fields[fetched]:.0f} MB fetched")
    with Progress(*columns, fetched, console=console, transient=True, disable=not console.is_terminal) as bars:
        task = bars.add_task(name, total=None, fetched=0)
        yield lambda done, total, size: bars.update(task, completed=done, total=total, fetched=size / 1e6)


def _line_printer(console: Console) -> Any:
    return lambda line: console.print(line.text, highlight=False, markup=False, soft_wrap=True)


def _tell_outcome(ledger: Ledger, folder: Path) -> None:
    for problem in ledger.problems[:TOLD]:
        click.echo(f"not done: {problem}")
    if len(ledger.problems) > TOLD:
        click.echo(f"not done: {len(ledger.problems) - TOLD} more")
    counted = ", ".join(f"{count} {state}" for state, count in ledger.counts.items() if count)
    click.echo(f"{ledger.run_id}: {counted}; images, index and contact sheet are in {folder / 'images'}")
    click.echo(f"look at it: cpb status {ledger.run_id} --bucket {shlex.quote(str(folder))}")
