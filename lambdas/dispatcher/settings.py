"""The function's environment, read once."""

import json
import os
from dataclasses import dataclass

from cellpainting.dispatch.batch_jobs import JobPlace
from cellpainting.errors import InvalidField
from cellpainting.jobs import Job
from cellpainting.jobs.message import JOB_TYPES


@dataclass(frozen=True)
class JobType:
    """One job type of the deployment: its job definition, what that gives a job, and the version of its program."""

    definition: str
    vcpus: int
    memory_mib: int
    version: str


@dataclass(frozen=True)
class Settings:
    """What the deployment lists: the bucket, the queues (the first is the default), the job types.

    `on_demand_queue` is where shards go whose Spot hosts were lost, and `runs_topic` where the end of a run is told.
    `max_memory_mib` is the most that a job gets without anybody having asked for it.
    """

    bucket: str
    job_queues: tuple[str, ...]
    on_demand_queue: str
    job_types: dict[str, JobType]
    runs_topic: str
    max_memory_mib: int

    @classmethod
    def from_environment(cls) -> "Settings":
        """Read BUCKET, JOB_QUEUES, ON_DEMAND_QUEUE, JOB_TYPES, RUNS_TOPIC and MAX_MEMORY_MIB; a missing one stops the
        function at its start.
        """
        return cls(
            bucket=os.environ["BUCKET"],
            job_queues=tuple(json.loads(os.environ["JOB_QUEUES"])),
            on_demand_queue=os.environ["ON_DEMAND_QUEUE"],
            job_types={name: JobType(**told) for name, told in json.loads(os.environ["JOB_TYPES"]).items()},
            runs_topic=os.environ["RUNS_TOPIC"],
            max_memory_mib=int(os.environ["MAX_MEMORY_MIB"]),
        )

    @property
    def versions(self) -> dict[str, str]:
        """The versions of the programs by runtime."""
        return {JOB_TYPES[name].runtime: job_type.version for name, job_type in self.job_types.items()}

    def place(self, job: Job) -> JobPlace:
        """The queue and definition that a request names, or the default ones.

        Raises
        ------
        InvalidField
            If the deployment does not list them.
        """
        job_type = self.job_types[job.job_type]
        named = job.resources
        queue = _listed("job_queue", named.queue, self.job_queues) if named.queue else self.job_queues[0]
        if named.definition:
            _listed("job_definition", named.definition, (job_type.definition,))
        return JobPlace(queue, job_type.definition, job_type.vcpus, job_type.memory_mib)


def _listed(field: str, named: str, arns: tuple[str, ...]) -> str:
    for arn in arns:
        if named in _names(arn):
            return arn
    raise InvalidField(field, named, f"this deployment lists only {', '.join(arns)}")


def _names(arn: str) -> frozenset[str]:
    """How one resource may be called: by ARN or by name, with or without its revision."""
    without_revision = arn.rpartition(":")[0] if arn.rpartition(":")[2].isdigit() else arn
    return frozenset({arn, without_revision, arn.rpartition("/")[2], without_revision.rpartition("/")[2]})
