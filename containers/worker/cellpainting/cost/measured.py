"""What pipelines took in earlier runs of a bucket: those of the same text, by the same means, as manifests tell it."""

import json
from collections import defaultdict
from collections.abc import Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from hashlib import sha256
from typing import NamedTuple

from cellpainting.cost.job_size import JobSize
from cellpainting.cost.usage import ShardUse, Usage, measured_usage
from cellpainting.errors import InvalidRequest, MissingInput
from cellpainting.jobs import DecodeFovs, Job, RunCellProfiler, parse_job
from cellpainting.jobs.run_record import RUNS, RunKeys
from cellpainting.ledger.manifest import Manifest
from cellpainting.storage.base import Storage

READERS = 32  # requests on their way at once, as many as S3Storage keeps connections
MOST_SHARDS = 200  # of one run: their mean is known well enough
NAMED = 3  # runs that an estimate names


class Means(NamedTuple):
    """What decides how long work takes: SHA-256 of the pipeline, or of the recipe, and whether it is accelerated."""

    sha256: str
    is_accelerated: bool

    @classmethod
    def of(cls, job: Job, sha256: str) -> "Means":
        """What a request asks for."""
        return cls(sha256, isinstance(job, RunCellProfiler) and job.accelerate)


@dataclass(frozen=True)
class _RunUse:
    """The shards of one run that one pipeline measured."""

    run_id: str
    means: Means
    shards: tuple[ShardUse, ...]


def means_of(job: Job, storage: Storage) -> Means | None:
    """The means of a request; None if it has neither pipeline nor recipe, or it is not there."""
    key = job.pipeline if isinstance(job, RunCellProfiler) else job.recipe if isinstance(job, DecodeFovs) else None
    try:
        return Means.of(job, sha256(storage.read(key)).hexdigest()) if key else None
    except MissingInput:
        return None


def find_measured(storage: Storage, means: Collection[Means], *, leave_out: Collection[str] = ()) -> dict[Means, Usage]:
    """What these took in the runs of a bucket, but for those of the ids `leave_out`. Asks for one manifest of each run,
    and for more of those that had one of the pipelines.

    Raises
    ------
    StorageUnavailable
        If the storage fails.
    """
    if not means:
        return {}
    run_ids = [run_id for run_id in storage.folders(RUNS) if run_id not in leave_out]
    found: dict[Means, list[_RunUse]] = defaultdict(list)
    with ThreadPoolExecutor(READERS) as readers:
        for use in readers.map(lambda run_id: _run_use(storage, RunKeys(run_id), means), run_ids):
            if use is not None and use.shards:
                found[use.means].append(use)
    usages = {one: _usage(uses) for one, uses in found.items()}
    return {one: usage for one, usage in usages.items() if usage is not None}


def _run_use(storage: Storage, keys: RunKeys, wanted: Collection[Means]) -> _RunUse | None:
    stored = storage.list(keys.shards)
    first = next(stored, None)
    if first is None:
        return None
    manifest = Manifest.from_json(storage.read(first.key))
    digest = manifest.pipeline_sha256
    job = _job(storage, keys) if any(one.sha256 == digest for one in wanted) else None
    if job is None or Means.of(job, digest) not in wanted:
        return None
    others = [item.key for _, item in zip(range(MOST_SHARDS - 1), stored, strict=False)]
    manifests = (manifest, *(Manifest.from_json(storage.read(key)) for key in others))
    return _RunUse(keys.run_id, Means.of(job, digest), tuple(_uses(manifests, job, digest)))


def _uses(manifests: Collection[Manifest], job: Job, digest: str) -> Iterator[ShardUse]:
    vcpus = JobSize.of(job).vcpus
    for manifest in manifests:
        if manifest.pipeline_sha256 == digest:
            yield ShardUse.of(manifest, job, vcpus)


def _job(storage: Storage, keys: RunKeys) -> Job | None:
    try:
        return parse_job(json.loads(storage.read(keys.request)))
    except (InvalidRequest, MissingInput):
        return None  # the record of an older version, or a part of one


def _usage(uses: list[_RunUse]) -> Usage | None:
    shards = [shard for use in uses for shard in use.shards if shard.is_telling]
    named = ", ".join(use.run_id for use in uses[:NAMED])
    more = f" and {len(uses) - NAMED} more" if len(uses) > NAMED else ""
    image_sets = sum(shard.image_sets for shard in shards)
    return measured_usage(shards, f"measured: {image_sets:,} image sets of {named}{more}")
