"""From a request and its load data to shards: pure functions, standard library only."""

from cellpainting.planning.shard_plan import Group, PlatePart, ShardPlan

__all__ = ["Group", "PlatePart", "ShardPlan"]
