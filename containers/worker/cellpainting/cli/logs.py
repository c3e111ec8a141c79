"""`cpb logs`: what the worker and CellProfiler printed, shard by shard."""

from collections.abc import Iterator

import click

from cellpainting.cli.bucket import BUCKET
from cellpainting.errors import MissingInput
from cellpainting.jobs.run_record import RunKeys
from cellpainting.ledger import Ledger, ShardState, read_ledger
from cellpainting.ledger.runs import read_request
from cellpainting.ledger.stage_record import read_stage_record
from cellpainting.storage import Storage

NO_LOG = "no log yet: it is put into the bucket when the shard ends; if its machine was lost, there is none"


@click.command()
@click.argument("run")
@BUCKET
@click.option("--failed", is_flag=True, help="only shards with something that is not done")
@click.option("--shard", type=click.IntRange(min=0), help="only this shard")
def logs(run: str, bucket: Storage, failed: bool, shard: int | None) -> int:
    """Print the logs of a run's shards that were begun, each below a line that names it; of a run that has stages, of
    all their shards.

    Example: cpb logs small-plate --failed --bucket s3://my-bucket
    """
    read_request(bucket, run)
    if shard is not None:
        _require_own_shards(bucket, run)
        shards = [(run, shard)]
    else:
        shards = [found for part in read_ledger(bucket, run).parts for found in _begun(part, failed=failed)]
    for run_id, number in shards:
        click.echo(f"==> {run_id} shard {number} <==")
        click.echo(_log(bucket, run_id, number))
    if not shards:
        click.echo(f"{run}: no shard {'failed' if failed else 'was begun'}; 'cpb status {run}' tells how it stands")
    return 0


def _require_own_shards(bucket: Storage, run: str) -> None:
    if record := read_stage_record(RunKeys(run), bucket):
        raise click.UsageError(
            f"run {run!r} has stages, with shards of their own; name one, such as {record.stages[0].run_id}"
        )


def _begun(ledger: Ledger, *, failed: bool) -> Iterator[tuple[str, int]]:
    left = {outcome.image_set.shard for outcome in ledger.outcomes if not outcome.state.is_success}
    for shard, state in ledger.shards.items():
        is_begun = state not in (ShardState.WAITING, ShardState.BLOCKED)
        if is_begun and (not failed or shard in left or shard in ledger.failed_shards):
            yield ledger.run_id, shard


def _log(bucket: Storage, run: str, shard: int) -> str:
    try:
        return bucket.read(RunKeys(run).log(shard)).decode(errors="replace").rstrip("\n")
    except MissingInput:
        return NO_LOG
