"""From a request to Batch jobs: find out what is to be done, without writing anything, then do it."""

import json
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from cellpainting.cost.job_size import JobSize
from cellpainting.dispatch.batch_jobs import BatchJobs, attempt_timeout_s
from cellpainting.dispatch.budget import RunBudget, ShardLoad, open_budget
from cellpainting.dispatch.pending import find_pending
from cellpainting.dispatch.planned_stages import PlannedStage, plan_stages
from cellpainting.dispatch.store_plan import largest_shard_groups, store_plan
from cellpainting.dispatch.store_stages import store_stages
from cellpainting.dispatch.submission import Submission, Work
from cellpainting.dispatch.submitter import Submitter
from cellpainting.errors import InvalidField, MissingInput
from cellpainting.jobs import Job, ProcessPlate, RunRecord, StagedJob, is_same_run, parse_job
from cellpainting.ledger.held import HeldShards, hold
from cellpainting.planning.plan_job import CSV_SUFFIXES, can_plan_here, plan_job
from cellpainting.planning.request_plates import plate_sources
from cellpainting.planning.run_plan import RunPlan
from cellpainting.storage import Storage
from settings import Settings
from stages import Stages

# What one message may ask of this function's time and memory; beyond it, a job in the worker's image plans.
# Bytes of load data: 20,000 image sets of five channels with their illumination functions take 2 s and 420 MiB to plan,
# and 1,700 shards to write.
MOST_LOAD_DATA = 32 * 2**20
COMPRESSION = 16  # what gzip makes of load data, whose rows are much alike
READERS = 32  # requests on their way at once, as many as S3Storage keeps connections
MOST_INPUTS = 2_000  # files of finished shards that are asked for whether they have changed: about 3 s of HEADs


@dataclass(frozen=True)
class Decision:
    """What is to be done about a request that came with the message `origin`: `work` as submission `number`, or
    `stages`, or nothing, for a `reason`.
    """

    run: RunRecord
    reason: str = ""
    number: int = 0
    work: Work | None = None
    plan: RunPlan | None = None
    stages: tuple[PlannedStage, ...] = ()
    origin: str = ""


class Dispatcher:
    """Submits runs to Batch."""

    def __init__(self, settings: Settings, storage: Storage, jobs: BatchJobs) -> None:
        self.settings = settings
        self.storage = storage
        self.submitter = Submitter(storage, jobs)
        self.stages = Stages(self, jobs)

    def check(self, run: RunRecord) -> None:
        """Check what only the deployment knows, before anything of the same message is submitted.

        Raises
        ------
        InvalidField
            If the queue or definition is not listed, the run's name already stands for another request, or it is a
            stage's.
        """
        self.settings.place(run.job)
        if run.job.stage:
            raise InvalidField("stage", run.run_id, f"send the request of the run {run.job.stage.of!r}, which it is of")
        earlier = self._recorded_job(run)
        if earlier and not is_same_run(earlier, run.job):
            raise InvalidField("run", run.run_id, "a run of this name did something else; choose another name")

    def planned_here(self, runs: Iterable[RunRecord]) -> frozenset[str]:
        """The ids of a message's runs that this function plans itself, as far as its time and memory go.

        Raises
        ------
        MissingInput
            If load data is not there.
        """
        candidates = [run for run in runs if can_plan_here(run.job)]
        with ThreadPoolExecutor(READERS) as readers:
            sizes = list(readers.map(lambda run: self._load_data_size(run.job), candidates))
        left, here = MOST_LOAD_DATA, set()
        for run, size in zip(candidates, sizes, strict=True):
            if size <= left:
                left -= size
                here.add(run.run_id)
        return frozenset(here)

    def decide(self, run: RunRecord, origin: str, *, is_planned_here: bool) -> Decision:
        """Find out what is to be done about a request that came with the message `origin`.

        Raises
        ------
        InvalidRequest, MissingInput
            If nothing could succeed.
        ClaimedByAnother
            If another dispatch of this run is at work.
        """
        submissions = self.submitter.settled(run.keys, self.settings.place(run.job))
        number = submissions[-1].number + 1 if submissions else 0
        if submissions:
            is_sent, is_alive = submissions[-1].is_sent, self.submitter.is_alive(submissions)
            if is_sent and any(submission.origin == origin for submission in submissions):
                return Decision(run, "this message was dispatched before; nothing was submitted")
            if is_alive and is_sent:
                return Decision(run, f"this run is under way {_as_jobs(submissions)}; nothing was submitted")
            if is_alive:
                return Decision(run, number=number, work=submissions[-1].rest(origin))
        if isinstance(run.job, StagedJob):
            return self._decide_stages(run, run.job, origin, number, is_planned_here=is_planned_here)
        if not is_planned_here:
            return Decision(run, number=number, work=self.planning(run.job, origin))
        return self._plan(run, origin, number)

    def carry_out(self, decision: Decision) -> str:
        """Submit what was decided, and say in a sentence what became of the request.

        Raises
        ------
        ClaimedByAnother
            If another dispatch of this run was faster.
        """
        run, work = decision.run, decision.work
        if work is None and not decision.stages:
            return decision.reason
        self.storage.write(run.keys.request, json.dumps(run.document).encode())
        if work is None:
            return self._carry_out_stages(decision)
        if decision.plan:
            store_plan(run.keys, decision.plan, work.shards, self.storage)
        budget = self.open_budget(run)
        submission = self.submit(run, decision.number, work, budget)
        if submission is None:
            return "the budget does not suffice for it any more; nothing was submitted"
        unmatched = decision.plan.unmatched if decision.plan else ()
        without = f"; there are no image sets for {', '.join(unmatched)}" if unmatched else ""
        return f"submitted {_as_jobs([submission])}{without}"

    def submit(self, run: RunRecord, number: int, work: Work, budget: RunBudget | None) -> Submission | None:
        """Give work to Batch as a run's submission of this number, as much of it as fits the budget; None if none does.

        Raises
        ------
        ClaimedByAnother
            If another dispatch of this run was faster.
        """
        fitting = budget.admit(run, number, work) if budget else work
        if fitting is None:
            return None
        if budget is None:
            hold(run.keys, HeldShards(), self.storage)  # an earlier request may have had one
        return self.submitter.submit(run.keys, number, fitting, self.settings.place(run.job))

    def open_budget(self, run: RunRecord) -> RunBudget | None:
        """The budget of a run, or of the run that a stage is of; None if it has none."""
        return open_budget(run, self.storage, lambda job: JobSize(*self.resources(job)))

    def planning(self, job: Job, origin: str) -> Work:
        """The work of planning in the worker's image."""
        vcpus, memory = self.resources(job)
        timeout_s, queue = attempt_timeout_s(job.timeout_s, 1, 1), self.settings.place(job).queue
        return Work(origin, (), vcpus, memory, timeout_s, queue, is_planning=True)

    def measuring(self, job: Job, origin: str, shards: tuple[int, ...], largest_groups: int) -> Work:
        """The work of measuring some shards."""
        vcpus, memory = self.resources(job)
        timeout_s = attempt_timeout_s(job.timeout_s, largest_groups, vcpus)
        return Work(origin, shards, vcpus, memory, timeout_s, self.settings.place(job).queue)

    def resources(self, job: Job) -> tuple[int, int]:
        """vCPUs and memory in MiB: the request's, else the deployment's."""
        place = self.settings.place(job)
        return job.resources.vcpus or place.vcpus, job.resources.memory_mib or place.memory_mib

    def _plan(self, run: RunRecord, origin: str, number: int) -> Decision:
        plan = plan_job(run.job, self.storage)
        version = self.settings.job_types[run.job.job_type].version
        pending = find_pending(run, plan, self.storage, cellprofiler_version=version, most_inputs=MOST_INPUTS)
        if pending is None:
            return Decision(run, number=number, work=self.planning(run.job, origin))
        if not pending:
            return Decision(run, nothing_pending(run.job))
        if budget := self.open_budget(run):
            budget.require_room(run.job, ShardLoad.of(plan))
        work = self.measuring(run.job, origin, pending, largest_shard_groups(plan))
        return Decision(run, number=number, work=work, plan=plan)

    def _decide_stages(
        self, run: RunRecord, job: StagedJob, origin: str, number: int, *, is_planned_here: bool
    ) -> Decision:
        at_work = self.stages.plates_at_work(run.keys)
        planned = self._plan_stages(run, job, at_work) if is_planned_here else None
        if planned is None and at_work:  # a job that plans could not tell which plates to leave alone
            return Decision(run, f"{_under_way(at_work)}; nothing was submitted")
        if planned is None:
            return Decision(run, number=number, work=self.planning(job, origin))
        first = next((one for one in planned if one.pending), None)
        if first is not None:
            if budget := self.open_budget(run):
                budget.require_room(first.run.job, ShardLoad.of(first.plan))
            return Decision(run, stages=planned, origin=origin)
        if at_work:
            return Decision(run, f"{_under_way(at_work)}, and nothing else is to be done; nothing was submitted")
        return Decision(run, nothing_pending(job))

    def _plan_stages(self, run: RunRecord, job: StagedJob, at_work: frozenset[str]) -> tuple[PlannedStage, ...] | None:
        versions = self.settings.versions
        return plan_stages(run, job, self.storage, versions, leave_out=at_work, most_inputs=MOST_INPUTS)

    def _carry_out_stages(self, decision: Decision) -> str:
        keys = decision.run.keys
        store_stages(keys, decision.stages, self.storage)
        plates = dict.fromkeys(one.stage.plate for one in decision.stages)
        return told_stages(self.stages.submit(keys, plates, decision.origin))

    def _load_data_size(self, job: Job) -> int:
        """Bytes of all load data that have to be read, each as often as it is planned from."""
        if not isinstance(job, ProcessPlate):
            return self._table_size(job.load_data) if job.load_data else 0
        tables = dict.fromkeys(source.load_data for source in plate_sources(job, self.storage))
        return sum(map(self._table_size, tables)) * max(1, len(job.pipelines.given))

    def _table_size(self, key: str) -> int:
        if not key.endswith(CSV_SUFFIXES):
            return MOST_LOAD_DATA + 1  # which this function cannot read
        size = self.storage.stat(key).size
        return size * COMPRESSION if key.endswith(".gz") else size

    def _recorded_job(self, run: RunRecord) -> Job | None:
        try:
            return parse_job(json.loads(self.storage.read(run.keys.request)))
        except MissingInput:
            return None


def nothing_pending(job: Job) -> str:
    """Why a run that was planned needs no job."""
    if job.redrive:
        return f"no image set is left undone for {', '.join(job.redrive)}; nothing was submitted"
    return "this run is done, from the same images and pipeline; nothing was submitted ('force' does it again)"


def told_stages(submitted: list[str]) -> str:
    """Which stages were submitted, in a sentence."""
    return f"submitted {_listed(submitted)}" if submitted else "no stage had to be submitted"


def _under_way(plates: Iterable[str]) -> str:
    """That a run has plates at work, or, where it is about none, that it is."""
    named = _listed(sorted(filter(None, plates)))
    return f"this run is under way with {named}" if named else "this run is under way"


def _listed(names: Iterable[str]) -> str:
    return ", ".join(names)


def _as_jobs(submissions: list[Submission]) -> str:
    ids = [job_id for submission in submissions for job_id in submission.job_ids]
    return f"as job {ids[0]}" if len(ids) == 1 else f"as {len(ids)} jobs, the last {ids[-1]}"
