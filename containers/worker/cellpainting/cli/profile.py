"""`cpb profile`: annotated, normalized and feature-selected profiles from backends, on this machine."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from cellpainting.cli.place import open_anywhere
from cellpainting.cli.signals import stop
from cellpainting.errors import InvalidRequest, MissingInput
from cellpainting.jobs.fields import Fields
from cellpainting.jobs.make_profiles import CONFIG_FILES

if TYPE_CHECKING:
    from cellpainting.profiles.config import ProfilingConfig
    from cellpainting.profiles.layout import Places
    from cellpainting.profiles.make_profiles import Tell
    from cellpainting.profiles.place import Place, PlacedFile
    from cellpainting.profiles.profile_report import MakingReport

NEEDED = ("backend", "platemap", "output")  # without a configuration
OF_A_PLATE = ("platemap", "external_metadata", "merge_column", "output")
OF_A_CONFIGURATION = ("root",)


@dataclass(frozen=True)
class _Given:
    """The places and names of the command line."""

    config: str | None
    root: str | None
    backend: str | None
    platemap: str | None
    external_metadata: str | None
    merge_column: str | None
    output: str | None


@click.command("profile")
@click.argument("config", required=False)
@click.option("--root", metavar="DIR", help="where what CONFIG names is  [default: its folder, or above config_files]")
@click.option("--backend", metavar="DIR", help="where backends are; without CONFIG, that of the plate, .../BATCH/PLATE")
@click.option("--platemap", metavar="FILE", help="the plate's platemap")
@click.option("--external-metadata", metavar="FILE", help="a table with a row per treatment")
@click.option("--merge-column", metavar="C", help="the column that this table and the platemap share")
@click.option("-o", "--output", metavar="DIR", help="a folder DIR/BATCH/PLATE is made")
@click.option("--force", is_flag=True, help="make them again, even if nothing has changed")
@click.option("--json", "as_json", is_flag=True, help="print the report as JSON")
def profile(force: bool, as_json: bool, **given: str | None) -> int:
    """Make the profiles that CONFIG, a configuration of profiling-recipe, asks for; or the usual ones of one plate.

    All places are paths or s3:// addresses. Typed again after an interruption, it goes on where it was. Exit status:
    0 all profiles are there, 1 some could not be made, 2 the request is invalid.

    Example: cpb profile config_files/config.yml

    Example: cpb profile --backend backend/batch1/BR00117035 --platemap platemap.txt -o profiles
    """
    from cellpainting.profiles.make_profiles import make_profiles

    signal.signal(signal.SIGTERM, stop)
    config, places = _open(_Given(**given))
    console = Console(stderr=as_json)
    with _progress(console) as tell:
        report = make_profiles(config, places, tell, force=force)
    if as_json:
        click.echo(report.to_json())
    else:
        _tell_outcome(report, places.output.uri(config.output_dir))
    return 0 if report.is_complete else 1


def _open(given: _Given) -> "tuple[ProfilingConfig, Places]":
    """What is asked for, in either form."""
    if given.config is None:
        _refuse(given, OF_A_CONFIGURATION, "without a configuration; name that, too, or leave it out")
        return _open_plate(given)
    _refuse(given, OF_A_PLATE, f"with the configuration {given.config!r}, which says it itself; leave one of them out")
    return _open_configuration(given.config, given)


def _refuse(given: _Given, names: tuple[str, ...], why: str) -> None:
    for name in names:
        if getattr(given, name) is not None:
            raise InvalidRequest(f"{_option(name)}: got {getattr(given, name)!r} {why}")


def _option(name: str) -> str:
    return f"--{name.replace('_', '-')}"


def _open_configuration(name: str, given: _Given) -> "tuple[ProfilingConfig, Places]":
    from cellpainting.profiles.request import of_configuration

    config = _file(name)
    folder = config.place
    usual = folder.above(1) if folder.name == CONFIG_FILES else folder
    root = _place(given.root) if given.root else usual
    return of_configuration(config, root, _place(given.backend) if given.backend else None)


def _open_plate(given: _Given) -> "tuple[ProfilingConfig, Places]":
    from cellpainting.profiles.request import OnePlate, of_plate

    backend, platemap, output = (_required(given, name) for name in NEEDED)
    if bool(given.external_metadata) != bool(given.merge_column):
        raise InvalidRequest(
            f"got --external-metadata {given.external_metadata!r} and --merge-column {given.merge_column!r}; give "
            "both: the column is the one that platemap and table share"
        )
    (column,) = Fields({"merge_column": given.merge_column}).metadata_names("merge_column") or (None,)
    external = _file(given.external_metadata) if given.external_metadata else None
    return of_plate(OnePlate(_plate_folder(backend), _file(platemap), _output_folder(output), external, column))


def _required(given: _Given, name: str) -> str:
    value: str | None = getattr(given, name)
    if value is None:
        raise InvalidRequest(
            f"{_option(name)}: got nothing; name a configuration, or a plate by {', '.join(map(_option, NEEDED))}"
        )
    return value


def _place(address: str) -> "Place":
    from cellpainting.profiles.place import Place

    return Place(*open_anywhere(address))


def _plate_folder(address: str) -> "Place":
    place = _place(address)
    if not place.above(1).prefix:
        raise InvalidRequest(f"--backend: got {address!r}; write the folder of a plate, .../BATCH/PLATE")
    return place


def _output_folder(address: str) -> "Place":
    place = _place(address)
    if not place.prefix:
        raise InvalidRequest(f"--output: got {address!r}; write a folder, or s3://bucket/prefix")
    return place


def _file(address: str) -> "PlacedFile":
    """A file that is there."""
    from cellpainting.profiles.place import PlacedFile

    place = _place(address)
    file = PlacedFile(place.above(1), place.name)
    try:
        place.storage.stat(place.prefix)
    except MissingInput as error:
        raise InvalidRequest(str(error)) from error
    return file


@contextmanager
def _progress(console: Console) -> "Iterator[Tell]":
    """Lines, and at a terminal a bar of plates."""
    from cellpainting.profiles.make_profiles import Tell

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bars:
        task = bars.add_task("plates", total=None)
        yield Tell(
            say=lambda line: console.print(line, highlight=False, markup=False, soft_wrap=True),
            plates=lambda done, total: bars.update(task, completed=done, total=total),
        )


def _tell_outcome(report: "MakingReport", folder: str) -> None:
    """What was not made was told when it was not."""
    counts = f"{len(report.profiles)} profiles of {len(report.plates)} plates, {len(report.problems)} not made"
    click.echo(f"{report.config}: {counts}")
    click.echo(f"look at it: {folder}")
