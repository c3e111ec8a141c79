"""What a job gets of a host."""

from dataclasses import dataclass

from cellpainting.cost.prices import MEMORY_MIB
from cellpainting.jobs import Job

# vCPUs and MiB of each runtime's job definition, as constants.py has them.
GIVEN = {"cellprofiler": (1, 4096), "profiling": (2, 4096), "starfish": (1, 4096)}


@dataclass(frozen=True)
class JobSize:
    """vCPUs, and memory in MiB."""

    vcpus: int
    memory_mib: int

    @classmethod
    def of(cls, job: Job) -> "JobSize":
        """What the request asks for, else what its job definition gives."""
        vcpus, memory_mib = GIVEN[job.runtime]
        return cls(job.resources.vcpus or vcpus, job.resources.memory_mib or memory_mib)

    @property
    def paid_vcpus(self) -> float:
        """The vCPUs that it takes from others: its own, or as many as have its memory."""
        return max(self.vcpus, self.memory_mib / MEMORY_MIB)
