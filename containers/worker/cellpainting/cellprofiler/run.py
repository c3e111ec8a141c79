"""One shard of a `run_cellprofiler` job: groups fetched, measured, checked and published; the manifest last."""

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from cellpainting.cellprofiler.driver import Setting
from cellpainting.cellprofiler.environment import CellProfiler
from cellpainting.cellprofiler.shard import Shard, measure_groups
from cellpainting.errors import CellPaintingError, InvalidRequest, StorageUnavailable
from cellpainting.image_digest import image_digest
from cellpainting.job_output import LogLine, print_at_once
from cellpainting.jobs import RunCellProfiler, RunRecord
from cellpainting.ledger import Manifest, StoredFile
from cellpainting.ledger.shard_work import Count, MadeWith, ShardWork, count_nothing
from cellpainting.planning import ShardPlan
from cellpainting.scratch import scratch_folder
from cellpainting.shard_log import MARK, ShardLog
from cellpainting.storage import Storage


@dataclass(frozen=True)
class Capacity:
    """What the machine has for one shard: CellProfiler processes at a time, and memory for all of them, in MiB."""

    processes: int
    memory_mib: int


@dataclass(frozen=True)
class Tools:
    """What all groups are measured with, in scratch."""

    pipeline: Path
    plugins: Path | None
    made_with: MadeWith


def run(
    record: RunRecord,
    job: RunCellProfiler,
    plan: ShardPlan,
    *,
    bucket: Storage,
    images_from: Storage,
    cellprofiler: CellProfiler,
    capacity: Capacity,
    count: Count = count_nothing,
) -> Manifest:
    """Do one shard of a request and leave its log and manifest in the bucket, whether it succeeded or not.

    Groups that an earlier attempt measured, from the image sets, the images, the pipeline, the plugins and with the
    CellProfiler that there are now, are not measured again; with `force` they are, unless the attempt was interrupted
    and this one goes on with it. Images are read from `images_from`: the bucket, or a file system that shows it.
    `count` hears of each group that is done.

    Raises
    ------
    StorageUnavailable
        If the bucket fails; no manifest is written and the shard may be tried again.
    """
    with scratch_folder() as scratch:
        tools, reason = _take_tools(job, plan, bucket, cellprofiler, scratch)
        work = ShardWork(record, plan, bucket, tools.made_with, count=count)
        if work.is_finished:
            told = f"{MARK}shard {plan.number} is done, from what is there now; 'force' does it again"
            print_at_once(LogLine(told))
            return work.finish()
        log = ShardLog(scratch / "shard.log")
        try:
            if not reason and work.left:
                shard = Shard(record, job, plan, bucket, images_from, scratch, log, work)
                reason = _measure(shard, tools, cellprofiler, capacity)
            if reason:
                log.complain(f"failed: {reason}")
        finally:
            log.close()
        bucket.upload(log.path, record.keys.log(plan.number))
        return work.finish(reason)


def _measure(shard: Shard, tools: Tools, cellprofiler: CellProfiler, capacity: Capacity) -> str:
    """Do the work; returns why the shard as a whole failed, or nothing."""
    setting = Setting(
        cellprofiler.python,
        tools.pipeline,
        tools.plugins,
        memory_mib=capacity.memory_mib / capacity.processes,
        timeout_s=shard.job.timeout_s,
        accelerate=shard.job.accelerate,
    )
    try:
        measure_groups(shard, setting, capacity.processes)
    except StorageUnavailable:
        raise
    except CellPaintingError as error:
        return str(error)
    return ""


def _take_tools(
    job: RunCellProfiler, plan: ShardPlan, bucket: Storage, cellprofiler: CellProfiler, scratch: Path
) -> tuple[Tools, str]:
    """Fetch pipeline and plugins; what there is of them, and why there is not all."""
    pipeline = scratch / PurePosixPath(job.pipeline).name
    made_with = MadeWith(None, "", (), "", image_digest())
    try:
        _require_inner_folders(plan)
        stored = StoredFile.of(bucket.download(job.pipeline, pipeline))
        sha256 = hashlib.sha256(pipeline.read_bytes()).hexdigest()
        made_with = replace(made_with, pipeline=stored, pipeline_sha256=sha256)
        plugins = _take_plugins(job.plugins or "", plan, bucket, scratch / "plugins")
        made_with = replace(made_with, plugins=plugins, cellprofiler_version=cellprofiler.version)
    except StorageUnavailable:
        raise
    except CellPaintingError as error:
        return Tools(pipeline, None, made_with), str(error)
    return Tools(pipeline, scratch / "plugins" if plan.plugins else None, made_with), ""


def _take_plugins(prefix: str, plan: ShardPlan, bucket: Storage, folder: Path) -> tuple[StoredFile, ...]:
    names = [key.removeprefix(prefix.rstrip("/") + "/") for key in plan.plugins]
    return tuple(
        StoredFile.of(bucket.download(key, folder / name)) for key, name in zip(plan.plugins, names, strict=True)
    )


def _require_inner_folders(plan: ShardPlan) -> None:
    names = [group.folder for group in plan.groups] + list(plan.plugins)
    for name in names:
        if name.startswith("/") or ".." in PurePosixPath(name).parts:
            raise InvalidRequest(f"the plan has the folder {name!r}, which would lie outside; send the request again")
