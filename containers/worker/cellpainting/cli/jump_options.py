"""Options that the commands of `cpb jump` share."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

ENDPOINT_URL = click.option(
    "--endpoint-url", metavar="U", help="where the Gallery and other public buckets are  [default: AWS]"
)


def output_option(holds: str) -> Callable[[Any], Any]:
    """The folder that a command writes to, by what it holds afterwards."""
    return click.option(
        "--output",
        "folder",
        metavar="DIR",
        required=True,
        type=click.Path(file_okay=False, path_type=Path),
        help=f"folder for {holds}; made if need be",
    )
