"""The plans of all stages of a run, made before anything is started, and which of their shards need a job."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from cellpainting.dispatch.pending import find_pending
from cellpainting.errors import InvalidRequest, MissingInput
from cellpainting.jobs import RunRecord, StagedJob, parse_job
from cellpainting.jobs.stage import Stage
from cellpainting.planning.plan_job import plan_job
from cellpainting.planning.plate_stages import StageRequest
from cellpainting.planning.prepared import Prepared
from cellpainting.planning.run_plan import RunPlan
from cellpainting.planning.stage_requests import stage_requests
from cellpainting.storage.base import Storage


@dataclass(frozen=True)
class PlannedStage:
    """One stage with its plan. `pending` are the shards that need a job; `load_data` is a table to write for it."""

    stage: Stage
    run: RunRecord
    plan: RunPlan
    pending: tuple[int, ...]
    load_data: bytes | None


def plan_stages(
    run: RunRecord,
    job: StagedJob,
    storage: Storage,
    versions: Mapping[str, str],
    *,
    leave_out: Collection[str] = (),
    most_inputs: int | None = None,
) -> tuple[PlannedStage, ...] | None:
    """Plan all stages, but for those of the plates `leave_out`; None if more than `most_inputs` files of one would have
    to be asked for. `versions` are the programs' by runtime.

    What follows a stage that has something to do is done again: its worker sees what has changed.

    Raises
    ------
    InvalidRequest, MissingInput
        If a stage could not succeed, naming it.
    """
    planned: dict[str, PlannedStage] = {}
    for request in stage_requests(run, job, storage, leave_out=leave_out):
        one = _plan(request, storage, versions, planned, most_inputs)
        if one is None:
            return None
        planned[one.run.run_id] = one
    return tuple(planned.values())


def _plan(
    request: StageRequest,
    storage: Storage,
    versions: Mapping[str, str],
    earlier: Mapping[str, PlannedStage],
    most_inputs: int | None,
) -> PlannedStage | None:
    job = parse_job(request.document)
    stage, run = job.stage, RunRecord.of(job, request.document)
    if stage is None:
        raise InvalidRequest(f"run {run.run_id} is no stage; send it by itself")
    made = {job.load_data: request.load_data} if job.load_data and request.load_data is not None else {}
    try:
        plan = plan_job(job, Prepared(storage, made))
    except InvalidRequest as error:
        raise InvalidRequest(f"{stage.label}: {error}") from error
    except MissingInput as error:
        raise MissingInput(f"{stage.label}: {error}") from error
    if any(name in earlier and earlier[name].pending for name in (*stage.needs, *stage.after)):
        pending: tuple[int, ...] | None = tuple(shard.number for shard in plan.shards)
    else:
        version = versions.get(job.runtime, "")
        pending = find_pending(run, plan, storage, cellprofiler_version=version, most_inputs=most_inputs)
    return None if pending is None else PlannedStage(stage, run, plan, pending, request.load_data)
