"""What would run, and what it would read."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from cellpainting.jobs import Job
from cellpainting.planning.run_plan import RunPlan
from cellpainting.preflight.files import Stored
from cellpainting.storage import StoredObject


@dataclass(frozen=True)
class TableFiles:
    """The CSVs of one name that would be read, those of all folders together."""

    name: str
    files: int
    size_bytes: int

    @classmethod
    def of(cls, tables: Mapping[str, Iterable[StoredObject]]) -> "tuple[TableFiles, ...]":
        """Count the files of each table."""
        sizes = {name: [file.size for file in files] for name, files in tables.items()}
        return tuple(cls(name, len(found), sum(found)) for name, found in sizes.items())


@dataclass(frozen=True)
class Outlook:
    """The size of a run; None is what is not known, since only the worker lists the image sets or planning failed.

    `vcpus` is what all shards at once would use, where a request that does not say has one per shard. `tables` are
    those of measurements, of a request that reads any.
    """

    image_sets: int | None = None
    groups: int | None = None
    shards: int | None = None
    vcpus: int | None = None
    files: int | None = None
    size_bytes: int | None = None
    tables: tuple[TableFiles, ...] = ()

    @classmethod
    def of(cls, job: Job, plan: RunPlan | None, stored: Stored | None) -> "Outlook":
        """From the plan and the distinct files that would be read, of which those that are there count."""
        sizes = None if stored is None else [found.size for found in stored.values() if found is not None]
        files, size_bytes = (None, None) if sizes is None else (len(sizes), sum(sizes))
        if plan is None:
            return cls(files=files, size_bytes=size_bytes)
        return cls(
            image_sets=plan.image_set_count or None,
            groups=sum(len(shard.groups) for shard in plan.shards),
            shards=len(plan.shards),
            vcpus=len(plan.shards) * (job.resources.vcpus or 1),
            files=files,
            size_bytes=size_bytes,
        )
