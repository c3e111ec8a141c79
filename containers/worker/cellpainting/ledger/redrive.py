"""What of a run is not done, by cause, and the request that sends some of it again."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from cellpainting.ledger.image_set import Cause
from cellpainting.ledger.ledger import Ledger, ShardState

ADVICE = {
    Cause.INPUT_MISSING: "upload the files that ledger.csv names, then name this cause with --cause",
    Cause.INPUT_DAMAGED: "replace the files that ledger.csv names, then name this cause with --cause",
    Cause.PIPELINE_ERROR: "the pipeline would fail again: correct it or its images ('cpb logs RUN --failed')",
    Cause.TIMEOUT: "it did not come to an end in time; it may have hung",
    Cause.OUT_OF_MEMORY: "with more memory",
    Cause.STORAGE_UNAVAILABLE: "the storage could not be reached",
    Cause.MACHINE_LOST: "its machine was taken away or broke down",
    Cause.BLOCKED: "a stage before it is not complete, or waits for 'cpb approve': then it is sent by itself",
    Cause.BUDGET: "the run's budget is used up: give more with --budget",
    Cause.NOT_RUN: "it has not been run",
}
# Why a shard is not done that came to an end before its image sets were known.
NOT_PLANNED = {ShardState.LOST: Cause.NOT_RUN, ShardState.HELD: Cause.BUDGET}


@dataclass(frozen=True)
class NotDone:
    """The image sets of one cause. Shards that failed before theirs were planned count without any."""

    cause: Cause
    image_sets: int
    shards: int

    @property
    def advice(self) -> str:
        """Why it is worth sending again, or what to correct first."""
        return ADVICE[self.cause]


def not_done(ledger: Ledger) -> list[NotDone]:
    """What is left of a run, by cause; of one that has stages, in all of them."""
    image_sets, shards = dict.fromkeys(Cause, 0), dict.fromkeys(Cause, 0)
    for part in ledger.parts:
        for cause, left in _left(part, is_stage=part is not ledger).items():
            image_sets[cause] += part.causes.get(cause, 0)
            shards[cause] += len(left)
    return [NotDone(cause, image_sets[cause], shards[cause]) for cause in Cause if shards[cause]]


def shards_by_cause(ledger: Ledger) -> dict[Cause, set[int]]:
    """The shards of a run that has no stages with something that is not done, for each of its causes."""
    shards: dict[Cause, set[int]] = {cause: set() for cause in Cause}
    for outcome in ledger.outcomes:
        if outcome.cause:
            shards[outcome.cause].add(outcome.image_set.shard)
    planned = {outcome.image_set.shard for outcome in ledger.outcomes}
    for shard in ledger.failed_shards.keys() - planned:
        shards[NOT_PLANNED.get(ledger.shards[shard], Cause.PIPELINE_ERROR)].add(shard)
    return shards


def redriven(
    document: Mapping[str, Any], causes: Iterable[Cause], memory_mib: int | None, budget_usd: float | None = None
) -> dict[str, Any]:
    """A run's own request, limited to these causes; what had been done is not done again."""
    request = {name: value for name, value in document.items() if name != "force"}
    request["redrive"] = [cause.value for cause in causes]
    if memory_mib is not None:
        request["job_memory"] = memory_mib
    if budget_usd is not None:
        request["budget_usd"] = budget_usd
    return request


def _left(ledger: Ledger, *, is_stage: bool) -> dict[Cause, set[int]]:
    """The shards by cause. A stage that is one shard has none in its ledger before it was begun."""
    if is_stage and not ledger.shards:
        return {Cause.BLOCKED if ledger.blocked else Cause.NOT_RUN: {0}}
    return shards_by_cause(ledger)
