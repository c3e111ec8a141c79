"""Submits work to Batch under claims, and settles the claims that others left open."""

from dataclasses import replace

from cellpainting.dispatch.batch_jobs import BatchJobs, JobPlace, SubmissionUnknown
from cellpainting.dispatch.submission import (
    ClaimedByAnother,
    Submission,
    Work,
    claim,
    give_up,
    read_submissions,
    record,
)
from cellpainting.jobs.run_record import RunKeys
from cellpainting.storage.base import Storage


class Submitter:
    """The submissions of runs in one bucket."""

    def __init__(self, storage: Storage, jobs: BatchJobs) -> None:
        self._storage = storage
        self._jobs = jobs

    def settled(self, keys: RunKeys, place: JobPlace) -> list[Submission]:
        """All submissions of a run in order, none of which is open any more.

        Raises
        ------
        ClaimedByAnother
            If a dispatch of the run is at work.
        """
        return [
            submission if submission.is_closed else self._close(keys, submission, place)
            for submission in read_submissions(keys, self._storage)
        ]

    def submit(self, keys: RunKeys, number: int, work: Work, place: JobPlace) -> Submission:
        """Claim a run's next submission and give its jobs to Batch.

        Raises
        ------
        ClaimedByAnother
            If another dispatch was faster.
        SubmissionUnknown
            If nobody can tell whether a job was submitted. The claim stays open until Batch surely lists it.
        """
        submission = claim(keys, number, work, self._storage)
        try:
            request = self._storage.uri(keys.request)
            numbers = range(len(submission.parts))
            parts = tuple(self._jobs.submit(keys, request, submission, part, place) for part in numbers)
        except SubmissionUnknown:
            raise
        except BaseException:
            give_up(keys, submission, self._storage)
            raise
        closed = replace(submission, parts=parts, is_closed=True)
        record(keys, closed, self._storage)
        return closed

    def is_alive(self, submissions: list[Submission]) -> bool:
        """Whether a job of any of them has not ended."""
        job_ids = [job_id for submission in submissions for job_id in submission.job_ids]
        return any(self._jobs.alive(job_ids))

    def _close(self, keys: RunKeys, submission: Submission, place: JobPlace) -> Submission:
        if not submission.is_expired:
            raise ClaimedByAnother(f"run {keys.run_id} is being dispatched for {submission.origin}; this comes again")
        numbers = range(len(submission.parts))
        parts = tuple(self._jobs.find(keys, submission, part, place) for part in numbers)
        closed = replace(submission, parts=parts, is_closed=True)
        record(keys, closed, self._storage)
        return closed
