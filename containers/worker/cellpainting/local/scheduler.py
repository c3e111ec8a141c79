"""Batch's scheduling: jobs wait for their dependencies and for free vCPUs, run as processes, and are tried again."""

import threading
import time
import uuid
from collections.abc import Callable
from datetime import datetime
from typing import Protocol

from moto.batch import models as batch
from moto.batch.utils import JobStatus
from moto.moto_api import state_manager

from cellpainting.dispatch.ended_job import DEPENDENCY_FAILED
from cellpainting.errors import LocalCloudError
from cellpainting.job_output import message_of
from cellpainting.local.attempt import Attempt, Command, Outcome
from cellpainting.local.job_container import requirement
from cellpainting.local.retry import is_retried, lower_keys
from cellpainting.shard_log import MARK

POLL_S = 0.2  # how soon a cancelled or newly unblocked job is noticed when nothing wakes the scheduler

Tell = Callable[[str, str], None]


class Host(Protocol):
    """What runs containers in the place of Batch's hosts."""

    def command(self, job: batch.Job, attempt: int) -> Command:
        """The command of this machine that is one attempt of a job."""
        ...


class Scheduler:
    """Runs what is submitted to moto's Batch. `slots` vCPUs are shared; a job larger than that runs alone.

    `tell` gets the name of a job and a line of its log, or of what became of it; `on_end` gets every job that has
    ended, array children and their parents included.
    """

    def __init__(self, host: Host, *, slots: int, tell: Tell, on_end: Callable[[batch.Job], None]) -> None:
        self._host = host
        self._slots = slots
        self._tell = tell
        self._on_end = on_end
        self._waiting: list[batch.Job] = []
        self._running: dict[str, Attempt | None] = {}
        self._vcpus_in_use = 0
        self._stopping = False
        self._changed = threading.Condition()
        self._loop = threading.Thread(target=self._schedule, daemon=True)

    def start(self) -> None:
        """Take the place of moto's own executor."""
        never = {"progression": "manual", "times": 10**9}
        state_manager.set_transition("batch::job", never)
        batch.Job.start = lambda job: self._enqueue(job)
        batch.Job.terminate = lambda job, reason: self._terminate(job, reason)
        self._loop.start()

    @property
    def is_idle(self) -> bool:
        """Whether nothing waits and nothing runs."""
        with self._changed:
            return not self._waiting and not self._running

    def stop(self) -> None:
        """Stop everything that runs and start nothing more; returns when the processes have ended."""
        with self._changed:
            self._stopping = True
            for attempt in self._running.values():
                if attempt:
                    attempt.stop("the local cloud was stopped")
            self._changed.notify_all()
            while self._running:
                self._changed.wait(POLL_S)
        self._loop.join()

    def _enqueue(self, job: batch.Job) -> None:
        with self._changed:
            job.status = "SUBMITTED"
            self._waiting.append(job)
            self._changed.notify_all()

    def _terminate(self, job: batch.Job, reason: str) -> None:
        with self._changed:
            for member in [job, *(job._child_jobs or [])]:
                member.stop = True
                member.job_stopped_reason = reason
                attempt = self._running.get(member.job_id)
                if attempt:
                    attempt.stop(reason)
            self._changed.notify_all()

    def _schedule(self) -> None:
        with self._changed:
            while not self._stopping:
                for job in list(self._waiting):
                    if job.stop or self._vcpus_in_use < self._slots:
                        self._consider(job)
                self._changed.wait(POLL_S)

    def _consider(self, job: batch.Job) -> None:
        """Start a waiting job, end it, or leave it waiting."""
        if job.stop:
            self._waiting.remove(job)
            self._end(job, is_success=False)
            return
        statuses = [_status(job.all_jobs.get(job_id)) for job_id in dependencies(job)]
        if JobStatus.FAILED in statuses:
            self._waiting.remove(job)
            job.job_stopped_reason = DEPENDENCY_FAILED
            self._end(job, is_success=False)
            return
        if any(status != JobStatus.SUCCEEDED for status in statuses):
            job.status = "PENDING"
            return
        job.status = "RUNNABLE"
        vcpus = self._vcpus(job)
        if self._vcpus_in_use + vcpus <= self._slots:
            self._waiting.remove(job)
            self._running[job.job_id] = None
            self._vcpus_in_use += vcpus
            threading.Thread(target=self._run, args=(job, vcpus), daemon=True).start()

    def _vcpus(self, job: batch.Job) -> int:
        return min(self._slots, int(float(requirement(job, "VCPU", "1"))))

    def _run(self, job: batch.Job, vcpus: int) -> None:
        is_success = False
        try:
            is_success = self._attempts(job)
        except (OSError, LocalCloudError) as error:  # a command or an image that cannot be started here
            job.job_stopped_reason = f"CannotStartContainerError: {error}"
            self._tell(title(job), MARK + job.job_stopped_reason)
        finally:
            with self._changed:
                del self._running[job.job_id]
                self._vcpus_in_use -= vcpus
                self._end(job, is_success=is_success)
                self._changed.notify_all()

    def _attempts(self, job: batch.Job) -> bool:
        strategy = lower_keys(job.job_definition.retry_strategy or {})
        for number in range(1, int(strategy.get("attempts", 1)) + 1):
            outcome = self._attempt(job, number)
            if outcome is None:
                return False
            if outcome.exit_code == 0:
                return True
            ended = f"attempt {number} ended with exit code {outcome.exit_code}: {outcome.status_reason}"
            self._tell(title(job), MARK + ended)
            job.job_stopped_reason = outcome.status_reason
            if job.stop or not is_retried(strategy, number, outcome):
                return False
        return False

    def _attempt(self, job: batch.Job, number: int) -> Outcome | None:
        command = self._host.command(job, number)
        with self._changed:
            if self._stopping or job.stop:
                return None
            job.job_started_at = datetime.now()
            job.log_stream_name = f"{command.log_stream_prefix}/default/{uuid.uuid4().hex}"
            job._start_attempt()
            job.status = "RUNNING"
            attempt = Attempt(command)
            self._running[job.job_id] = attempt
        write = self._log_writer(job, command.log_group)
        outcome = attempt.wait(job._get_attempt_duration(), write)
        job.exit_code = outcome.exit_code
        job.job_stopped_at = datetime.now()
        job._stop_attempt()
        return outcome

    def _log_writer(self, job: batch.Job, group: str) -> Callable[[str], None]:
        logs, stream = job._log_backend, str(job.log_stream_name)
        logs.ensure_log_group(group)
        logs.ensure_log_stream(group, stream)

        def write(line: str) -> None:
            logs.put_log_events(group, stream, [{"timestamp": int(time.time() * 1000), "message": line or " "}])
            shown = message_of(line)
            if shown is not None:
                self._tell(title(job), shown)

        return write

    def _end(self, job: batch.Job, *, is_success: bool) -> None:
        job._mark_stopped(success=is_success)
        self._on_end(job)
        parent = job.all_jobs.get(job.job_id.partition(":")[0])
        if parent is None or parent is job or not parent._child_jobs:
            return
        if all(child.job_stopped for child in parent._child_jobs):
            if job.job_stopped_reason == DEPENDENCY_FAILED:  # of all children: they wait for the same
                parent.job_stopped_reason = DEPENDENCY_FAILED
            parent._mark_stopped(success=all(child.status == "SUCCEEDED" for child in parent._child_jobs))
            self._on_end(parent)


def _status(job: batch.Job | None) -> JobStatus:
    """The status of a dependency; one that Batch does not know can never succeed."""
    return JobStatus.FAILED if job is None else JobStatus(job.status)


def title(job: batch.Job) -> str:
    """What tells a job from all others in the log: its name and, of an array's child, its index."""
    index = job.array_properties.get("index")
    return str(job.job_name) if index is None else f"{job.job_name}:{index}"


def dependencies(job: batch.Job) -> list[str]:
    """The ids of the jobs that one waits for, of each kind that Batch has: plain, N_TO_N and SEQUENTIAL."""
    index = job.array_properties.get("index")
    ids = []
    for dependency in job.depends_on or []:
        kind = dependency.get("type")
        if kind == "SEQUENTIAL":
            ids += [f"{job.job_id.partition(':')[0]}:{index - 1}"] if index else []
        elif kind == "N_TO_N":
            ids.append(f"{dependency['jobId']}:{index}")
        else:
            ids.append(dependency["jobId"])
    return ids
