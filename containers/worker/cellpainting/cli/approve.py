"""`cpb approve`: lets plates go on that wait for somebody to look at them."""

import json
import os

import click

from cellpainting.cli.bucket import BUCKET
from cellpainting.cli.submit import QUEUE_URL
from cellpainting.errors import InvalidRequest
from cellpainting.jobs.stage import Stage
from cellpainting.ledger import Cause, read_ledger
from cellpainting.ledger.approval import approve as take_down
from cellpainting.ledger.approval import why_not_waiting
from cellpainting.ledger.redrive import redriven
from cellpainting.ledger.runs import read_whole_request
from cellpainting.ledger.staged_ledger import StagedLedger
from cellpainting.preflight.messages import Message, send
from cellpainting.storage import Storage


@click.command()
@click.argument("run")
@BUCKET
@click.option(
    "--plate", "plates", metavar="P", multiple=True, help="this plate; may be given again  [default: all that wait]"
)
@click.option(
    "--queue-url",
    metavar="U",
    help=f"the queue to send to  [default: the one in {QUEUE_URL}, if any]",
)
def approve(run: str, bucket: Storage, plates: tuple[str, ...], queue_url: str | None) -> int:
    """Approve of what illumination and quality control made, and send a run's own request again for what they kept.

    Example: cpb approve batch1 --plate BR00117035 --queue-url $SQS_URL
    """
    document = read_whole_request(bucket, run)
    stages = _waiting(bucket, run, plates)
    for stage in stages:
        take_down(stage, bucket)
        click.echo(f"{run}: approved: {stage.label} may start")
    queue = queue_url or os.environ.get(QUEUE_URL)
    if queue:
        list(send([Message(json.dumps(redriven(document, [Cause.BLOCKED], None)), (run,))], queue))
        click.echo(f"{run}: sent again")
    else:
        click.echo(f"nothing was sent, for no queue is named: send it again with 'cpb redrive {run} --cause blocked'")
    return 0


def _waiting(bucket: Storage, run: str, plates: tuple[str, ...]) -> list[Stage]:
    """The stages that wait for approval, of the plates that are named, or of all.

    Raises
    ------
    InvalidRequest
        If there are none, or one of the plates that are named does not wait.
    """
    ledger = read_ledger(bucket, run)
    if not isinstance(ledger, StagedLedger):
        raise InvalidRequest(f"run {run!r} has no stages: nothing waits for approval; see 'cpb status {run}'")
    known = ledger.plates_of_stages
    if unknown := [plate for plate in plates if plate not in known]:
        raise InvalidRequest(f"run {run!r} has no plate {unknown[0]!r}; its plates are {', '.join(known)}")
    gated = [one.stage for one in ledger.stages if one.stage.is_gated and one.stage.plate in (plates or known)]
    reasons = {stage: why_not_waiting(stage, ledger, bucket) for stage in gated}
    waiting = [stage for stage, reason in reasons.items() if not reason]
    if not waiting or (plates and len(waiting) < len(gated)):
        told = "; ".join(filter(None, reasons.values())) or "it was sent without 'gate'"
        raise InvalidRequest(f"nothing was approved of, for it does not wait for that: {told}")
    return waiting
