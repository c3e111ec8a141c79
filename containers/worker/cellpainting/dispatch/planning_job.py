"""What a planning job does in the worker's image: plan the run, and leave for the dispatcher which shards to submit.

It submits nothing itself: a container that runs pipelines and plugins of users has no permission to.
"""

from cellpainting.dispatch.pending import find_pending
from cellpainting.dispatch.plan_record import PlanRecord
from cellpainting.dispatch.store_plan import store_plan
from cellpainting.errors import CellPaintingError, StorageUnavailable
from cellpainting.jobs import RunRecord
from cellpainting.planning.plan_job import ReadSource, plan_job
from cellpainting.storage.base import Storage


def plan_run(run: RunRecord, storage: Storage, read_source: ReadSource, cellprofiler_version: str) -> PlanRecord:
    """Plan a run and store the plan, or the reason why there is none.

    Raises
    ------
    CellPaintingError
        If nothing could succeed, or the storage fails.
    """
    try:
        plan = plan_job(run.job, storage, read_source)
        pending = find_pending(run, plan, storage, cellprofiler_version=cellprofiler_version)
    except StorageUnavailable:
        raise  # a later attempt may well succeed
    except CellPaintingError as error:
        storage.write(run.keys.planning_failure, str(error).encode())
        raise
    return store_plan(run.keys, plan, pending or (), storage)
