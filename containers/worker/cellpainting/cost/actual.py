"""What a run has cost, as the manifests of its shards tell it; and what would have been estimated without it."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from cellpainting.cost.estimate import estimate_works
from cellpainting.cost.job_size import JobSize
from cellpainting.cost.planned_work import PlannedWork
from cellpainting.cost.run_cost import RunCost, StageCost
from cellpainting.cost.usage import lanes_of, shard_uses
from cellpainting.dispatch.store_plan import read_plan_record
from cellpainting.dispatch.submission import read_submissions
from cellpainting.jobs import Job, parse_job
from cellpainting.jobs.run_record import RunKeys
from cellpainting.ledger.runs import read_request
from cellpainting.ledger.stage_record import read_stage_record
from cellpainting.storage.base import Storage


@dataclass(frozen=True)
class CountedRun:
    """A run as its manifests tell it, and as it would have been estimated by other runs, or by default."""

    actual: RunCost
    estimated: RunCost


def count_run(storage: Storage, run_id: str) -> CountedRun:
    """Count what a run has taken so far, all its stages included.

    Raises
    ------
    InvalidRequest
        If there is no such run.
    StorageUnavailable
        If the storage fails.
    """
    read_request(storage, run_id)
    record = read_stage_record(RunKeys(run_id), storage)
    run_ids = [stage.run_id for stage in record.stages] if record else [run_id]
    jobs = {one: parse_job(read_request(storage, one)) for one in run_ids}
    actual = RunCost(run_id, tuple(_count(storage, one, job) for one, job in jobs.items()))
    works = list(_works(storage, jobs, actual))
    return CountedRun(actual, RunCost(run_id, estimate_works(works, storage, leave_out=run_ids)))


def _count(storage: Storage, run_id: str, job: Job) -> StageCost:
    keys = RunKeys(run_id)
    size = _size(storage, keys, job)
    uses = shard_uses(storage, keys, job, size.vcpus).values()
    work = PlannedWork(run_id, job, 0, 0, 1)
    return StageCost(
        run_id=run_id,
        name=work.name,
        plate=work.plate,
        image_sets=sum(use.image_sets for use in uses),
        shards=len(uses),
        seconds=sum(use.seconds for use in uses),
        size=size,
        reads=sum(use.reads for use in uses),
        writes=sum(use.writes for use in uses),
        written_bytes=sum(use.written_bytes for use in uses),
        source="manifests",
    )


def _size(storage: Storage, keys: RunKeys, job: Job) -> JobSize:
    """What the jobs had: as they were submitted at first, else as the request asks."""
    measuring = [one for one in read_submissions(keys, storage) if not one.is_planning]
    return JobSize(measuring[0].vcpus, measuring[0].memory_mib) if measuring else JobSize.of(job)


def _works(storage: Storage, jobs: dict[str, Job], actual: RunCost) -> Iterator[PlannedWork]:
    """What was planned, as the record has it; where only the worker could tell the image sets, as it did."""
    for stage in actual.stages:
        job = jobs[stage.run_id]
        record = read_plan_record(RunKeys(stage.run_id), storage)
        groups = record.largest_shard_groups if record else 1
        work = PlannedWork(stage.run_id, job, stage.image_sets, stage.shards, lanes_of(groups, stage.size.vcpus))
        if record:
            work = replace(work, image_sets=record.image_set_count or stage.image_sets, shards=record.shard_count)
        yield work
