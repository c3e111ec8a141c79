"""`cpb submit`: the preflight, then the request to the queue."""

import os
from collections.abc import Sequence
from pathlib import Path

import click
from rich.console import Console

from cellpainting.cli.bucket import BUCKET
from cellpainting.cli.preflight import REQUEST, check_records
from cellpainting.errors import InvalidRequest
from cellpainting.jobs import parse_message
from cellpainting.preflight import Preflight
from cellpainting.preflight.messages import Message, divide, send
from cellpainting.preflight.report import print_preflights
from cellpainting.storage import Storage

QUEUE_URL = "SQS_URL"  # as in the README's set-up


@click.command()
@REQUEST
@BUCKET
@click.option("--queue-url", metavar="U", help=f"the queue to send to  [default: the one in {QUEUE_URL}]")
@click.option("--dry-run", is_flag=True, help="do all but send")
def submit(request_file: Path, bucket: Storage, queue_url: str | None, dry_run: bool) -> int:
    """Check a request as `cpb preflight` does, then send it. Prints the run id of each request, a line each.

    Nothing is sent if nothing of a request could succeed. Errors that concern some image sets are told and the rest
    is sent: the ledger will name them.

    Example: cpb submit request.json --queue-url $SQS_URL
    """
    body = request_file.read_text(encoding="utf-8")
    records = parse_message(body)
    messages = divide(body, records)
    queue = queue_url or os.environ.get(QUEUE_URL, "")
    if not queue and not dry_run:
        raise click.UsageError(f"which queue? Give --queue-url, or set {QUEUE_URL}; --dry-run needs none")
    preflights = check_records(records, bucket)
    print_preflights(preflights, Console(stderr=True))
    _refuse_hopeless(preflights)
    for message in messages if dry_run else send(messages, queue):
        _print_runs(message)
    return 0


def _refuse_hopeless(preflights: Sequence[Preflight]) -> None:
    hopeless = [preflight.run_id for preflight in preflights if preflight.is_hopeless]
    if hopeless:
        raise InvalidRequest(
            f"nothing was sent: nothing of {', '.join(hopeless)} could succeed; correct what the table above says"
        )


def _print_runs(message: Message) -> None:
    for run_id in message.run_ids:
        click.echo(run_id)
