"""From a run to a Batch job, once: the run's record in the bucket decides what was submitted already.

SubmitJob has no client token. So a claim, `submissions/<n>.json`, is created first, which only one caller can do;
then the job is submitted under a name that is this claim's own; then its id is added to the claim. Whoever finds
a claim without an id asks Batch for a job of that name before submitting. A claim whose dispatch must have ended, by
its age, binds nobody but the message that made it.
"""

import json
import time
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config

from cellpainting.errors import CellPaintingError, InvalidField, MissingInput
from cellpainting.jobs import RunRecord, parse_job, plan
from cellpainting.ledger import Manifest, is_current
from cellpainting.storage import Storage
from settings import Settings

if TYPE_CHECKING:
    from mypy_boto3_batch import BatchClient
    from mypy_boto3_batch.type_defs import SubmitJobRequestTypeDef

ENDED = frozenset({"SUCCEEDED", "FAILED"})
CLAIM_EXPIRES_S = 300  # longer than the function's timeout and any difference between clocks
GRACE_S = 600  # what a worker needs beside CellProfiler: start, download, upload
# SubmitJob allows about 50 calls a second per account; boto3's own backoff spreads what is above that.
RETRIES = Config(retries={"mode": "adaptive", "max_attempts": 10}, max_pool_connections=32)


class ClaimedByAnother(CellPaintingError):
    """Another message's dispatch of the same run is under way; this one is received again later."""


@dataclass(frozen=True)
class Submission:
    """One claim: its number, the message that made it, when (seconds since 1970), and the job's id once known."""

    number: int
    message_id: str
    claimed_at: float
    job_id: str | None = None

    @property
    def is_expired(self) -> bool:
        """Whether the dispatch that made the claim cannot be at work any more."""
        return time.time() - self.claimed_at > CLAIM_EXPIRES_S

    def to_json(self) -> bytes:
        """The content of `submissions/<n>.json`."""
        return json.dumps(asdict(self)).encode()


class Dispatcher:
    """Submits runs to Batch."""

    def __init__(self, settings: Settings, storage: Storage, batch: "BatchClient | None" = None) -> None:
        self.settings = settings
        self.storage = storage
        self._batch: BatchClient = batch or boto3.client("batch", config=RETRIES)

    def check(self, run: RunRecord) -> None:
        """Check what only the deployment knows, before anything of the same message is submitted.

        Raises
        ------
        InvalidField
            If the queue or definition is not listed, or the run's name already stands for another request.
        """
        self.settings.queue(run.job.resources.queue)
        self.settings.definition(run.job.resources.definition, run.job.runtime)
        if self._recorded_work(run) not in (None, run.job.work):
            raise InvalidField("run", run.run_id, "a run of this name did something else; choose another name")

    def dispatch(self, run: RunRecord, message_id: str) -> str:
        """Submit the run unless it is under way or done, and say in a sentence which of these it was.

        Raises
        ------
        ClaimedByAnother
            If another dispatch of this run is between its claim and its submission.
        """
        submissions = self._submissions(run)
        if not submissions:
            return self._submit(run, 0, message_id)
        last = submissions[-1]
        if last.job_id is None:
            return self._finish(run, last, message_id)
        if any(submission.message_id == message_id for submission in submissions):
            return f"this message was dispatched before; the run's last job is {last.job_id}; nothing was submitted"
        if self._is_alive(last.job_id):
            return f"this run is under way as job {last.job_id}; nothing was submitted"
        if not run.job.force and self._is_done(run):
            return "this run is done, from the same images and pipeline; nothing was submitted ('force' does it again)"
        return self._submit(run, last.number + 1, message_id)

    def _submit(self, run: RunRecord, number: int, message_id: str) -> str:
        claim = Submission(number, message_id, time.time())
        self.storage.write(run.keys.request, json.dumps(run.document).encode())
        if not self.storage.create(run.keys.submission(claim.number), claim.to_json()):
            raise ClaimedByAnother(f"run {run.run_id} is being dispatched for another message; this one comes again")
        return self._submit_claimed(run, claim)

    def _finish(self, run: RunRecord, claim: Submission, message_id: str) -> str:
        """Take up a claim whose dispatch ended before the job's id was recorded."""
        job_id = self._find_job(run, claim)
        if job_id is not None:
            return self._record(run, claim, job_id)
        if claim.message_id == message_id:
            return self._submit_claimed(run, claim)
        if claim.is_expired:
            return self._submit(run, claim.number + 1, message_id)
        raise ClaimedByAnother(f"run {run.run_id} is being dispatched for another message; this one comes again")

    def _submit_claimed(self, run: RunRecord, claim: Submission) -> str:
        job_id = self._batch.submit_job(**self._job(run, claim))["jobId"]
        return self._record(run, claim, job_id)

    def _record(self, run: RunRecord, claim: Submission, job_id: str) -> str:
        self.storage.write(run.keys.submission(claim.number), replace(claim, job_id=job_id).to_json())
        return f"submitted as job {job_id}"

    def _job(self, run: RunRecord, claim: Submission) -> "SubmitJobRequestTypeDef":
        resources = run.job.resources
        requirements: Any = [
            {"type": kind, "value": str(value)}
            for kind, value in (("MEMORY", resources.memory_mib), ("VCPU", resources.vcpus))
            if value is not None
        ]
        job: SubmitJobRequestTypeDef = {
            "jobName": _job_name(run, claim),
            "jobQueue": self.settings.queue(resources.queue),
            "jobDefinition": self.settings.definition(resources.definition, run.job.runtime),
            "parameters": {"request": self.storage.uri(run.keys.request), "shard": "0"},
            "timeout": {"attemptDurationSeconds": run.job.timeout_s + GRACE_S},
        }
        if requirements:
            job["containerOverrides"] = {"resourceRequirements": requirements}
        shard_count = plan(run.job).shard_count
        if shard_count > 1:
            job["arrayProperties"] = {"size": shard_count}
        return job

    def _submissions(self, run: RunRecord) -> list[Submission]:
        """All claims of a run, the last one last; seldom more than one."""
        stored = self.storage.list(run.keys.submissions)
        claims = [Submission(**json.loads(self.storage.read(item.key))) for item in stored]
        return sorted(claims, key=lambda claim: claim.number)

    def _recorded_work(self, run: RunRecord) -> dict[str, str] | None:
        try:
            return parse_job(json.loads(self.storage.read(run.keys.request))).work
        except MissingInput:
            return None

    def _is_done(self, run: RunRecord) -> bool:
        try:
            manifests = [self._manifest(run, shard) for shard in range(plan(run.job).shard_count)]
        except MissingInput:
            return False
        return all(is_current(manifest, self.storage, run.job.pipeline, run.job.input) for manifest in manifests)

    def _manifest(self, run: RunRecord, shard: int) -> Manifest:
        return Manifest.from_json(self.storage.read(run.keys.shard(shard)))

    def _is_alive(self, job_id: str) -> bool:
        jobs = self._batch.describe_jobs(jobs=[job_id])["jobs"]
        return any(job["status"] not in ENDED for job in jobs)

    def _find_job(self, run: RunRecord, claim: Submission) -> str | None:
        found = self._batch.list_jobs(
            jobQueue=self.settings.queue(run.job.resources.queue),
            filters=[{"name": "JOB_NAME", "values": [_job_name(run, claim)]}],
        )["jobSummaryList"]
        return found[0]["jobId"] if found else None


def _job_name(run: RunRecord, claim: Submission) -> str:
    return f"{run.run_id}-{claim.number}"
