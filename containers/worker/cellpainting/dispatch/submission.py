"""What was given to Batch, once: `submissions/<n>.json` is created before anything is submitted, by one caller only.

SubmitJob has no client token. So a dispatch first creates a claim, which says what it is about to submit; each job
has a name that is this claim's own; and when all jobs are submitted, their ids are added. A claim that is not
completed is open: its dispatch is at work, or has died. Only when it must have ended, by its age, may another close
it, with those of its jobs that Batch knows by name, and submit the rest under a claim of its own.
"""

import json
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from typing import Any

from cellpainting.dispatch.shard_ranges import from_ranges, to_ranges
from cellpainting.errors import CellPaintingError
from cellpainting.jobs.run_record import RunKeys
from cellpainting.storage.base import Storage

CLAIM_EXPIRES_S = 180  # longer than the function may run
LARGEST_ARRAY = 10_000  # children of one Batch array job


class ClaimedByAnother(CellPaintingError):
    """Another dispatch of the same run is under way; this one is to come again later."""


@dataclass(frozen=True)
class Work:
    """What a submission is to do, for which message or ended job (`origin`), and with what.

    `timeout_s` bounds one attempt of a job; `queue` is the ARN of a job queue. A planning job has no shards.
    `depends_on` are the ids of jobs that have to succeed before.
    """

    origin: str
    shards: tuple[int, ...]
    vcpus: int
    memory_mib: int
    timeout_s: int
    queue: str
    is_planning: bool = False
    depends_on: tuple[str, ...] = ()


@dataclass(frozen=True)
class Part:
    """One job of a submission: `size` shards of its list, from `offset` on. `job_id` is empty while not submitted."""

    offset: int
    size: int
    job_id: str = ""


@dataclass(frozen=True)
class Submission:
    """One claim on a run, and the jobs that came of it.

    `origin` is the message, or the ended job, that it was made for; `claimed_at` is seconds since 1970. `shards` are
    those that it covers, as ranges; a planning job covers none. `timeout_s` bounds one attempt of a job. `queue` is
    empty in older records: it is the one that the request leads to.
    """

    number: int
    origin: str
    claimed_at: float
    shards: str
    vcpus: int
    memory_mib: int
    timeout_s: int
    is_planning: bool = False
    is_closed: bool = False
    parts: tuple[Part, ...] = ()
    depends_on: tuple[str, ...] = ()
    queue: str = ""

    @property
    def shard_numbers(self) -> tuple[int, ...]:
        """The shards in the order in which the jobs' children count them."""
        return from_ranges(self.shards)

    @property
    def job_ids(self) -> tuple[str, ...]:
        """The jobs that are known."""
        return tuple(part.job_id for part in self.parts if part.job_id)

    @property
    def is_sent(self) -> bool:
        """Whether each of its jobs was submitted."""
        return all(part.job_id for part in self.parts)

    @property
    def unsent(self) -> tuple[int, ...]:
        """Shards whose job was never submitted."""
        numbers = self.shard_numbers
        return tuple(
            number
            for part in self.parts
            if not part.job_id
            for number in numbers[part.offset : part.offset + part.size]
        )

    def rest(self, origin: str) -> Work:
        """What its dispatch left undone."""
        return replace(self.work(origin, self.unsent), depends_on=self.depends_on)

    def work(self, origin: str, shards: tuple[int, ...]) -> Work:
        """To do some of it again, with what it had."""
        return Work(origin, shards, self.vcpus, self.memory_mib, self.timeout_s, self.queue, self.is_planning)

    @property
    def is_expired(self) -> bool:
        """Whether the dispatch that made the claim cannot be at work any more."""
        return time.time() - self.claimed_at > CLAIM_EXPIRES_S

    def to_json(self) -> bytes:
        """The content of `submissions/<n>.json`."""
        return json.dumps(asdict(self), indent=1).encode()

    @classmethod
    def from_json(cls, content: bytes) -> "Submission":
        """Read what `to_json` wrote."""
        document: dict[str, Any] = json.loads(content)
        parts = tuple(Part(**part) for part in document["parts"])
        return cls(**{**document, "parts": parts, "depends_on": tuple(document.get("depends_on", ()))})


def claim(keys: RunKeys, number: int, work: Work, storage: Storage) -> Submission:
    """Create the claim on the run's next submission.

    Raises
    ------
    ClaimedByAnother
        If another dispatch was faster.
    """
    submission = Submission(
        number=number,
        origin=work.origin,
        claimed_at=time.time(),
        shards=to_ranges(work.shards),
        vcpus=work.vcpus,
        memory_mib=work.memory_mib,
        timeout_s=work.timeout_s,
        is_planning=work.is_planning,
        parts=tuple(_parts(len(work.shards))) or (Part(0, 1),),
        depends_on=work.depends_on,
        queue=work.queue,
    )
    if not storage.create(keys.submission(number), submission.to_json()):
        raise ClaimedByAnother(f"run {keys.run_id} is being dispatched for something else; this comes again later")
    return submission


def record(keys: RunKeys, submission: Submission, storage: Storage) -> None:
    """Replace a submission by what is known of it now."""
    storage.write(keys.submission(submission.number), submission.to_json())


def give_up(keys: RunKeys, submission: Submission, storage: Storage) -> None:
    """Let others close a claim at once: its dispatch has failed and knows it."""
    record(keys, replace(submission, claimed_at=0.0), storage)


def read_submission(keys: RunKeys, number: int, storage: Storage) -> Submission:
    """One submission.

    Raises
    ------
    MissingInput
        If there is none of that number.
    """
    return Submission.from_json(storage.read(keys.submission(number)))


def read_submissions(keys: RunKeys, storage: Storage) -> list[Submission]:
    """All submissions of a run in order; seldom more than a few."""
    stored = [Submission.from_json(storage.read(item.key)) for item in storage.list(keys.submissions)]
    return sorted(stored, key=lambda submission: submission.number)


def _parts(shard_count: int) -> Iterator[Part]:
    for offset in range(0, shard_count, LARGEST_ARRAY):
        yield Part(offset, min(LARGEST_ARRAY, shard_count - offset))
