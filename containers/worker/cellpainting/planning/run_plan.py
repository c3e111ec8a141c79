"""All shards of a run, before anything is written or started."""

from dataclasses import dataclass

from cellpainting.ledger.manifest import StoredFile
from cellpainting.planning.shard_plan import ShardPlan


@dataclass(frozen=True)
class RunPlan:
    """All shards of a run. `made_from` are the files that were read for it; `unmatched` names the requested groups
    that have no image set.
    """

    shards: tuple[ShardPlan, ...]
    made_from: tuple[StoredFile, ...]
    unmatched: tuple[str, ...] = ()

    @property
    def image_set_count(self) -> int:
        """Image sets of all shards; 0 where only the worker can tell them."""
        return sum(shard.image_set_count for shard in self.shards)
