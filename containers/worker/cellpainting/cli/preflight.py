"""`cpb preflight`: what a request would run and what would go wrong, before anything is spent on it."""

import json
import sys
from pathlib import Path

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn

from cellpainting.cli.bucket import BUCKET
from cellpainting.jobs import RunRecord, parse_message
from cellpainting.preflight import Preflight, check_request
from cellpainting.preflight.files import Tell
from cellpainting.preflight.report import print_preflights, to_document
from cellpainting.storage import Storage

REQUEST = click.argument(
    "request_file", metavar="REQUEST", type=click.Path(exists=True, dir_okay=False, path_type=Path)
)


@click.command()
@REQUEST
@BUCKET
@click.option("--json", "as_json", is_flag=True, help="print everything as one JSON object")
def preflight(request_file: Path, bucket: Storage, as_json: bool) -> int:
    """Check a request against its load data, its pipeline's text and the storage. Nothing is sent or written.

    REQUEST is a JSON file: one request, a list of them, or a job file of Distributed-CellProfiler.
    Exit status: 0 nothing stands against it but warnings, 1 some image sets would fail, 2 nothing could succeed.

    Example: cpb preflight request.json --bucket s3://my-bucket
    """
    preflights = check_records(parse_message(request_file.read_text(encoding="utf-8")), bucket)
    if as_json:
        json.dump(to_document(preflights), sys.stdout, indent=2)
        print()
    else:
        print_preflights(preflights, Console())
    return max(one.exit_status for one in preflights)


def check_records(records: tuple[RunRecord, ...], bucket: Storage) -> list[Preflight]:
    """Check each of the requests, with a bar at a terminal."""
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bars:
        preflights = []
        for record in records:
            task = bars.add_task(f"files of {record.run_id}", total=None)
            preflights.append(check_request(record, bucket, _teller(bars, task)))
        return preflights


def _teller(bars: Progress, task: TaskID) -> Tell:
    return lambda done, total: bars.update(task, completed=done, total=total)
