"""The budget of a run, `budget_usd`: how many shards may be submitted, so that what was spent and what is on its way do
not pass it.

Each submission first reserves what its shards will take by the estimate. A reservation, `budget/<n>.json` of the whole
run, is created by one caller only, who has read all before it: of two stages that are dispatched at the same time, the
second counts what the first has reserved. A shard counts as reserved until its manifest tells what it took.
"""

import json
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from threading import Lock

from cellpainting.cost.defaults import default_usage
from cellpainting.cost.job_size import JobSize
from cellpainting.cost.prices import shipped_prices
from cellpainting.cost.usage import ShardUse, Usage, lanes_of, measured_usage, shard_uses
from cellpainting.dispatch.plan_record import PlanRecord
from cellpainting.dispatch.reservation import Account, Reservation
from cellpainting.dispatch.store_plan import read_plan_record
from cellpainting.dispatch.submission import Work, read_submissions
from cellpainting.dispatch.waiting_shards import waiting_shards
from cellpainting.errors import InvalidField, MissingInput
from cellpainting.jobs import Job, RunRecord, WholeJob, parse_job
from cellpainting.jobs.run_record import RunKeys
from cellpainting.ledger.held import HeldShards, hold, read_held
from cellpainting.ledger.stage_record import read_stage_record
from cellpainting.planning.run_plan import RunPlan
from cellpainting.storage.base import Storage

# Of the budget, as long as only a default tells what shards take: if they take ten times as much, it is just used up.
FIRST_SHARE = 0.1
LEAST_USD = 1e-9  # of a shard, so that no number of them is without end


@dataclass(frozen=True)
class ShardLoad:
    """A shard as it is on average: its image sets, and how many groups it has at most."""

    image_sets: float
    groups: int

    @classmethod
    def of(cls, plan: RunPlan | PlanRecord | None) -> "ShardLoad":
        """Of a plan; without one, what is known of a shard that only its worker can tell more of."""
        if plan is None:
            return cls(0, 1)
        if isinstance(plan, PlanRecord):
            return cls(plan.image_set_count / max(1, plan.shard_count), plan.largest_shard_groups)
        return cls(plan.image_set_count / len(plan.shards), max(len(shard.groups) for shard in plan.shards))


class RunBudget:
    """The budget of one run with all its stages. What was spent is as it was when this was opened."""

    def __init__(self, keys: RunKeys, usd: float, storage: Storage, size_of: Callable[[Job], JobSize]) -> None:
        self._keys, self._usd, self._storage, self._size_of = keys, usd, storage, size_of
        self._price = shipped_prices().on_demand
        self._lock = Lock()
        self._reservations: list[Reservation] = []
        self._jobs = dict(_jobs(keys, storage))
        self._uses = {run_id: self._uses_of(run_id, job) for run_id, job in self._jobs.items()}

    def admit(self, run: RunRecord, number: int, work: Work) -> Work | None:
        """Reserve what of some work fits, as submission `number` of the run or of a stage of it; None if nothing does.
        What has to wait is taken down in its record.
        """
        if work.is_planning:
            return work
        plan = read_plan_record(run.keys, self._storage)
        usage = self._usage(run.job)
        each = self._usd_of_shard(usage, ShardLoad.of(plan), JobSize(work.vcpus, work.memory_mib))
        with self._lock:
            shards = self._reserve(run, number, work, usage, each)
        waiting = waiting_shards(run.keys, self._storage)
        wanted = sorted({*waiting, *work.shards}.intersection(range(plan.shard_count) if plan else work.shards))
        is_as_before = not shards and tuple(wanted) == waiting
        # Also where all fit: until they are submitted, the record has to tell of those that waited.
        if (waiting or len(shards) < len(wanted)) and not is_as_before:
            hold(run.keys, HeldShards(tuple(wanted), number), self._storage)
        return replace(work, shards=shards) if shards else None

    def require_room(self, job: Job, load: ShardLoad) -> None:
        """Check that at least one shard of a request, or of a stage, could be submitted.

        Raises
        ------
        InvalidField
            If it would pass the budget, with the estimate.
        """
        usage = self._usage(job)
        each = self._usd_of_shard(usage, load, self._size_of(job))
        self._read_reservations()
        if each > self._account().left(self._usd):
            raise InvalidField(
                "budget_usd", self._usd, f"{self._told(each)} ({usage.source}); give more, or make shards smaller"
            )

    def give_up(self, run: RunRecord) -> bool:
        """Say in the record of a run or a stage that nothing more of what waits is submitted; False if nothing does."""
        waiting = waiting_shards(run.keys, self._storage)
        if not waiting or read_held(run.keys, self._storage).reason:
            return False
        load = ShardLoad.of(read_plan_record(run.keys, self._storage))
        each = self._usd_of_shard(self._usage(run.job), load, self._size_of(run.job))
        self._read_reservations()
        reason = f"{self._told(each)}; send the request again with a larger budget_usd"
        hold(run.keys, HeldShards(waiting, len(read_submissions(run.keys, self._storage)), reason), self._storage)
        return True

    def _reserve(self, run: RunRecord, number: int, work: Work, usage: Usage, each: float) -> tuple[int, ...]:
        while True:
            self._read_reservations()
            shards = work.shards[: self._fitting(usage, each, (run.run_id, number))]
            made = Reservation(run.run_id, number, shards, each, work.vcpus, work.memory_mib, usage.is_measured)
            key = self._keys.reservation(len(self._reservations))
            if not shards or self._storage.create(key, made.to_json()):
                return shards

    def _read_reservations(self) -> None:
        """Read those that were made since, by whomever."""
        with suppress(MissingInput):
            while True:
                content = self._storage.read(self._keys.reservation(len(self._reservations)))
                self._reservations.append(Reservation.from_json(content))

    def _fitting(self, usage: Usage, each: float, submission: tuple[str, int]) -> int:
        """How many shards fit. What an earlier dispatch reserved for the same submission, and died, is free."""
        account = self._account(but_for=submission)
        count = int(account.left(self._usd) / each)
        if not usage.is_measured:
            count = min(count, max(1, int((FIRST_SHARE * self._usd - account.guessed) / each)))
        return max(0, count)

    def _account(self, but_for: tuple[str, int] | None = None) -> Account:
        made = {(one.run_id, one.submission): one for one in self._reservations}  # a dispatch that died is made again
        made.pop(but_for or ("", 0), None)
        reserved: dict[tuple[str, int], list[Reservation]] = defaultdict(list)
        for one in made.values():
            for shard in one.shards:
                reserved[one.run_id, shard].append(one)
        spent = on_its_way = 0.0
        for run_id, uses in self._uses.items():
            for shard, use in uses.items():
                of_shard = reserved.pop((run_id, shard), [])
                size = of_shard[-1] if of_shard else self._size_of(self._jobs[run_id])
                spent += self._price.of(use.seconds, size.vcpus, size.memory_mib)
                on_its_way += sum(one.usd_each for one in of_shard[:-1])
        left = [one for of_shard in reserved.values() for one in of_shard]
        on_its_way += sum(one.usd_each for one in left)
        return Account(spent, on_its_way, sum(one.usd_each for one in left if not one.is_measured))

    def _usage(self, job: Job) -> Usage:
        """What a job of this kind takes, by the shards of this run that did the same, those of all plates. A job that
        is done whole has no image sets before it is done, by which it could be compared.
        """
        if isinstance(job, WholeJob):
            return default_usage(job, self._storage)
        name = job.stage.name if job.stage else None
        same = [run_id for run_id, one in self._jobs.items() if (one.stage.name if one.stage else None) == name]
        uses = [use for run_id in same for use in self._uses[run_id].values()]
        return measured_usage(uses, "measured in this run") or default_usage(job, self._storage)

    def _usd_of_shard(self, usage: Usage, load: ShardLoad, size: JobSize) -> float:
        seconds = usage.seconds(1, load.image_sets, lanes_of(load.groups, size.vcpus))
        return max(LEAST_USD, self._price.of(seconds, size.vcpus, size.memory_mib))

    def _uses_of(self, run_id: str, job: Job) -> dict[int, ShardUse]:
        return shard_uses(self._storage, RunKeys(run_id), job, self._size_of(job).vcpus)

    def _told(self, each: float) -> str:
        account = self._account()
        return (
            f"of the budget of ${self._usd:g}, ${account.spent:.4f} were spent and ${account.on_its_way:.4f} are "
            f"reserved, and a further shard is estimated at ${each:.4f}"
        )


def open_budget(run: RunRecord, storage: Storage, size_of: Callable[[Job], JobSize]) -> RunBudget | None:
    """The budget of a run, or of the run that a stage is of; None if it has none. `size_of` tells what jobs get.

    Raises
    ------
    StorageUnavailable
        If the storage fails.
    """
    whole, job = run.keys, run.job
    if job.stage:
        whole = RunKeys(job.stage.of)
        job = parse_job(json.loads(storage.read(whole.request)))
    usd = job.resources.budget_usd
    return RunBudget(whole, usd, storage, size_of) if usd is not None else None


def _jobs(keys: RunKeys, storage: Storage) -> Iterator[tuple[str, Job]]:
    """The run and its stages, those that are stored."""
    record = read_stage_record(keys, storage)
    for run_id in [stage.run_id for stage in record.stages] if record else [keys.run_id]:
        with suppress(MissingInput):
            yield run_id, parse_job(json.loads(storage.read(RunKeys(run_id).request)))
