"""Shards that the budget of a run has let wait, `held.json`."""

import json
from contextlib import suppress
from dataclasses import asdict, dataclass

from cellpainting.errors import MissingInput
from cellpainting.jobs.run_record import RunKeys
from cellpainting.storage.base import Storage


@dataclass(frozen=True)
class HeldShards:
    """`shards` wait, but for those that a submission has taken since, from the one of the number `since` on. `reason`
    says why nothing more of them is submitted; while it is empty, the end of a job may yet go on with them.
    """

    shards: tuple[int, ...] = ()
    since: int = 0
    reason: str = ""

    def to_json(self) -> bytes:
        """The content of `held.json`."""
        return json.dumps(asdict(self)).encode()


def read_held(keys: RunKeys, storage: Storage) -> HeldShards:
    """The shards of a run that wait; none where the record has nothing of it."""
    with suppress(MissingInput):
        document = json.loads(storage.read(keys.held))
        return HeldShards(tuple(document["shards"]), document["since"], document["reason"])
    return HeldShards()


def hold(keys: RunKeys, held: HeldShards, storage: Storage) -> None:
    """Take down which shards wait; that none does only where the record says otherwise."""
    if held != HeldShards() or read_held(keys, storage) != held:
        storage.write(keys.held, held.to_json())
