"""What a request will cost: its plan, times what its pipelines took in earlier runs, or by default."""

from collections.abc import Collection, Iterable

from cellpainting.cost.defaults import default_usage
from cellpainting.cost.job_size import JobSize
from cellpainting.cost.measured import find_measured, means_of
from cellpainting.cost.planned_work import PlannedWork, planned_works
from cellpainting.cost.run_cost import RunCost, StageCost
from cellpainting.cost.usage import READS_OF_SHARD, WRITES_OF_SHARD, Usage
from cellpainting.jobs import RunRecord
from cellpainting.storage.base import Storage


def estimate(run: RunRecord, storage: Storage, image_sets: int | None = None) -> RunCost:
    """Estimate a request as if nothing of it were done. `image_sets` is for one whose worker alone can tell them.

    Raises
    ------
    InvalidRequest, MissingInput
        If the request could not succeed, or its image sets are not known.
    StorageUnavailable
        If the storage fails.
    """
    return RunCost(run.run_id, estimate_works(planned_works(run, storage, image_sets), storage))


def estimate_works(
    works: Iterable[PlannedWork], storage: Storage, *, leave_out: Collection[str] = ()
) -> tuple[StageCost, ...]:
    """Estimate planned work by all runs but those of the ids `leave_out`."""
    by_means = [(work, means_of(work.job, storage)) for work in works]
    measured = find_measured(storage, {means for _, means in by_means if means}, leave_out=leave_out)
    usages = [measured.get(means) if means else None for _, means in by_means]
    return tuple(
        _cost(work, usage or default_usage(work.job, storage))
        for (work, _), usage in zip(by_means, usages, strict=True)
    )


def _cost(work: PlannedWork, usage: Usage) -> StageCost:
    return StageCost(
        run_id=work.run_id,
        name=work.name,
        plate=work.plate,
        image_sets=work.image_sets,
        shards=work.shards,
        seconds=usage.seconds(work.shards, work.image_sets, work.lanes),
        size=JobSize.of(work.job),
        reads=work.shards * READS_OF_SHARD + work.image_sets * usage.reads,
        writes=work.shards * WRITES_OF_SHARD + work.image_sets * usage.writes,
        written_bytes=work.image_sets * usage.written_bytes,
        source=usage.source,
    )
