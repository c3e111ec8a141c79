"""From a job to the shards that carry it out: a pure function."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cellpainting.jobs.message import Job


@dataclass(frozen=True)
class Plan:
    """How many shards a job has. More than one is submitted as one array job."""

    shard_count: int


def plan(job: "Job") -> Plan:
    """Plan a job. A folder of images is one shard: only CellProfiler's own modules know its image sets."""
    return Plan(shard_count=1)
