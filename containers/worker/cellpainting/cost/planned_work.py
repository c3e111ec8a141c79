"""The work that a request comes to, as far as its cost goes: how many shards of how many image sets, stage by stage."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from cellpainting.cost.usage import lanes_of
from cellpainting.dispatch.store_plan import read_plan_record
from cellpainting.errors import InvalidRequest
from cellpainting.jobs import BuildBackend, Job, RunCellProfiler, RunRecord, StagedJob, parse_job
from cellpainting.jobs.run_cellprofiler import DEFAULT_IMAGE_SETS_PER_VCPU
from cellpainting.jobs.run_record import RunKeys
from cellpainting.load_data.read_table import read_table
from cellpainting.planning.plan_job import ImageSetSource, places_of, plan_job
from cellpainting.planning.prepared import Prepared
from cellpainting.planning.stage_requests import stage_requests
from cellpainting.storage.base import Storage


@dataclass(frozen=True)
class PlannedWork:
    """One stage of one plate, or a run that has no stages. `image_sets` is 0 where only the worker can tell them;
    `lanes` is how many of them a job does at a time.
    """

    run_id: str
    job: Job
    image_sets: int
    shards: int
    lanes: int

    @property
    def name(self) -> str:
        """The stage, or else the kind of work."""
        return self.job.stage.name if self.job.stage else self.job.job_type

    @property
    def plate(self) -> str:
        """The plate of a stage, or of a backend or page; empty otherwise."""
        return self.job.stage.plate if self.job.stage else getattr(self.job, "plate", "")


def planned_works(run: RunRecord, storage: Storage, image_sets: int | None) -> tuple[PlannedWork, ...]:
    """Plan a request as the dispatcher does, without looking at what is done already. `image_sets` is for one whose
    image sets only its worker can tell.

    Raises
    ------
    InvalidRequest, MissingInput
        If it could not succeed, or only its worker can tell the image sets and nobody says how many they are.
    """
    works = [_with_image_sets(work, image_sets) for work in _planned(run, storage)]
    return tuple(_backend_of_plate(work, works, storage) for work in works)


def _planned(run: RunRecord, storage: Storage) -> Iterator[PlannedWork]:
    if not isinstance(run.job, StagedJob):
        yield _plan(run, storage)
        return
    for request in stage_requests(run, run.job, storage):
        job = parse_job(request.document)
        made = {job.load_data: request.load_data} if job.load_data and request.load_data is not None else {}
        yield _plan(RunRecord.of(job, request.document), Prepared(storage, made))


def _plan(run: RunRecord, storage: Storage) -> PlannedWork:
    job = run.job
    vcpus = job.resources.vcpus or 1
    if isinstance(job, RunCellProfiler) and not job.load_data:
        shards = 1 if job.is_plain_folder else 0
        return PlannedWork(run.run_id, job, 0, shards, lanes_of(shards or vcpus, vcpus))
    plan = plan_job(job, storage, _read_source)
    lanes = lanes_of(max(len(shard.groups) for shard in plan.shards), vcpus)
    return PlannedWork(run.run_id, job, plan.image_set_count, len(plan.shards), lanes)


def _read_source(job: RunCellProfiler, storage: Storage) -> ImageSetSource:
    """Load data in any form: nobody waits for a Lambda function here."""
    name = job.load_data or ""
    return ImageSetSource(read_table(storage.read(name), name, places_of(job, storage)), storage.read(job.pipeline))


def _with_image_sets(work: PlannedWork, image_sets: int | None) -> PlannedWork:
    if work.image_sets or not isinstance(work.job, RunCellProfiler):
        return work
    if image_sets is None:
        raise InvalidRequest(
            f"{work.run_id}: only the worker can tell the image sets of this request; say with --image-sets how many"
        )
    per_shard = work.job.image_sets_per_shard or DEFAULT_IMAGE_SETS_PER_VCPU * (work.job.resources.vcpus or 1)
    return replace(work, image_sets=image_sets, shards=work.shards or -(-image_sets // per_shard))


def _backend_of_plate(work: PlannedWork, works: list[PlannedWork], storage: Storage) -> PlannedWork:
    """A backend takes the image sets of its plate, which its own plan does not tell."""
    if not isinstance(work.job, BuildBackend):
        return work
    counts = [other.image_sets for other in works if other.plate == work.plate]
    if work.job.analysed_run:
        record = read_plan_record(RunKeys(work.job.analysed_run), storage)
        counts.append(record.image_set_count if record else 0)
    return replace(work, image_sets=max(counts))
