"""Batch as a run sees it: submit the parts of a submission, find them again by name, see what became of them."""

import math
import random
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from cellpainting.dispatch.ended_job import Ending
from cellpainting.dispatch.submission import Part, Submission
from cellpainting.errors import CellPaintingError
from cellpainting.jobs.run_record import RunKeys

if TYPE_CHECKING:
    from mypy_boto3_batch import BatchClient
    from mypy_boto3_batch.type_defs import JobSummaryTypeDef, SubmitJobRequestTypeDef, SubmitJobResponseTypeDef

ENDED = frozenset({"SUCCEEDED", "FAILED"})
DESCRIBED_AT_ONCE = 100  # jobs in one DescribeJobs
GRACE_S = 600  # what a worker needs beside CellProfiler: start, download, upload
LONGEST_ATTEMPT_S = 7 * 24 * 3600  # Batch forgets finished jobs after a week
# Batch allows about 50 calls a second per account; boto3's own backoff spreads what is above that.
RETRIES = Config(retries={"mode": "adaptive", "max_attempts": 10}, max_pool_connections=32)
# Of SubmitJob boto3 spreads the calls, too, but the retries are ours: it would submit again what was taken, and only
# its answer lost.
ONCE = RETRIES.merge(Config(retries={"mode": "adaptive", "total_max_attempts": 1}))
THROTTLED = frozenset({"TooManyRequestsException", "ThrottlingException", "Throttling", "RequestLimitExceeded"})
THROTTLED_WAITS_S = (0.5, 1, 2, 4, 8, 8, 8, 8)  # at most; some 30 s of the 120 that a dispatch has
SERVER_ERROR = 500  # and above: HTTP statuses that do not tell whether anything was done


@dataclass(frozen=True)
class JobPlace:
    """Where jobs go first: the ARNs of a queue and a job definition, and the resources that the definition gives."""

    queue: str
    definition: str
    vcpus: int
    memory_mib: int


def attempt_timeout_s(timeout_s: int, groups: int, vcpus: int) -> int:
    """How long one attempt may take: each vCPU runs its share of the groups, one after the other."""
    return min(LONGEST_ATTEMPT_S, timeout_s * math.ceil(groups / vcpus) + GRACE_S)


def job_name(keys: RunKeys, submission: Submission, part: int) -> str:
    """The name that no other job has."""
    return f"{keys.run_id}-{submission.number}-{'plan' if submission.is_planning else part}"


class SubmissionUnknown(CellPaintingError):
    """Whether Batch has taken a job is not known. It can be looked for by its name, when Batch surely lists it."""


class BatchJobs:
    """The jobs of runs."""

    def __init__(self, batch: "BatchClient | None" = None, submitting: "BatchClient | None" = None) -> None:
        self._batch: BatchClient = batch or boto3.client("batch", config=RETRIES)
        self._submitting: BatchClient = submitting or batch or boto3.client("batch", config=ONCE)

    def submit(self, keys: RunKeys, request_uri: str, submission: Submission, part: int, place: JobPlace) -> Part:
        """Submit one part; returns it with its job's id.

        Raises
        ------
        SubmissionUnknown
            If nobody can tell whether it was submitted.
        ClientError
            If it was not.
        """
        job = _job(keys, request_uri, submission, part, place)
        for wait_s in THROTTLED_WAITS_S:
            try:
                return replace(submission.parts[part], job_id=self._submit(job)["jobId"])
            except ClientError as error:
                if error.response["Error"]["Code"] not in THROTTLED:
                    raise
            time.sleep(wait_s * random.uniform(0.5, 1))  # noqa: S311 (so that not all come back at once)
        return replace(submission.parts[part], job_id=self._submit(job)["jobId"])

    def _submit(self, job: "SubmitJobRequestTypeDef") -> "SubmitJobResponseTypeDef":
        unknown = f"whether Batch has taken the job {job['jobName']} is not known; it is looked for by name later"
        try:
            return self._submitting.submit_job(**job)
        except BotoCoreError as error:
            raise SubmissionUnknown(f"{unknown} ({error})") from error
        except ClientError as error:
            if error.response["ResponseMetadata"]["HTTPStatusCode"] >= SERVER_ERROR:
                raise SubmissionUnknown(f"{unknown} ({error})") from error
            raise

    def find(self, keys: RunKeys, submission: Submission, part: int, place: JobPlace) -> Part:
        """The part with its job's id, if Batch knows a job of its name."""
        name = job_name(keys, submission, part)
        pages = self._batch.get_paginator("list_jobs").paginate(
            jobQueue=submission.queue or place.queue, filters=[{"name": "JOB_NAME", "values": [name]}]
        )
        for page in pages:
            for job in page["jobSummaryList"]:
                if job["jobName"] == name and ":" not in job["jobId"]:  # Batch's filter takes any case
                    return replace(submission.parts[part], job_id=job["jobId"])
        return submission.parts[part]

    def alive(self, job_ids: Iterable[str]) -> Iterator[str]:
        """Those of some jobs that have not ended. Batch forgets a job a week after it has."""
        ids = list(job_ids)
        for start in range(0, len(ids), DESCRIBED_AT_ONCE):
            described = self._batch.describe_jobs(jobs=ids[start : start + DESCRIBED_AT_ONCE])["jobs"]
            yield from (job["jobId"] for job in described if job["status"] not in ENDED)

    def blocked(self, job_ids: Iterable[str]) -> bool:
        """Whether one of some jobs was never started, since one that it depends on failed."""
        ids = list(job_ids)
        described = self._batch.describe_jobs(jobs=ids)["jobs"] if ids else []
        return any(job["status"] == "FAILED" and Ending.of(job).is_blocked for job in described)

    def failed_children(self, job_id: str) -> "Iterator[JobSummaryTypeDef]":
        """The children of an array job that failed."""
        pages = self._batch.get_paginator("list_jobs").paginate(arrayJobId=job_id, jobStatus="FAILED")
        for page in pages:
            yield from page["jobSummaryList"]


def _job(
    keys: RunKeys, request_uri: str, submission: Submission, part: int, place: JobPlace
) -> "SubmitJobRequestTypeDef":
    size = submission.parts[part].size
    parameters = {"request": request_uri, "shard": str(submission.parts[part].offset)}
    job: SubmitJobRequestTypeDef = {
        "jobName": job_name(keys, submission, part),
        "jobQueue": submission.queue or place.queue,
        "jobDefinition": place.definition,
        "parameters": {**parameters, "submission": str(submission.number)},
        "timeout": {"attemptDurationSeconds": submission.timeout_s},
    }
    overrides = _overrides(submission, place)
    if submission.is_planning:
        overrides["command"] = ["run", "--request", request_uri, "--plan"]
    if overrides:
        job["containerOverrides"] = overrides
    if submission.depends_on:
        job["dependsOn"] = [{"jobId": job_id} for job_id in submission.depends_on]
    if size > 1:
        job["arrayProperties"] = {"size": size}
    return job


def _overrides(submission: Submission, place: JobPlace) -> Any:
    """What differs from the job definition. The worker is told, too: how many groups at a time, with how much."""
    resources = [
        ("MEMORY", "CPB_MEMORY_MIB", submission.memory_mib, place.memory_mib),
        ("VCPU", "CPB_VCPUS", submission.vcpus, place.vcpus),
    ]
    changed = [(kind, variable, str(value)) for kind, variable, value, given in resources if value != given]
    overrides: dict[str, Any] = {}
    if changed:
        overrides["resourceRequirements"] = [{"type": kind, "value": value} for kind, _, value in changed]
        overrides["environment"] = [{"name": variable, "value": value} for _, variable, value in changed]
    return overrides
