"""The command `cpb` and its exit status: 0 all work succeeded, 1 some failed, 2 the request is invalid."""

import os
import sys
from importlib import import_module

import click

from cellpainting.errors import CellPaintingError
from cellpainting.job_output import FORMAT, JSON, speak_json

COMMANDS = (
    "run",
    "starfish-workflow",
    "approve",
    "cost",
    "ingest",
    "jump",
    "local",
    "preflight",
    "submit",
    "logs",
    "plan",
    "profile",
    "redrive",
    "report",
    "status",
    "verify-acceleration",
)


class Commands(click.Group):
    """Imports a command when it is asked for, from the module of its name: some import for half a second."""

    def list_commands(self, context: click.Context) -> list[str]:
        """The names, in order."""
        return sorted(COMMANDS)

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        """A command, or None if there is none of that name."""
        if name not in COMMANDS:
            return None
        module = name.replace("-", "_")
        command: click.Command = getattr(import_module(f"cellpainting.cli.{module}"), module)
        return command


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="cellpainting")
def cpb() -> None:
    """Cell Painting Batch: CellProfiler over plates of images, with every image set accounted for."""


def main() -> None:
    """Run the command line; an error of ours is one line, without a traceback."""
    if os.environ.get(FORMAT) == JSON:
        speak_json()
    try:
        status = cpb.main(standalone_mode=False)
    except CellPaintingError as error:
        click.echo(f"cpb: {error}", err=True)
        sys.exit(error.exit_status)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except click.Abort:
        click.echo("cpb: interrupted", err=True)
        sys.exit(130)
    sys.exit(status or 0)
