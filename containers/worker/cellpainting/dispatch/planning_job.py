"""What a planning job does in the worker's image: plan the run, and leave for the dispatcher which shards to submit.

It submits nothing itself: a container that runs pipelines and plugins of users has no permission to.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from cellpainting.dispatch.pending import find_pending
from cellpainting.dispatch.plan_record import PlanRecord
from cellpainting.dispatch.planned_stages import PlannedStage, plan_stages
from cellpainting.dispatch.store_plan import forget_failure, store_plan
from cellpainting.dispatch.store_stages import store_stages
from cellpainting.errors import CellPaintingError, StorageUnavailable
from cellpainting.jobs import RunRecord, StagedJob
from cellpainting.planning.plan_job import ReadSource, plan_job
from cellpainting.storage.base import Storage


def plan_run(run: RunRecord, storage: Storage, read_source: ReadSource, cellprofiler_version: str) -> PlanRecord:
    """Plan a run and store the plan, or the reason why there is none.

    Raises
    ------
    CellPaintingError
        If nothing could succeed, or the storage fails.
    """
    with _failure_recorded(run, storage):
        plan = plan_job(run.job, storage, read_source)
        pending = find_pending(run, plan, storage, cellprofiler_version=cellprofiler_version)
    return store_plan(run.keys, plan, pending or (), storage)


def plan_run_in_stages(
    run: RunRecord, job: StagedJob, storage: Storage, versions: Mapping[str, str]
) -> tuple[PlannedStage, ...]:
    """Plan all stages of a run and store their plans, or the reason why there are none. `versions` are the programs'
    by runtime.

    Raises
    ------
    CellPaintingError
        If a stage could not succeed, or the storage fails.
    """
    with _failure_recorded(run, storage):
        planned = plan_stages(run, job, storage, versions) or ()
    store_stages(run.keys, planned, storage)
    forget_failure(run.keys, storage)
    return planned


@contextmanager
def _failure_recorded(run: RunRecord, storage: Storage) -> Iterator[None]:
    """Leave in the storage why a run could not be planned."""
    try:
        yield
    except StorageUnavailable:
        raise  # a later attempt may well succeed
    except CellPaintingError as error:
        storage.write(run.keys.planning_failure, str(error).encode())
        raise
