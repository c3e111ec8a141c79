"""What pipelines took in earlier runs of a bucket: those with the same text, by its hash, as manifests tell it."""

import json
from collections import defaultdict
from collections.abc import Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from hashlib import sha256

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


@dataclass(frozen=True)
class _RunUse:
    """The shards of one run that one pipeline measured."""

    run_id: str
    digest: str
    shards: tuple[ShardUse, ...]


def pipeline_digest(job: Job, storage: Storage) -> str:
    """SHA-256 of the pipeline, or of the recipe, of a request; empty if it has none, or it is not there."""
    key = job.pipeline if isinstance(job, RunCellProfiler) else job.recipe if isinstance(job, DecodeFovs) else None
    try:
        return sha256(storage.read(key)).hexdigest() if key else ""
    except MissingInput:
        return ""


def find_measured(storage: Storage, digests: Collection[str], *, leave_out: Collection[str] = ()) -> dict[str, Usage]:
    """What pipelines of these hashes took in the runs of a bucket, but for those of the ids `leave_out`. Asks for one
    manifest of each run, and for more of those that had one of the pipelines.

    Raises
    ------
    StorageUnavailable
        If the storage fails.
    """
    wanted = frozenset(filter(None, digests))
    if not wanted:
        return {}
    run_ids = [run_id for run_id in storage.folders(RUNS) if run_id not in leave_out]
    found: dict[str, list[_RunUse]] = defaultdict(list)
    with ThreadPoolExecutor(READERS) as readers:
        for use in readers.map(lambda run_id: _run_use(storage, RunKeys(run_id), wanted), run_ids):
            if use is not None and use.shards:
                found[use.digest].append(use)
    usages = {digest: _usage(uses) for digest, uses in found.items()}
    return {digest: usage for digest, usage in usages.items() if usage is not None}


def _run_use(storage: Storage, keys: RunKeys, wanted: Collection[str]) -> _RunUse | None:
    stored = storage.list(keys.shards)
    first = next(stored, None)
    if first is None:
        return None
    manifest = Manifest.from_json(storage.read(first.key))
    digest = manifest.pipeline_sha256
    job = _job(storage, keys) if digest in wanted else None
    if job is None:
        return None
    others = [item.key for _, item in zip(range(MOST_SHARDS - 1), stored, strict=False)]
    manifests = (manifest, *(Manifest.from_json(storage.read(key)) for key in others))
    return _RunUse(keys.run_id, digest, tuple(_uses(manifests, job, digest)))


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
