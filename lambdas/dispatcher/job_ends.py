"""What follows when a Batch job of ours ends: losses are recorded, what can be mended is submitted again, and when
nothing of the run is left, its ledger is written and people are told. An event may come late, or twice: what is done
already is not done again.
"""

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

from cellpainting.dispatch.batch_jobs import BatchJobs, job_name
from cellpainting.dispatch.ended_job import REFUSED, Ending
from cellpainting.dispatch.shard_ranges import from_ranges
from cellpainting.dispatch.store_plan import read_plan_record
from cellpainting.dispatch.submission import Submission, Work, read_submission
from cellpainting.dispatch.waiting_shards import waiting_shards
from cellpainting.errors import MissingInput
from cellpainting.jobs import RunRecord, StagedJob, parse_job
from cellpainting.jobs.run_record import RUNS, RunKeys
from cellpainting.jobs.stage import Stage
from cellpainting.ledger import read_ledger, write_ledger
from cellpainting.ledger.stage_record import read_stage_record
from dispatcher import Dispatcher, told_stages
from notices import Notices
from remedies import EndedJob, Remedies

READERS = 32  # requests on their way at once, as many as S3Storage keeps connections
# Image sets that this function's time and memory suffice for, with room: some 40 s. `cpb status` counts any number.
MOST_IN_LEDGER = 100_000


class JobEnds:
    """Follows the ends of Batch jobs."""

    def __init__(self, dispatcher: Dispatcher, jobs: BatchJobs, notices: Notices) -> None:
        self._dispatcher = dispatcher
        self._storage = dispatcher.storage
        self._remedies = Remedies(dispatcher, jobs)
        self._notices = notices

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
        works = self._after_planning(ended) if ended.submission.is_planning else self._after_measuring(ended)
        left = [work for one in works if (work := _without_covered(one, ended, submissions))]
        if left and (submitted := self._submit(ended, left, submissions[-1].number + 1)):
            return submitted
        if self._dispatcher.submitter.is_alive(submissions):
            return "other jobs of this run have not ended; nothing was done"
        stage = ended.run.job.stage
        if not stage and (wave := self._go_on(ended, submissions)):
            return _told(wave)
        told = self._conclude(ended.run, ended)
        return f"{told}; {self._follow_stage(stage, ended)}" if stage else told

    def _submit(self, ended: EndedJob, works: list[Work], number: int) -> str:
        """Give what is left of a run to Batch, as far as it fits the budget; empty if nothing does. If it dies between
        two, the event comes again and does the rest.
        """
        budget = self._dispatcher.open_budget(ended.run)
        submitted: list[Submission] = []
        for work in works:
            submission = self._dispatcher.submit(ended.run, number + len(submitted), work, budget)
            submitted += [submission] if submission else []
        return "; ".join(map(_told, submitted))

    def _go_on(self, ended: EndedJob, submissions: list[Submission]) -> Submission | None:
        """Submit what the budget of a run has let wait, as far as it suffices now, or say in its record that it does
        not.
        """
        budget, run = self._dispatcher.open_budget(ended.run), ended.run
        shards = waiting_shards(run.keys, self._storage)
        plan = read_plan_record(run.keys, self._storage)
        if not (budget and shards and plan):
            return None
        work = self._dispatcher.measuring(run.job, ended.origin, shards, plan.largest_shard_groups)
        submission = self._dispatcher.submit(run, submissions[-1].number + 1, work, budget)
        if submission is None:
            budget.give_up(run)
        return submission

    def _submit_stages(self, ended: EndedJob) -> str:
        """What follows when a job has planned the stages of a run."""
        keys = ended.run.keys
        record = read_stage_record(keys, self._storage)
        submitted = self._dispatcher.stages.submit(keys, record.plates if record else (), ended.origin)
        if not submitted and self._dispatcher.stages.give_up(keys):
            return self._conclude(ended.run, ended)
        return told_stages(submitted)

    def _follow_stage(self, stage: Stage, ended: EndedJob) -> str:
        """What follows when nothing of a stage is left: the stages that it kept, or the ledger of the whole run."""
        submitted = self._dispatcher.stages.go_on(stage, ended.origin)
        keys = RunKeys(stage.of)
        if submitted or self._dispatcher.stages.plates_at_work(keys):
            return told_stages(submitted)
        while given_up := self._dispatcher.stages.give_up(keys):
            for run in given_up:
                self._conclude(run, ended)
            if submitted := self._dispatcher.stages.go_on(stage, ended.origin):  # the page, of what there is
                return told_stages(submitted)
        document = json.loads(self._storage.read(keys.request))
        return self._conclude(RunRecord.of(parse_job(document), document), ended)

    def run_id(self, detail: Any) -> str:
        """The run that a job says it is of; empty if it says nothing."""
        request = detail.get("parameters", {}).get("request", "")
        run_id = str(request).removeprefix(self._storage.uri(RUNS)).removesuffix("/request.json")
        return "" if "/" in run_id else run_id

    def _ours(self, detail: Any) -> EndedJob | None:
        parameters, run_id = detail.get("parameters", {}), self.run_id(detail)
        if not run_id or not parameters.get("submission", "").isdigit():
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

    def _after_planning(self, ended: EndedJob) -> list[Work]:
        job = ended.run.job
        plan = read_plan_record(ended.run.keys, self._storage) if ended.is_success else None
        if plan is not None:
            pending = from_ranges(plan.pending)
            return [self._dispatcher.measuring(job, ended.origin, pending, plan.largest_shard_groups)]
        ending = Ending.of(ended.detail)
        works = self._remedies.of_planning(ended)
        if not works and ending.exit_code not in REFUSED:  # else the worker has written its own reason
            self._storage.write(ended.run.keys.planning_failure, str(ending).encode())
        return works

    def _after_measuring(self, ended: EndedJob) -> list[Work]:
        is_lost = not ended.is_success and not Ending.of(ended.detail).is_blocked
        return self._remedies.of_shards(ended) if is_lost else []

    def _conclude(self, run: RunRecord, ended: EndedJob) -> str:
        """Write the ledger of a run of which nothing is left and, unless it is a stage, tell people."""
        planned = self._planned_image_sets(run.keys)
        if planned > MOST_IN_LEDGER:
            told = f"nothing of this run is left; 'cpb status {run.run_id}' counts its {planned} image sets"
            is_told = run.job.stage is None
            return f"{told}; {self._notices.tell_uncounted(run, planned, ended.detail['jobId'])}" if is_told else told
        ledger = read_ledger(self._storage, run.run_id)
        write_ledger(self._storage, ledger)
        counted = ", ".join(f"{count} {state}" for state, count in ledger.counts.items() if count)
        told = f"nothing of this run is left: {counted or 'no image sets'}"
        return told if run.job.stage else f"{told}; {self._notices.tell(run, ledger)}"

    def _planned_image_sets(self, keys: RunKeys) -> int:
        """Image sets of a run's plan, or of all its stages' plans: as many as have to be read for its ledger."""
        record = read_stage_record(keys, self._storage)
        runs = [RunKeys(stage.run_id) for stage in record.stages] if record else [keys]
        with ThreadPoolExecutor(READERS) as readers:
            plans = readers.map(lambda one: read_plan_record(one, self._storage), runs)
            return sum(plan.image_set_count for plan in plans if plan)


def _told(submission: Submission) -> str:
    shards = len(submission.shard_numbers) or "no"
    place = f"with {submission.memory_mib} MiB to {submission.queue.rpartition('/')[2]}"
    return f"{shards} shards were submitted {place}: {', '.join(submission.job_ids)}"


def _without_covered(work: Work, ended: EndedJob, submissions: list[Submission]) -> Work | None:
    """Leave out what a later submission does: this event came before, or the request was sent again."""
    later = [one for one in submissions if one.number > ended.submission.number]
    if work.is_planning:
        return None if any(one.is_sent for one in later) else work
    covered = {shard for one in later for shard in set(one.shard_numbers) - set(one.unsent)}
    shards = tuple(shard for shard in work.shards if shard not in covered)
    return replace(work, shards=shards) if shards else None
