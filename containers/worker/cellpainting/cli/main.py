"""The command `cpb` and its exit status: 0 all work succeeded, 1 some failed, 2 the request is invalid."""

import sys

import click

from cellpainting.cli.ingest import ingest
from cellpainting.cli.jump import jump
from cellpainting.cli.local import local
from cellpainting.cli.logs import logs
from cellpainting.cli.plan import plan
from cellpainting.cli.preflight import preflight
from cellpainting.cli.redrive import redrive
from cellpainting.cli.run import run
from cellpainting.cli.status import status
from cellpainting.cli.submit import submit
from cellpainting.errors import CellPaintingError


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="cellpainting")
def cpb() -> None:
    """Cell Painting Batch: CellProfiler over plates of images, with every image set accounted for."""


cpb.add_command(run)
cpb.add_command(ingest)
cpb.add_command(jump)
cpb.add_command(local)
cpb.add_command(preflight)
cpb.add_command(submit)
cpb.add_command(logs)
cpb.add_command(plan)
cpb.add_command(redrive)
cpb.add_command(status)


def main() -> None:
    """Run the command line; an error of ours is one line, without a traceback."""
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
