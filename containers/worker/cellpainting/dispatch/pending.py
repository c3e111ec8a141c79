"""Which shards of a plan need a job: all but those that were measured from just what is there now."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass

from cellpainting.errors import MissingInput
from cellpainting.jobs import DecodeFovs, RunCellProfiler, RunRecord, WholeJob
from cellpainting.jobs.run_record import RunKeys
from cellpainting.ledger.blocked import why_blocked
from cellpainting.ledger.image_set import Cause
from cellpainting.ledger.inputs import find_changed, list_images
from cellpainting.ledger.manifest import GroupResult, Manifest, StoredFile
from cellpainting.ledger.reader import read_ledger
from cellpainting.ledger.redrive import shards_by_cause
from cellpainting.ledger.source_digest import source_digest
from cellpainting.planning.run_plan import RunPlan
from cellpainting.planning.shard_plan import Group, ShardPlan
from cellpainting.storage import Sources, Storage

READERS = 32  # requests on their way at once, as many as S3Storage keeps connections


@dataclass(frozen=True)
class MadeWith:
    """What all groups of a run are measured with."""

    pipeline: StoredFile | None
    plugins: tuple[StoredFile, ...]
    cellprofiler_version: str


def find_pending(
    run: RunRecord, plan: RunPlan, storage: Storage, *, cellprofiler_version: str, most_inputs: int | None = None
) -> tuple[int, ...] | None:
    """The numbers of the shards that need a job; None if more than `most_inputs` files would have to be asked for.

    A request with `force` needs all, one with `redrive` those with an image set of such a cause. Downloads, backends,
    profiles, pages and merged fields that are asked for again need all, too: their worker looks at each file that it
    left, or at what that was made from. As stages they need a job only if that has changed. A stage that could not
    start needs all, for only a start takes the mark away. `cellprofiler_version` is starfish's for fields of view.

    Raises
    ------
    StorageUnavailable
        If the storage fails.
    """
    job = run.job
    is_blocked = job.stage is not None and bool(why_blocked(run.keys, storage))
    if job.redrive and not job.force and not (is_blocked and Cause.BLOCKED in job.redrive):
        return _of_causes(run, plan, storage)
    needs_all = job.force or is_blocked
    if isinstance(job, WholeJob) and job.stage and not needs_all and _is_current(run, job, storage):
        return ()
    if needs_all or not isinstance(job, RunCellProfiler | DecodeFovs):
        return tuple(shard.number for shard in plan.shards)
    finished = _finished(run.keys, job, plan, storage, cellprofiler_version)
    files = {file for inputs in finished.values() for file in inputs}
    if isinstance(job, RunCellProfiler) and job.is_plain_folder:
        # One listing tells, also of what was added to the folder since.
        done = {number for number, inputs in finished.items() if set(inputs) == _folder(job, storage)}
    elif most_inputs is None or len(files) <= most_inputs:
        changed = find_changed(Sources(storage), files)
        done = {number for number, inputs in finished.items() if changed.isdisjoint(file.key for file in inputs)}
    else:
        return None
    return tuple(shard.number for shard in plan.shards if shard.number not in done)


def _is_current(run: RunRecord, job: WholeJob, storage: Storage) -> bool:
    """Whether a stage that is one shard was done whole, from just what is there now."""
    try:
        manifest = Manifest.from_json(storage.read(run.keys.shard(0)))
    except MissingInput:
        return False
    made_from = {group.fingerprint for group in manifest.groups}
    return manifest.is_success and bool(job.read_prefixes) and made_from == {source_digest(job, storage)}


def _of_causes(run: RunRecord, plan: RunPlan, storage: Storage) -> tuple[int, ...]:
    """The shards that are not done for such a cause, and those of which nothing tells but a loss, if anything."""
    ledger = read_ledger(storage, run.run_id)
    left = shards_by_cause(ledger)
    wanted = {shard for cause in run.job.redrive for shard in left[Cause(cause)]}
    told = {outcome.image_set.shard for outcome in ledger.outcomes} | left[Cause.PIPELINE_ERROR]
    return tuple(shard.number for shard in plan.shards if shard.number in wanted or shard.number not in told)


def _finished(
    keys: RunKeys, job: RunCellProfiler | DecodeFovs, plan: RunPlan, storage: Storage, cellprofiler_version: str
) -> dict[int, tuple[StoredFile, ...]]:
    """The inputs of each shard that was measured whole, as it is planned now and with what is there now."""
    stored = {item.key for item in storage.list(keys.shards)}
    shards = [shard for shard in plan.shards if keys.shard(shard.number) in stored]
    if not shards:
        return {}
    program = job.recipe if isinstance(job, DecodeFovs) else job.pipeline
    now = MadeWith(_stat(program, storage), _plugins(plan, storage), cellprofiler_version)

    def inputs(shard: ShardPlan) -> tuple[StoredFile, ...] | None:
        manifest = Manifest.from_json(storage.read(keys.shard(shard.number)))
        if not _is_finished(manifest, shard, now):
            return None
        return tuple(file for group in manifest.groups for file in group.inputs)

    with ThreadPoolExecutor(READERS) as readers:
        found = zip(shards, readers.map(inputs, shards), strict=True)
        return {shard.number: files for shard, files in found if files is not None}


def _is_finished(manifest: Manifest, shard: ShardPlan, now: MadeWith) -> bool:
    made_with = MadeWith(manifest.pipeline, manifest.plugins, manifest.cellprofiler_version)
    if not manifest.is_success or made_with != now or len(manifest.groups) != len(shard.groups):
        return False
    return all(
        group.folder == result.folder and (not group.rows or _is_of(shard, group, result))
        for group, result in zip(shard.groups, manifest.groups, strict=True)
    )


def _is_of(shard: ShardPlan, group: Group, result: GroupResult) -> bool:
    image_sets = tuple(outcome.image_set for outcome in result.outcomes)
    return shard.fingerprint(group) == result.fingerprint and shard.image_sets(group) == image_sets


def _folder(job: RunCellProfiler, storage: Storage) -> set[StoredFile]:
    with suppress(MissingInput):
        return set(list_images(storage, job.input or ""))
    return set()


def _plugins(plan: RunPlan, storage: Storage) -> tuple[StoredFile, ...]:
    stated = [_stat(key, storage) for key in plan.shards[0].plugins]
    return tuple(file for file in stated if file is not None)


def _stat(key: str, storage: Storage) -> StoredFile | None:
    """What is there now, or None: what is missing has changed."""
    with suppress(MissingInput):
        return StoredFile.of(storage.stat(key))
    return None
