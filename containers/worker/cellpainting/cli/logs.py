"""`cpb logs`: what the worker and CellProfiler printed, shard by shard."""

from collections.abc import Iterator

import click

from cellpainting.cli.bucket import BUCKET
from cellpainting.errors import MissingInput
from cellpainting.jobs.run_record import RunKeys
from cellpainting.ledger import ShardState, read_ledger
from cellpainting.ledger.runs import read_request
from cellpainting.storage import Storage

NO_LOG = "no log yet: it is put into the bucket when the shard ends; if its machine was lost, there is none"


@click.command()
@click.argument("run")
@BUCKET
@click.option("--failed", is_flag=True, help="only shards with something that is not done")
@click.option("--shard", type=click.IntRange(min=0), help="only this shard")
def logs(run: str, bucket: Storage, failed: bool, shard: int | None) -> int:
    """Print the logs of a run's shards that were begun, each below a line that names it.

    Example: cpb logs small-plate --failed --bucket s3://my-bucket
    """
    read_request(bucket, run)
    shards = [shard] if shard is not None else list(_begun(bucket, run, failed=failed))
    for number in shards:
        click.echo(f"==> {run} shard {number} <==")
        click.echo(_log(bucket, run, number))
    if not shards:
        click.echo(f"{run}: no shard {'failed' if failed else 'was begun'}; 'cpb status {run}' tells how it stands")
    return 0


def _begun(bucket: Storage, run: str, *, failed: bool) -> Iterator[int]:
    ledger = read_ledger(bucket, run)
    left = {outcome.image_set.shard for outcome in ledger.outcomes if not outcome.state.is_success}
    for shard, state in ledger.shards.items():
        if state != ShardState.WAITING and (not failed or shard in left or shard in ledger.failed_shards):
            yield shard


def _log(bucket: Storage, run: str, shard: int) -> str:
    try:
        return bucket.read(RunKeys(run).log(shard)).decode(errors="replace").rstrip("\n")
    except MissingInput:
        return NO_LOG
