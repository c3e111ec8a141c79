"""What may help a job that failed: more memory, or hosts that nobody takes away."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from enum import Enum, auto
from typing import Any

from cellpainting.dispatch.batch_jobs import BatchJobs
from cellpainting.dispatch.ended_job import Ending
from cellpainting.dispatch.submission import Part, Submission, Work
from cellpainting.errors import MissingInput
from cellpainting.jobs import RunRecord
from cellpainting.jobs.run_record import RunKeys
from cellpainting.ledger import Cause, LostShard, Manifest
from dispatcher import Dispatcher

READERS = 32  # requests on their way at once, as many as S3Storage keeps connections


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


class Remedy(Enum):
    """What work that failed is to be given, to be done once more."""

    MEMORY = auto()
    ON_DEMAND = auto()


class Remedies:
    """Decides what of a job that failed is submitted once more, and with what."""

    def __init__(self, dispatcher: Dispatcher, jobs: BatchJobs) -> None:
        self._dispatcher = dispatcher
        self._storage = dispatcher.storage
        self._jobs = jobs

    def of_planning(self, ended: EndedJob) -> list[Work]:
        """A planning job once more, if that may help."""
        remedy = _remedy(Ending.of(ended.detail))
        return self._works(ended, {remedy: ()} if remedy else {})

    def of_shards(self, ended: EndedJob) -> list[Work]:
        """The shards of a job that may succeed now. Those that could not say how they ended are recorded as lost."""
        with ThreadPoolExecutor(READERS) as readers:
            failed = list(self._failed_shards(ended))
            remedies = readers.map(lambda one: self._remedy(ended.run.keys, *one), failed)
            found = [(shard, remedy) for (shard, _), remedy in zip(failed, remedies, strict=True)]
        if Ending.of(ended.detail).is_unwanted:  # an array job, with all its children
            return []
        wanted = {remedy: tuple(shard for shard, wants in found if wants is remedy) for remedy in Remedy}
        return self._works(ended, {remedy: shards for remedy, shards in wanted.items() if shards})

    def _failed_shards(self, ended: EndedJob) -> Iterator[tuple[int, Ending]]:
        numbers = ended.submission.shard_numbers[ended.part.offset :]
        if ended.part.size == 1:
            yield numbers[0], Ending.of(ended.detail)
            return
        for child in self._jobs.failed_children(ended.detail["jobId"]):
            yield numbers[int(child["jobId"].rpartition(":")[2])], Ending.of(child)

    def _remedy(self, keys: RunKeys, shard: int, ending: Ending) -> Remedy | None:
        """What may help a shard. One that could not say how it ended is recorded as lost."""
        try:
            manifest = Manifest.from_json(self._storage.read(keys.shard(shard)))
        except MissingInput:
            self._storage.write(keys.lost(shard), LostShard(shard, ending.cause, str(ending)).to_json())
            return _remedy(ending)
        if ending.is_without_capacity:  # the manifest is an earlier one's
            return Remedy.ON_DEMAND
        is_short = any(outcome.cause == Cause.OUT_OF_MEMORY for outcome in manifest.outcomes)
        return Remedy.MEMORY if is_short else None

    def _works(self, ended: EndedJob, wanted: dict[Remedy, tuple[int, ...]]) -> list[Work]:
        works = (self._work(ended, remedy, shards) for remedy, shards in wanted.items())
        return [work for work in works if work]

    def _work(self, ended: EndedJob, remedy: Remedy, shards: tuple[int, ...]) -> Work | None:
        """Some shards with a remedy, as far as the deployment and the request allow; None if they had it already."""
        settings, submission = self._dispatcher.settings, ended.submission
        work = submission.work(ended.origin, shards)
        if remedy is Remedy.MEMORY:
            memory = min(2 * work.memory_mib, settings.max_memory_mib)
            return replace(work, memory_mib=memory) if memory > work.memory_mib else None
        is_bound = bool(ended.run.job.resources.queue) or work.queue == settings.on_demand_queue
        return None if is_bound else replace(work, queue=settings.on_demand_queue)


def _remedy(ending: Ending) -> Remedy | None:
    """What may help a job that left nothing but this; what somebody has stopped stays so."""
    if ending.is_unwanted:
        return None
    if ending.is_for_want_of_a_host:
        return Remedy.ON_DEMAND
    return Remedy.MEMORY if ending.cause == Cause.OUT_OF_MEMORY else None
