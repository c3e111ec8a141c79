"""`cpb redrive`: sends again what is not done and may succeed, and says what has to be corrected first."""

import json
import os
from collections.abc import Collection, Iterable, Mapping
from dataclasses import asdict
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from cellpainting.cli.bucket import BUCKET
from cellpainting.cli.submit import QUEUE_URL
from cellpainting.dispatch.submission import read_submissions
from cellpainting.jobs import parse_job
from cellpainting.jobs.resources import BUDGET_USD_BELOW, MAX_MEMORY_MIB, MIN_BUDGET_USD, MIN_MEMORY_MIB
from cellpainting.jobs.run_record import RunKeys
from cellpainting.ledger import Cause, Ledger, read_ledger
from cellpainting.ledger.redrive import NotDone, not_done, redriven
from cellpainting.ledger.runs import read_whole_request
from cellpainting.preflight.messages import Message, send
from cellpainting.storage import Storage


@click.command()
@click.argument("run")
@BUCKET
@click.option(
    "--cause",
    "names",
    type=click.Choice([cause.value for cause in Cause]),
    multiple=True,
    help="send this cause only; may be given again  [default: all that may succeed with nothing corrected]",
)
@click.option(
    "--memory",
    metavar="MIB",
    type=click.IntRange(MIN_MEMORY_MIB, MAX_MEMORY_MIB),
    help="memory per job  [default: for out_of_memory twice what it had]",
)
@click.option(
    "--budget",
    "budget_usd",
    metavar="USD",
    type=click.FloatRange(MIN_BUDGET_USD, BUDGET_USD_BELOW, max_open=True),
    help="budget of the whole run from now on, what it has spent included; what the old one let wait is then sent, too",
)
@click.option("--queue-url", metavar="U", help=f"the queue to send to  [default: the one in {QUEUE_URL}]")
@click.option("--json", "as_json", is_flag=True, help="print one JSON object in place of the table")
def redrive(
    run: str,
    bucket: Storage,
    names: tuple[str, ...],
    memory: int | None,
    budget_usd: float | None,
    queue_url: str | None,
    as_json: bool,
) -> int:
    """Send a run's own request again for what is not done, by cause. What is done is not done again.

    Of a run that has stages, what is not done is counted over all of them.

    Example: cpb redrive small-plate --cause out_of_memory --memory 16000
    """
    document = read_whole_request(bucket, run)
    ledger = read_ledger(bucket, run)
    left = not_done(ledger)
    causes = _chosen(left, names, has_more_money=budget_usd is not None)
    if memory is None and Cause.OUT_OF_MEMORY in causes:
        memory = _twice_what_it_had(bucket, _out_of_memory(ledger), document)
    if causes:
        message = Message(json.dumps(redriven(document, causes, memory, budget_usd)), (run,))
        list(send([message], _queue(queue_url)))
    if as_json:
        click.echo(json.dumps(_document(run, left, causes, memory), indent=1))
        return 0
    if left:
        Console().print(_table(left, causes))
    limit = f", with {memory} MiB per job" if memory else ""
    click.echo(f"{run}: sent again for {', '.join(causes)}{limit}" if causes else f"{run}: nothing to send again")
    return 0


def _chosen(left: list[NotDone], names: Collection[str], *, has_more_money: bool) -> list[Cause]:
    if names:
        return [one.cause for one in left if one.cause in names]
    corrected = {Cause.BUDGET} if has_more_money else set()
    return [one.cause for one in left if one.cause.is_worth_retrying or one.cause in corrected]


def _table(left: list[NotDone], causes: Collection[Cause]) -> Table:
    table = Table("cause", "image sets", "shards", "sent again", "why, or what to do first")
    for one in left:
        table.add_row(
            one.cause, str(one.image_sets), str(one.shards), "yes" if one.cause in causes else "no", one.advice
        )
    return table


def _document(run: str, left: list[NotDone], causes: Collection[Cause], memory: int | None) -> dict[str, Any]:
    not_done = [{**asdict(one), "sent_again": one.cause in causes, "advice": one.advice} for one in left]
    return {"run": run, "not_done": not_done, "memory_mib": memory}


def _out_of_memory(ledger: Ledger) -> list[str]:
    return [part.run_id for part in ledger.parts if Cause.OUT_OF_MEMORY in part.causes]


def _twice_what_it_had(bucket: Storage, runs: Iterable[str], document: Mapping[str, Any]) -> int:
    had = [submission.memory_mib for run in runs for submission in read_submissions(RunKeys(run), bucket)]
    most = max(had, default=parse_job(document).resources.memory_mib or 0)
    if not most:
        raise click.UsageError("nobody knows how much memory the jobs had; give --memory")
    return min(2 * most, MAX_MEMORY_MIB)


def _queue(queue_url: str | None) -> str:
    queue = queue_url or os.environ.get(QUEUE_URL)
    if not queue:
        raise click.UsageError(f"which queue? Give --queue-url, or set {QUEUE_URL}")
    return queue
