"""The function's environment, read once."""

import json
import os
from dataclasses import dataclass

from cellpainting.dispatch.batch_jobs import JobPlace
from cellpainting.errors import InvalidField
from cellpainting.jobs import Job


@dataclass(frozen=True)
class Runtime:
    """One runtime of the deployment: its job definition, what that gives a job, and the version of its program."""

    definition: str
    vcpus: int
    memory_mib: int
    version: str


@dataclass(frozen=True)
class Settings:
    """What the deployment lists: the bucket, the queues (the first is the default), the runtimes.

    `max_memory_mib` is the most that a job gets without anybody having asked for it.
    """

    bucket: str
    job_queues: tuple[str, ...]
    runtimes: dict[str, Runtime]
    max_memory_mib: int

    @classmethod
    def from_environment(cls) -> "Settings":
        """Read BUCKET, JOB_QUEUES, RUNTIMES and MAX_MEMORY_MIB; a missing one stops the function at its start."""
        return cls(
            bucket=os.environ["BUCKET"],
            job_queues=tuple(json.loads(os.environ["JOB_QUEUES"])),
            runtimes={name: Runtime(**runtime) for name, runtime in json.loads(os.environ["RUNTIMES"]).items()},
            max_memory_mib=int(os.environ["MAX_MEMORY_MIB"]),
        )

    def place(self, job: Job) -> JobPlace:
        """The queue and definition that a request names, or the default ones.

        Raises
        ------
        InvalidField
            If the deployment does not list them.
        """
        runtime = self.runtimes[job.runtime]
        named = job.resources
        queue = _listed("job_queue", named.queue, self.job_queues) if named.queue else self.job_queues[0]
        if named.definition:
            _listed("job_definition", named.definition, (runtime.definition,))
        return JobPlace(queue, runtime.definition, runtime.vcpus, runtime.memory_mib)


def _listed(field: str, named: str, arns: tuple[str, ...]) -> str:
    for arn in arns:
        if named in _names(arn):
            return arn
    raise InvalidField(field, named, f"this deployment lists only {', '.join(arns)}")


def _names(arn: str) -> frozenset[str]:
    """How one resource may be called: by ARN or by name, with or without its revision."""
    without_revision = arn.rpartition(":")[0] if arn.rpartition(":")[2].isdigit() else arn
    return frozenset({arn, without_revision, arn.rpartition("/")[2], without_revision.rpartition("/")[2]})
