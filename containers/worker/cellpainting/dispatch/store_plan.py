"""Puts a plan where its workers find it: `plan/<n>.json` for each shard, `plan.csv`, and `plan.json` last."""

import hashlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace

from cellpainting.dispatch.plan_record import PlanRecord
from cellpainting.dispatch.shard_ranges import to_ranges
from cellpainting.errors import MissingInput
from cellpainting.jobs.run_record import RunKeys
from cellpainting.ledger.plan_table import write_plan
from cellpainting.planning.run_plan import RunPlan
from cellpainting.storage.base import Storage

WRITERS = 32  # requests on their way at once, as many as S3Storage keeps connections


def store_plan(keys: RunKeys, plan: RunPlan, pending: Sequence[int], storage: Storage) -> PlanRecord:
    """Write a plan. Shards that are stored already are not written again.

    Raises
    ------
    StorageUnavailable
        If the storage fails; the plan then counts as not stored.
    """
    record = _record(plan, pending)
    earlier = read_plan_record(keys, storage)
    if earlier is None or earlier.digest != record.digest:
        if earlier is not None:  # until all shards are written, the record vouches for none
            storage.write(keys.plan_record, replace(earlier, digest="").to_json())
        _write_shards(keys, plan, storage)
    storage.write(keys.plan_record, record.to_json())
    forget_failure(keys, storage)
    return record


def read_plan_record(keys: RunKeys, storage: Storage) -> PlanRecord | None:
    """The record of the plan that is stored, or None."""
    with suppress(MissingInput):
        return PlanRecord.from_json(storage.read(keys.plan_record))
    return None


def largest_shard_groups(plan: RunPlan) -> int:
    """Groups of the largest shard."""
    return max(len(shard.groups) for shard in plan.shards)


def forget_failure(keys: RunKeys, storage: Storage) -> None:
    """Empty the reason why an earlier try to plan failed; who plans need not be allowed to delete."""
    with suppress(MissingInput):
        if storage.read(keys.planning_failure):
            storage.write(keys.planning_failure, b"")


def _write_shards(keys: RunKeys, plan: RunPlan, storage: Storage) -> None:
    with ThreadPoolExecutor(WRITERS) as writers:
        written = writers.map(lambda shard: storage.write(keys.shard_plan(shard.number), shard.to_json()), plan.shards)
        for _ in written:
            pass  # raises what a write has raised
    if plan.image_set_count:  # those of a plain folder or a backend are listed by the worker
        image_sets = (one for shard in plan.shards for group in shard.groups for one in shard.image_sets(group))
        storage.write(keys.plan, write_plan(image_sets))


def _record(plan: RunPlan, pending: Sequence[int]) -> PlanRecord:
    digest = hashlib.sha256()
    for shard in plan.shards:
        digest.update(shard.to_json())
    return PlanRecord(
        shard_count=len(plan.shards),
        image_set_count=plan.image_set_count,
        largest_shard_groups=largest_shard_groups(plan),
        made_from=plan.made_from,
        digest=digest.hexdigest(),
        pending=to_ranges(pending),
        unmatched=plan.unmatched,
    )
