"""Which shards of a run wait for what its budget has left."""

from cellpainting.dispatch.submission import read_submissions
from cellpainting.jobs.run_record import RunKeys
from cellpainting.ledger.held import read_held
from cellpainting.storage.base import Storage


def waiting_shards(keys: RunKeys, storage: Storage) -> tuple[int, ...]:
    """The shards of a run that its budget has let wait until now."""
    held = read_held(keys, storage)
    if not held.shards:
        return ()
    since = [one for one in read_submissions(keys, storage) if one.number >= held.since]
    sent = {shard for one in since for shard in set(one.shard_numbers) - set(one.unsent)}
    return tuple(shard for shard in held.shards if shard not in sent)


def may_go_on(keys: RunKeys, storage: Storage) -> bool:
    """Whether shards of a run wait for what its budget has left, and nobody has said that it does not suffice."""
    return not read_held(keys, storage).reason and bool(waiting_shards(keys, storage))
