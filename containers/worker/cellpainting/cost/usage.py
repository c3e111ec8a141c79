"""How long work takes, and what it reads and writes: per shard and per image set, from the manifests of shards."""

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass

from cellpainting.errors import MissingInput
from cellpainting.jobs import Job, RunCellProfiler
from cellpainting.jobs.run_record import RunKeys
from cellpainting.ledger.manifest import GroupResult, Manifest
from cellpainting.storage.base import Storage

READERS = 32  # requests on their way at once, as many as S3Storage keeps connections
# Objects that a worker reads and writes for a shard beside its images and results: the request, the plan, the pipeline;
# the log, the progress, the manifest.
READS_OF_SHARD, WRITES_OF_SHARD = 6, 3


@dataclass(frozen=True)
class Usage:
    """What one job takes: `shard_s` seconds of it whatever is in its shard, `image_set_s` seconds of one vCPU for each
    image set; and what that reads and writes of the bucket. `source` says where that is known from.
    """

    shard_s: float
    image_set_s: float
    reads: float
    writes: float
    written_bytes: float
    source: str
    is_measured: bool = False

    def seconds(self, shards: float, image_sets: float, lanes: int) -> float:
        """Seconds of all jobs together, each of which does as many image sets at a time as it has lanes."""
        return shards * self.shard_s + image_sets * self.image_set_s / lanes


@dataclass(frozen=True)
class ShardUse:
    """What one shard took: `seconds` of its job, of which its groups took `group_s` of one vCPU, in `lanes`. Of its
    `image_sets`, `measured` were.
    """

    seconds: float
    group_s: float
    lanes: int
    image_sets: int
    measured: int
    reads: int
    writes: int
    written_bytes: int

    @classmethod
    def of(cls, manifest: Manifest, job: Job, vcpus: int) -> "ShardUse":
        """Read a manifest. A shard that went on after an interruption tells of its last attempt only; its groups tell
        of all of them.
        """
        groups, lanes = manifest.groups, lanes_of(len(manifest.groups), vcpus)
        group_s = sum(group.seconds for group in groups)
        # Those of other jobs wait for each other's network: their time together is more than they have vCPUs for.
        seconds = max(manifest.seconds, group_s / lanes) if isinstance(job, RunCellProfiler) else manifest.seconds
        return cls(
            seconds=seconds,
            group_s=group_s,
            lanes=lanes,
            image_sets=len(manifest.outcomes),
            measured=sum(outcome.state.is_success for outcome in manifest.outcomes),
            reads=READS_OF_SHARD + sum(len(group.inputs) for group in groups),
            writes=WRITES_OF_SHARD + sum(_writes(group) for group in groups),
            written_bytes=sum(file.size for group in groups for file in group.outputs),
        )

    @property
    def is_telling(self) -> bool:
        """Whether it tells how long work takes: most of its image sets did not fail, which may be quick."""
        return self.measured > self.image_sets / 2


def lanes_of(groups: int, vcpus: int) -> int:
    """How many groups of a shard are done at a time."""
    return max(1, min(groups, vcpus))


def measured_usage(shards: Iterable[ShardUse], source: str) -> Usage | None:
    """What shards took on average, but for those most of whose image sets failed; None if there are no others."""
    uses = [use for use in shards if use.is_telling]
    image_sets = sum(use.image_sets for use in uses)
    if not image_sets:
        return None
    beside = sum(max(0.0, use.seconds - use.group_s / use.lanes) for use in uses)
    return Usage(
        shard_s=beside / len(uses),
        image_set_s=sum(use.group_s for use in uses) / image_sets,
        reads=sum(use.reads - READS_OF_SHARD for use in uses) / image_sets,
        writes=sum(use.writes - WRITES_OF_SHARD for use in uses) / image_sets,
        written_bytes=sum(use.written_bytes for use in uses) / image_sets,
        source=source,
        is_measured=True,
    )


def shard_uses(storage: Storage, keys: RunKeys, job: Job, vcpus: int) -> dict[int, ShardUse]:
    """What each shard of a run took, by its number: of those that left a manifest.

    Raises
    ------
    StorageUnavailable
        If the storage fails.
    """

    def read(key: str) -> Manifest | None:
        with suppress(MissingInput):  # its shard has begun again since the folder was listed
            return Manifest.from_json(storage.read(key))
        return None

    with ThreadPoolExecutor(READERS) as readers:
        manifests = readers.map(read, [item.key for item in storage.list(keys.shards)])
        return {manifest.shard: ShardUse.of(manifest, job, vcpus) for manifest in manifests if manifest}


def _writes(group: GroupResult) -> int:
    """Its results, and the progress of the shard when it is done."""
    return len(group.outputs) + 1
