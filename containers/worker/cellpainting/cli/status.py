"""`cpb status`: what became of every image set, as a table and a plate map."""

import json
import time
from collections.abc import Iterator

import click
from rich.console import Console
from rich.live import Live
from rich.table import Column, Table

from cellpainting.cli.bucket import BUCKET
from cellpainting.cli.ledger_view import counts_line, ledger_view
from cellpainting.errors import InvalidRequest
from cellpainting.ledger import Ledger, LedgerReader, write_ledger
from cellpainting.ledger.runs import ListedRun, list_runs, read_request
from cellpainting.storage import Storage

POLL_S = 5.0  # between two looks at a run; a shard takes minutes
DISPATCH_S = 120.0  # until a run must be there whose message was just sent: as long as the dispatcher may take


@click.command()
@click.argument("run", required=False)
@BUCKET
@click.option(
    "--watch", is_flag=True, help="wait for the run to begin, and look again until nothing of it is left to wait for"
)
@click.option("--json", "as_json", is_flag=True, help="print summary.json in place of the table")
def status(run: str | None, bucket: Storage, watch: bool, as_json: bool) -> int:
    """Count a run's image sets by state, and write its ledger.csv and summary.json; without RUN, list all runs.

    The exit status is 0 when every image set was measured, 1 when something is not done, 2 when there is no such run.

    Example: cpb status small-plate --bucket s3://my-bucket --watch
    """
    console = Console()
    if run is None:
        _print_runs(list_runs(bucket), console, as_json)
        return 0
    _require_run(bucket, run, wait_s=DISPATCH_S if watch else 0)
    reader = LedgerReader(bucket, run)
    ledger = _watch(_looks(reader), console, is_silent=as_json) if watch else reader.read()
    write_ledger(bucket, ledger)
    if as_json:
        click.echo(json.dumps(ledger.summary, indent=1))
    else:
        console.print(ledger_view(ledger))
    return 0 if ledger.is_complete else 1


def _require_run(bucket: Storage, run: str, *, wait_s: float) -> None:
    end = time.monotonic() + wait_s
    while True:
        try:
            read_request(bucket, run)
        except InvalidRequest:
            if time.monotonic() >= end:
                raise
            time.sleep(1)
        else:
            return


def _looks(reader: LedgerReader) -> Iterator[Ledger]:
    """Look at a run until it is over."""
    while True:
        ledger = reader.read()
        yield ledger
        if ledger.is_over:
            return
        time.sleep(POLL_S)


def _watch(looks: Iterator[Ledger], console: Console, *, is_silent: bool) -> Ledger:
    """Redraw the run at a terminal, elsewhere print a line whenever something has changed; returns the last look."""
    told = ""
    with Live(console=console, transient=True, auto_refresh=False) as live:
        for ledger in looks:
            if is_silent:
                continue
            if console.is_terminal:
                live.update(ledger_view(ledger), refresh=True)
            elif (line := counts_line(ledger)) != told:
                click.echo(line)
                told = line
    return ledger


def _print_runs(runs: list[ListedRun], console: Console, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps([run.summary or {"run": run.run_id} for run in runs], indent=1))
        return
    name = Column("run", overflow="fold")  # a name is for copying: never cut
    table = Table(name, "image sets", "done", "no cells", "not done", "complete")
    for run in runs:
        table.add_row(run.run_id, *_cells(run))
    console.print(table if runs else "no runs")


def _cells(run: ListedRun) -> tuple[str, ...]:
    if run.summary is None:
        return ("-", "-", "-", "-", "not counted yet")
    states, total = run.summary["states"], run.summary["image_sets"]
    done, empty = states["done"], states["no_cells"]
    return (*map(str, (total, done, empty, total - done - empty)), "yes" if run.summary["complete"] else "no")
