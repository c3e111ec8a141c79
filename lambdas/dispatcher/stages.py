"""The stages of runs: submitted together, each depending on the jobs of those before; and what was blocked, once it can
start.
"""

import json
from collections.abc import Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from cellpainting.dispatch.batch_jobs import BatchJobs
from cellpainting.dispatch.budget import RunBudget
from cellpainting.dispatch.plan_record import PlanRecord
from cellpainting.dispatch.shard_ranges import from_ranges
from cellpainting.dispatch.store_plan import read_plan_record
from cellpainting.dispatch.submission import Submission
from cellpainting.dispatch.waiting_shards import may_go_on, waiting_shards
from cellpainting.jobs import RunRecord, parse_job
from cellpainting.jobs.run_record import RunKeys
from cellpainting.jobs.stage import Stage
from cellpainting.ledger.approval import why_not_approved
from cellpainting.ledger.blocked import mark_blocked, why_blocked
from cellpainting.ledger.reader import read_ledger
from cellpainting.ledger.readiness import why_not_ready
from cellpainting.ledger.stage_record import StageRecord, read_stage_record

if TYPE_CHECKING:
    from dispatcher import Dispatcher

NOT_SUBMITTED = "it has not been submitted yet"
PLATES = 16  # plates, or stages, that are looked at side by side


@dataclass(frozen=True)
class StageRun:
    """One stage's run as it stands: its request, its submissions, and its jobs that have not ended."""

    stage: Stage
    run: RunRecord
    submissions: tuple[Submission, ...]
    alive: tuple[str, ...]

    @property
    def number(self) -> int:
        """That of the next submission."""
        return self.submissions[-1].number + 1 if self.submissions else 0

    def is_submitted_for(self, origin: str) -> bool:
        """Whether its last submission was made for this message or ended job, as a whole."""
        return bool(self.submissions) and self.submissions[-1].origin == origin and self.submissions[-1].is_sent


class Stages:
    """Submits the stages of runs."""

    def __init__(self, dispatcher: "Dispatcher", jobs: BatchJobs) -> None:
        self._dispatcher = dispatcher
        self._storage = dispatcher.storage
        self._jobs = jobs

    def plates_at_work(self, keys: RunKeys) -> frozenset[str]:
        """The plates of a run that have a job that has not ended.

        Raises
        ------
        ClaimedByAnother
            If a stage is being dispatched.
        """
        record = read_stage_record(keys, self._storage)
        stages = record.stages if record else ()
        with ThreadPoolExecutor(PLATES) as readers:
            return frozenset(found.stage.plate for found in readers.map(self._find, stages) if found.alive)

    def submit(self, keys: RunKeys, plates: Collection[str], origin: str) -> list[str]:
        """Submit all that is to be done of some plates, as their plans say; returns the runs that were submitted.

        What is to be done is marked first: if this dispatch dies, the end of an earlier stage goes on with it.

        Raises
        ------
        ClaimedByAnother
            If another dispatch was faster.
        """
        record, budget = self._record(keys), self._open_budget(keys)

        def submit(plate: str) -> list[str]:
            found = [self._find(stage) for stage in record.of_plate(plate)]
            wanted = {one.stage.run_id for one in found if not one.is_submitted_for(origin) and self._pending(one.run)}
            for one in found:
                if one.stage.run_id in wanted and not one.alive:
                    mark_blocked(one.run.keys, NOT_SUBMITTED, self._storage)
            return list(self._submit(found, wanted, origin, budget))

        with ThreadPoolExecutor(PLATES) as dispatchers:
            return [run_id for submitted in dispatchers.map(submit, plates) for run_id in submitted]

    def go_on(self, stage: Stage, origin: str) -> list[str]:
        """Submit what of a plate could not start before a stage of it ended, and what the run's budget has let wait of
        any plate; returns the runs that were submitted.

        Raises
        ------
        ClaimedByAnother
            If another dispatch was faster.
        """
        keys = RunKeys(stage.of)
        record, budget = self._record(keys), self._open_budget(keys)
        submitted: list[str] = []
        for plate in record.plates if budget else (stage.plate,):
            found = [self._find(one) for one in record.of_plate(plate)]
            wanted = {one.stage.run_id for one in found if self._has_not_started(one) or self._waiting(one)}
            submitted += self._submit(found, wanted, origin, budget)
        return submitted

    def give_up(self, keys: RunKeys) -> list[RunRecord]:
        """Say of the stages of a run that nothing more is submitted of what its budget has let wait; returns those of
        which nobody had said so.
        """
        budget = self._open_budget(keys)
        runs = [self._find(stage).run for stage in self._record(keys).stages] if budget else []
        return [run for run in runs if budget and budget.give_up(run)]

    def _submit(
        self, found: Collection[StageRun], wanted: Collection[str], origin: str, budget: RunBudget | None
    ) -> Iterator[str]:
        """Submit stages in their order; one whose needs cannot be met any more is marked as blocked."""
        alive = {one.stage.run_id: one.alive for one in found}
        for one in found:
            run_id, keys = one.stage.run_id, one.run.keys
            plan = self._pending(one.run)
            if alive[run_id] or run_id not in wanted or plan is None:
                continue
            if reason := self._why_not(one.stage, alive, budget):
                mark_blocked(keys, reason, self._storage)
                continue
            depends_on = tuple(job_id for before in _waits_for(one.stage) for job_id in alive.get(before, ()))
            shards = self._waiting(one) or from_ranges(plan.pending)
            work = self._dispatcher.measuring(one.run.job, origin, shards, plan.largest_shard_groups)
            submission = self._dispatcher.submit(one.run, one.number, replace(work, depends_on=depends_on), budget)
            mark_blocked(keys, "", self._storage)
            if submission:
                alive[run_id] = submission.job_ids
                yield run_id

    def _why_not(self, stage: Stage, alive: dict[str, tuple[str, ...]], budget: RunBudget | None) -> str:
        """Why a stage cannot be submitted now; empty if all that it needs is complete, or on its way."""
        before = _waits_for(stage) if budget else ()
        if waiting := [run_id for run_id in before if may_go_on(RunKeys(run_id), self._storage)]:
            return f"some of {' and '.join(waiting)} waits for what the budget of the run has left"
        left = replace(stage, needs=tuple(need for need in stage.needs if not alive.get(need)))
        reason = why_not_ready(left, partial(read_ledger, self._storage))
        at_work = [run_id for run_id in stage.after if alive.get(run_id)]
        if not reason and stage.is_gated and at_work:
            return f"nobody can approve of {' and '.join(at_work)} yet"
        return reason or why_not_approved(stage, self._storage)

    def _pending(self, run: RunRecord) -> PlanRecord | None:
        """The plan of a stage, if a shard of it is to be done."""
        plan = read_plan_record(run.keys, self._storage)
        return plan if plan and plan.pending else None

    def _has_not_started(self, found: StageRun) -> bool:
        """Whether a stage was never submitted, was marked as blocked, or waited for a job that failed."""
        if not found.submissions or why_blocked(found.run.keys, self._storage):
            return True
        return self._jobs.blocked(found.submissions[-1].job_ids)

    def _waiting(self, found: StageRun) -> tuple[int, ...]:
        """The shards of a stage that the budget has let wait; none of one that has to begin anew."""
        return () if self._has_not_started(found) else waiting_shards(found.run.keys, self._storage)

    def _open_budget(self, keys: RunKeys) -> RunBudget | None:
        document = json.loads(self._storage.read(keys.request))
        return self._dispatcher.open_budget(RunRecord.of(parse_job(document), document))

    def _find(self, stage: Stage) -> StageRun:
        document = json.loads(self._storage.read(RunKeys(stage.run_id).request))
        run = RunRecord.of(parse_job(document), document)
        submissions = self._dispatcher.submitter.settled(run.keys, self._dispatcher.settings.place(run.job))
        job_ids = [job_id for submission in submissions for job_id in submission.job_ids]
        return StageRun(stage, run, tuple(submissions), tuple(self._jobs.alive(job_ids)))

    def _record(self, keys: RunKeys) -> StageRecord:
        return read_stage_record(keys, self._storage) or StageRecord(())


def _waits_for(stage: Stage) -> tuple[str, ...]:
    return tuple(dict.fromkeys((*stage.needs, *stage.after)))
