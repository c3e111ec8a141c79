"""Why a job ended without saying so itself, in the words that Batch and ECS have for it."""

from dataclasses import dataclass
from typing import Any

from cellpainting.ledger.image_set import Cause

TIMED_OUT = "Job attempt duration exceeded timeout"
HOST_TERMINATED = "Host EC2"  # "Host EC2 (instance i-...) terminated."
DEPENDENCY_FAILED = "Dependent Job failed"  # it depends on one that failed, and is never started
NO_CAPACITY = "CAPACITY:INSUFFICIENT_INSTANCE_CAPACITY"  # of a job that the queue's own time limit has cancelled
OUT_OF_MEMORY = "OutOfMemory"  # "OutOfMemoryError: Container killed due to memory usage"
KILLED = 137  # by SIGKILL, which is what the kernel sends when memory runs out
STORAGE_UNAVAILABLE = 75
REFUSED = {1: "failed", 2: "refused its request"}  # the worker's own statuses


@dataclass(frozen=True)
class Ending:
    """How the last attempt of a job ended, as DescribeJobs, ListJobs and events all have it."""

    exit_code: int | None
    reason: str
    container_reason: str
    was_started: bool
    was_stopped: bool

    @classmethod
    def of(cls, job: Any) -> "Ending":
        """Read a job's summary or detail."""
        container = job.get("container") or {}
        return cls(
            exit_code=container.get("exitCode"),
            reason=job.get("statusReason") or "",
            container_reason=container.get("reason") or "",
            was_started=bool(job.get("startedAt")),
            was_stopped=bool(job.get("isTerminated") or job.get("isCancelled")),
        )

    @property
    def is_blocked(self) -> bool:
        """Whether it was not started since a job that it depends on failed."""
        return self.reason.startswith(DEPENDENCY_FAILED)

    @property
    def is_without_capacity(self) -> bool:
        """Whether Batch has cancelled it since no host was to be had for so long."""
        return NO_CAPACITY in self.reason

    @property
    def is_unwanted(self) -> bool:
        """Whether somebody has terminated or cancelled it."""
        return self.was_stopped and not self.is_without_capacity

    @property
    def is_for_want_of_a_host(self) -> bool:
        """Whether it may succeed on hosts that nobody takes away."""
        return self.is_without_capacity or self.cause == Cause.MACHINE_LOST

    @property
    def cause(self) -> Cause:
        """What kind of end it was. What a host did is said before what that did to the container."""
        if self.reason.startswith(HOST_TERMINATED):
            return Cause.MACHINE_LOST
        if self.is_without_capacity:
            return Cause.NOT_RUN
        if self.reason.startswith(TIMED_OUT):
            return Cause.TIMEOUT
        if OUT_OF_MEMORY in self.container_reason + self.reason or self.exit_code == KILLED:
            return Cause.OUT_OF_MEMORY
        if self.exit_code == STORAGE_UNAVAILABLE:
            return Cause.STORAGE_UNAVAILABLE
        did_not_run = self.exit_code in REFUSED or not self.was_started
        return Cause.NOT_RUN if did_not_run else Cause.MACHINE_LOST

    def __str__(self) -> str:
        status = "without an exit status" if self.exit_code is None else f"with exit status {self.exit_code}"
        told = "; ".join(filter(None, (self.container_reason, self.reason)))
        verb = REFUSED.get(self.exit_code or 0)
        said = f" (the worker {verb} and left no manifest: its log says why)" if verb else ""
        return f"the job ended {status}{said}: {told or 'Batch gives no reason'}"
