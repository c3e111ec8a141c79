"""`cpb jump select`: which sites are wanted, what that comes to, and the job files for it."""

import json
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.console import Console
from rich.filesize import decimal
from rich.progress import Progress
from rich.table import Table

from cellpainting.cli.jump_options import ENDPOINT_URL, output_option
from cellpainting.errors import StorageUnavailable
from cellpainting.storage import FolderStorage, S3Storage, Sources

if TYPE_CHECKING:
    from cellpainting.jump.job_files import Choice
    from cellpainting.jump.selection_config import Selection
    from cellpainting.jump.sizes import Sizes

NAMED = 5  # values that nothing has


@click.command()
@click.argument("config", metavar="CONFIG.yml", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--load-data",
    "data_set",
    metavar="DIR",
    required=True,
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="the data set of 'cpb jump load-data'",
)
@output_option("job files and requests")
@ENDPOINT_URL
@click.option("--json", "as_json", is_flag=True, help="print all of it as JSON")
def select(config: Path, data_set: Path, folder: Path, endpoint_url: str | None, as_json: bool) -> int:
    """Choose sites, tell how many and how large their files are, and write a job file and a request per plate.

    Nothing is fetched: some files are asked for their size. Values that are asked for and are nowhere are listed, and
    make the exit status 1.

    Example: cpb jump select selection.yml --load-data jump/load_data --output jump/jobs
    """
    from cellpainting.jump.gallery import REGION
    from cellpainting.jump.job_files import JobWriter
    from cellpainting.jump.selection_config import read_selection

    selection = read_selection(config)
    console = Console(stderr=True)
    writer = JobWriter(data_set, folder, selection)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as bars:
        task = bars.add_task("plates", total=None)
        choice = writer.write(lambda done, total: bars.update(task, completed=done, total=total))
    public = partial(S3Storage.public, endpoint_url=endpoint_url, region=REGION)
    sizes, unknown = _sizes(choice, selection, Sources(FolderStorage(Path("/")), public))
    if as_json:
        click.echo(json.dumps({"chosen": asdict(choice), "sizes": asdict(sizes) if sizes else None}, indent=1))
    else:
        _print(choice, sizes, unknown, folder, selection)
    return 1 if choice.unmatched or not choice.jobs else 0


def _sizes(choice: "Choice", selection: "Selection", sources: Sources) -> "tuple[Sizes | None, str]":
    """The sizes, or why they are not known: a choice is worth something without."""
    from cellpainting.jump.sizes import estimate_sizes

    try:
        return estimate_sizes(choice.files, choice.asked, selection.job("plate"), sources), ""
    except StorageUnavailable as error:
        return None, str(error)


def _print(choice: "Choice", sizes: "Sizes | None", unknown: str, folder: Path, selection: "Selection") -> None:
    table = Table("source", "plate type", "wells are", "plates", "wells", "sites", "of sites", title="chosen")
    for count in choice.counts:
        numbers = (count.plates, count.wells, count.sites, count.sites_there)
        table.add_row(count.source, count.plate_type, count.control_type, *(f"{number:,}" for number in numbers))
    Console().print(table)
    for line in (*_size_lines(sizes, unknown), *_left_out(choice.known_bad, choice.unmatched)):
        click.echo(line)
    click.echo(f"{len(choice.jobs):,} plates in {folder}. Fetch them here:")
    click.echo(f"  cpb jump download --load-data {shlex.quote(str(folder))} --output jump")
    click.echo("or with a deployment, whose bucket is $BUCKET:")
    click.echo(f"  aws s3 cp --recursive {shlex.quote(str(folder))} s3://$BUCKET/{selection.jobs}")
    click.echo(f"  cpb submit {shlex.quote(str(folder / 'requests.json'))} --bucket s3://$BUCKET")


def _size_lines(sizes: "Sizes | None", unknown: str) -> Iterator[str]:
    if sizes is None:
        yield f"to fetch: not known ({unknown})"
        return
    fetched = "not known" if sizes.fetched is None else decimal(round(sizes.fetched.size_bytes))
    margin = "" if sizes.fetched is None else f" give or take {decimal(round(sizes.fetched.margin_bytes))}"
    yield f"{sizes.files:,} files, {fetched}{margin} to fetch ({sizes.asked} files were asked)"
    yield f"about {decimal(round(sizes.written_bytes))} on disk"
    for place in sizes.missing:
        yield f"not there: {place}"


def _left_out(known_bad: int, unmatched: Mapping[str, Sequence[str]]) -> Iterator[str]:
    if known_bad:
        yield f"known to be bad, and left out: {known_bad:,} sites"
    for where, values in unmatched.items():
        more = f", and {len(values) - NAMED:,} more" if len(values) > NAMED else ""
        yield f"{where}: nothing has {', '.join(values[:NAMED])}{more}"
