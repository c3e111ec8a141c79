"""`cpb ingest`: CellProfiler's CSVs to Parquet, SQLite and well profiles, on this machine."""

import json
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

from cellpainting.cli.place import open_place
from cellpainting.cli.signals import stop
from cellpainting.jobs.build_backend import AGGREGATES, BackendSettings
from cellpainting.jobs.fields import Fields
from cellpainting.ledger import State
from cellpainting.storage import Storage

if TYPE_CHECKING:
    from cellpainting.backend.ingest import Tell
    from cellpainting.backend.report import IngestReport

TOLD = 20  # lines of what is not in the backend
PROCESSORS = os.cpu_count() or 1


@click.command("ingest")
@click.argument("analysis")
@click.option(
    "-o", "--output", required=True, metavar="BACKEND", help="folder or s3://bucket/prefix: a folder per plate is made"
)
@click.option("--batch", metavar="B", help="put the plate's folder below one of this name")
@click.option("--plate", metavar="P", help="take this plate's image sets  [default: the only one there is]")
@click.option("--compartments", metavar="A,B,...", help="tables of objects to take  [default: all]")
@click.option("--no-sqlite", is_flag=True, help="leave the SQLite backend out")
@click.option("--aggregate", type=click.Choice(AGGREGATES), default="mean", show_default=True, help="of cells to wells")
@click.option("--single-cells", is_flag=True, help="make the table that joins the compartments as well")
@click.option(
    "--config",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="cytominer-database's ingest_config.ini, for CSVs of other names",
)
@click.option("--no-sign-request", is_flag=True, help="read s3:// without credentials, as public buckets are read")
@click.option("--force", is_flag=True, help="make it again, even if nothing has changed")
@click.option("--json", "as_json", is_flag=True, help="print the report as JSON")
def ingest(analysis: str, output: str, config: Path | None, no_sign_request: bool, as_json: bool, **given: Any) -> int:
    """Turn the CSVs below ANALYSIS into one plate's backend.

    ANALYSIS is a folder, of any depth, or s3://bucket/prefix; or a run's record, `.../runs/NAME`, whose manifests then
    say what to read. Typed again after an interruption, it goes on where it was.

    Example: cpb ingest workspace/analysis/batch1/BR00117035 -o workspace/backend --batch batch1
    """
    from cellpainting.backend.analysis import open_analysis
    from cellpainting.backend.ingest import Manner, Target
    from cellpainting.backend.ingest import ingest as build
    from cellpainting.backend.ingest_config import FileNames, read_ingest_config

    signal.signal(signal.SIGTERM, stop)
    fields = Fields({name: given[name] for name in ("batch", "plate") if given[name] is not None})
    batch, plate = (fields.folder_name(name) if given[name] is not None else None for name in ("batch", "plate"))
    names = read_ingest_config(config.read_bytes(), str(config)) if config else FileNames()
    source, key = open_place(analysis, is_public=no_sign_request)
    target, prefix = open_place(output)
    found = open_analysis(source, key, plate)
    manner = Manner(_settings(given), names, PROCESSORS, given["force"])
    console = Console(stderr=as_json)
    with _progress(console) as tell:
        report = build(found, Target(target, prefix, batch or "", plate), manner, tell)
    if as_json:
        click.echo(json.dumps(report.to_document(), indent=1))
    else:
        _tell_outcome(report, target)
    return 0 if report.is_complete else 1


def _settings(given: dict[str, Any]) -> BackendSettings:
    """Read as the fields of a request are."""
    document = {"sqlite": not given["no_sqlite"], **{name: given[name] for name in ("aggregate", "single_cells")}}
    if given["compartments"]:
        document["compartments"] = given["compartments"].split(",")
    return BackendSettings.parse(Fields(document))


@contextmanager
def _progress(console: Console) -> "Iterator[Tell]":
    from cellpainting.backend.ingest import Tell
    from cellpainting.backend.progress import ReadingProgress

    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[told]}"))
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bars:
        index = bars.add_task("image sets", total=None, told="")
        read = bars.add_task("measurements", total=None, told="")
        progress = ReadingProgress()

        def say(line: str) -> None:
            console.print(line, highlight=False, markup=False, soft_wrap=True)

        def tell_read(done: int, total: int, rows: int) -> None:
            told = progress.told(done, total, rows)
            bars.update(read, completed=done, total=total, told=told)
            if progress.is_due(done, total) and not console.is_terminal:
                say(told)

        yield Tell(
            say=say,
            index=lambda done, total: bars.update(index, completed=done, total=total, told=f"{done} of {total}"),
            read=tell_read,
        )


def _tell_outcome(report: "IngestReport", target: Storage) -> None:
    missing = [one for one in report.outcomes if one.state is State.INPUT_MISSING]
    problems = [*report.problems, *(f"{one.image_set.label}: {one.reason}" for one in missing)]
    for problem in problems[:TOLD]:
        click.echo(f"not complete: {problem}")
    if len(problems) > TOLD:
        click.echo(f"not complete: {len(problems) - TOLD} more; the report lists them")
    counted = ", ".join(f"{count} {state}" for state, count in report.states.items())
    rows = ", ".join(f"{table.rows_out} {name}" for name, table in report.tables.items())
    click.echo(f"{report.plate}: image sets: {counted}; rows: {rows}")
    page = next(file.key for file in report.files if file.key.endswith(".html"))
    click.echo(f"look at it: {target.uri(page)}")
