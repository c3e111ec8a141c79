"""What follows when a Batch job of ours ends: losses are recorded, what can be mended is submitted again, and when
nothing of the run is left, its ledger is written. An event may come late, or twice: what is done already is not done
again.
"""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

from cellpainting.dispatch.batch_jobs import BatchJobs, job_name
from cellpainting.dispatch.ended_job import REFUSED, Ending
from cellpainting.dispatch.shard_ranges import from_ranges
from cellpainting.dispatch.store_plan import read_plan_record
from cellpainting.dispatch.submission import Part, Submission, Work, read_submission
from cellpainting.errors import MissingInput
from cellpainting.jobs import RunRecord, StagedJob, parse_job
from cellpainting.jobs.run_record import RUNS, RunKeys
from cellpainting.jobs.stage import Stage
from cellpainting.ledger import Cause, LostShard, Manifest, read_ledger, write_ledger
from cellpainting.ledger.stage_record import read_stage_record
from dispatcher import Dispatcher, told_stages

READERS = 32  # requests on their way at once, as many as S3Storage keeps connections
# Image sets that this function's time and memory suffice for, with room: some 40 s. `cpb status` counts any number.
MOST_IN_LEDGER = 100_000


@dataclass(frozen=True)
class EndedJob:
    """A job of ours that has ended, `detail` being Batch's own description."""

    run: RunRecord
    submission: Submission
    part: Part
    detail: Any

    @property
    def is_success(self) -> bool:
        return bool(self.detail["status"] == "SUCCEEDED")

    @property
    def origin(self) -> str:
        """What a submission that follows from this end is made for."""
        return f"the end of job {self.detail['jobId']}"


class JobEnds:
    """Follows the ends of Batch jobs."""

    def __init__(self, dispatcher: Dispatcher, jobs: BatchJobs) -> None:
        self._dispatcher = dispatcher
        self._storage = dispatcher.storage
        self._jobs = jobs

    def follow(self, detail: Any) -> str:
        """Do what follows from the end of a job, and say in a sentence what that was.

        Raises
        ------
        ClaimedByAnother
            If a dispatch of the same run is at work; the event is to come again.
        """
        ended = self._ours(detail)
        if ended is None:
            return "this job was submitted by somebody else; nothing was done"
        if ended.submission.is_planning and isinstance(ended.run.job, StagedJob) and ended.is_success:
            return self._submit_stages(ended)
        submissions = self._dispatcher.submitter.settled(ended.run.keys, self._place(ended))
        work = self._after_planning(ended) if ended.submission.is_planning else self._after_measuring(ended)
        work = _without_covered(work, ended, submissions) if work else None
        if work:
            number = submissions[-1].number + 1
            submission = self._dispatcher.submit(ended.run, number, work)
            return f"{len(work.shards) or 'no'} shards were submitted with {work.memory_mib} MiB: {submission.job_ids}"
        if self._dispatcher.submitter.is_alive(submissions):
            return "other jobs of this run have not ended; nothing was done"
        told = self._write_ledger(ended.run)
        stage = ended.run.job.stage
        return f"{told}; {self._follow_stage(stage, ended.origin)}" if stage else told

    def _submit_stages(self, ended: EndedJob) -> str:
        """What follows when a job has planned the stages of a run."""
        keys = ended.run.keys
        record = read_stage_record(keys, self._storage)
        return told_stages(self._dispatcher.stages.submit(keys, record.plates if record else (), ended.origin))

    def _follow_stage(self, stage: Stage, origin: str) -> str:
        """What follows when nothing of a stage is left: the stages that it kept, or the ledger of the whole run."""
        submitted = self._dispatcher.stages.go_on(stage, origin)
        keys = RunKeys(stage.of)
        if submitted or self._dispatcher.stages.plates_at_work(keys):
            return told_stages(submitted)
        document = json.loads(self._storage.read(keys.request))
        return self._write_ledger(RunRecord.of(parse_job(document), document))

    def _ours(self, detail: Any) -> EndedJob | None:
        parameters = detail.get("parameters", {})
        run_id = parameters.get("request", "").removeprefix(self._storage.uri(RUNS)).removesuffix("/request.json")
        if not run_id or "/" in run_id or not parameters.get("submission", "").isdigit():
            return None
        keys = RunKeys(run_id)
        try:
            submission = read_submission(keys, int(parameters["submission"]), self._storage)
            document = json.loads(self._storage.read(keys.request))
        except MissingInput:
            return None
        for number, part in enumerate(submission.parts):
            if job_name(keys, submission, number) == detail["jobName"]:
                return EndedJob(RunRecord.of(parse_job(document), document), submission, part, detail)
        return None

    def _place(self, ended: EndedJob) -> Any:
        return self._dispatcher.settings.place(ended.run.job)

    def _after_planning(self, ended: EndedJob) -> Work | None:
        job = ended.run.job
        plan = read_plan_record(ended.run.keys, self._storage) if ended.is_success else None
        if plan is not None:
            pending = from_ranges(plan.pending)
            return self._dispatcher.measuring(job, ended.origin, pending, plan.largest_shard_groups)
        ending = Ending.of(ended.detail)
        if ending.cause == Cause.OUT_OF_MEMORY and (memory := self._more_memory(ended.submission)):
            return self._dispatcher.planning(job, ended.origin, memory)
        if ending.exit_code not in REFUSED:  # else the worker has written its own reason
            self._storage.write(ended.run.keys.planning_failure, str(ending).encode())
        return None

    def _after_measuring(self, ended: EndedJob) -> Work | None:
        if ended.is_success or Ending.of(ended.detail).is_blocked:
            return None
        with ThreadPoolExecutor(READERS) as readers:
            failed = list(self._failed_shards(ended))
            is_short = readers.map(lambda one: self._is_out_of_memory(ended.run.keys, *one), failed)
            short = tuple(shard for (shard, _), short in zip(failed, is_short, strict=True) if short)
        memory = self._more_memory(ended.submission)
        if not short or not memory:
            return None
        submission = ended.submission
        return Work(ended.origin, short, submission.vcpus, memory, submission.timeout_s)

    def _failed_shards(self, ended: EndedJob) -> Iterator[tuple[int, Ending]]:
        numbers = ended.submission.shard_numbers[ended.part.offset :]
        if ended.part.size == 1:
            yield numbers[0], Ending.of(ended.detail)
            return
        for child in self._jobs.failed_children(ended.detail["jobId"]):
            yield numbers[int(child["jobId"].rpartition(":")[2])], Ending.of(child)

    def _is_out_of_memory(self, keys: RunKeys, shard: int, ending: Ending) -> bool:
        """Whether more memory may help a shard. One that could not say how it ended is recorded as lost."""
        try:
            manifest = Manifest.from_json(self._storage.read(keys.shard(shard)))
        except MissingInput:
            self._storage.write(keys.lost(shard), LostShard(shard, ending.cause, str(ending)).to_json())
            return ending.cause == Cause.OUT_OF_MEMORY
        return any(outcome.cause == Cause.OUT_OF_MEMORY for outcome in manifest.outcomes)

    def _more_memory(self, submission: Submission) -> int | None:
        """Twice the memory in MiB, as far as the deployment allows; None if it had that already."""
        memory = min(2 * submission.memory_mib, self._dispatcher.settings.max_memory_mib)
        return memory if memory > submission.memory_mib else None

    def _write_ledger(self, run: RunRecord) -> str:
        planned = self._planned_image_sets(run.keys)
        if planned > MOST_IN_LEDGER:
            return f"nothing of this run is left; 'cpb status {run.run_id}' counts its {planned} image sets"
        ledger = read_ledger(self._storage, run.run_id)
        write_ledger(self._storage, ledger)
        counted = ", ".join(f"{count} {state}" for state, count in ledger.counts.items() if count)
        return f"nothing of this run is left: {counted or 'no image sets'}"

    def _planned_image_sets(self, keys: RunKeys) -> int:
        """Image sets of a run's plan, or of all its stages' plans: as many as have to be read for its ledger."""
        record = read_stage_record(keys, self._storage)
        runs = [RunKeys(stage.run_id) for stage in record.stages] if record else [keys]
        with ThreadPoolExecutor(READERS) as readers:
            plans = readers.map(lambda one: read_plan_record(one, self._storage), runs)
            return sum(plan.image_set_count for plan in plans if plan)


def _without_covered(work: Work, ended: EndedJob, submissions: list[Submission]) -> Work | None:
    """Leave out what a later submission does: this event came before, or the request was sent again."""
    later = [one for one in submissions if one.number > ended.submission.number]
    if work.is_planning:
        return None if any(one.is_sent for one in later) else work
    covered = {shard for one in later for shard in set(one.shard_numbers) - set(one.unsent)}
    shards = tuple(shard for shard in work.shards if shard not in covered)
    return replace(work, shards=shards) if shards else None
