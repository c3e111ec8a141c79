"""`cpb run`: the containers' entry point, and the same on a laptop."""

import json
import os
import signal
from collections import Counter
from functools import partial
from pathlib import Path

import click

from cellpainting.cellprofiler import run as measure
from cellpainting.cellprofiler.discover import image_set_reader
from cellpainting.cellprofiler.environment import VARIABLE, find_cellprofiler
from cellpainting.cellprofiler.run import Capacity
from cellpainting.cli.signals import stop
from cellpainting.dispatch.planning_job import plan_run, plan_run_in_stages
from cellpainting.dispatch.submission import read_submission
from cellpainting.errors import InvalidRequest, MissingInput
from cellpainting.job_output import Level, LogLine, name_place, print_at_once
from cellpainting.jobs import (
    BuildBackend,
    DecodeFovs,
    DownloadImages,
    MakeProfiles,
    MakeReport,
    MergeFovs,
    ProcessFovs,
    RunCellProfiler,
    RunRecord,
    StagedJob,
    WholeJob,
    parse_job,
)
from cellpainting.jobs.run_record import RUNS
from cellpainting.ledger import ImageSet, Manifest, read_ledger
from cellpainting.ledger.approval import why_not_approved
from cellpainting.ledger.blocked import mark_blocked
from cellpainting.ledger.readiness import why_not_ready
from cellpainting.ledger.shard_work import Count
from cellpainting.planning import ShardPlan
from cellpainting.planning.plan_job import ReadSource, read_csv_source
from cellpainting.shard_log import MARK
from cellpainting.shard_metrics import ShardMetrics
from cellpainting.starfish import decode, merge
from cellpainting.starfish.environment import VARIABLE as STARFISH
from cellpainting.starfish.environment import Starfish, find_starfish
from cellpainting.storage import FolderStorage, Sources, Storage, open_uri

ARRAY_INDEX = "AWS_BATCH_JOB_ARRAY_INDEX"  # set by Batch in the children of an array job
INPUT_ROOT = "CPB_INPUT_ROOT"  # the folder where the bucket is mounted (/fsx); images are read there, in place
INPUT_MOUNTS = "CPB_INPUT_MOUNTS"  # JSON, prefix to folder: more folders shown below the input root
PROBLEMS_TOLD = 20


@click.command()
@click.option("--request", required=True, metavar="URI", help="runs/<run id>/request.json, as s3:// or file:// URI")
@click.option(
    "--shard",
    type=click.IntRange(min=0),
    default=0,
    show_default=True,
    help=f"the shard to do; in an array job {ARRAY_INDEX} is added to it",
)
@click.option(
    "--submission",
    metavar="NUMBER",
    callback=lambda context, parameter, value: _number(value),
    help="a submission of the dispatcher: --shard then counts in its list of shards",
)
@click.option(
    "--plan", "is_planning", is_flag=True, help="plan the run instead: list its image sets, divide into shards"
)
@click.option(
    "--vcpus",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    envvar="CPB_VCPUS",
    show_envvar=True,
    help="CellProfiler processes, or images or tables that are made, at a time",
)
@click.option(
    "--memory-mib",
    type=click.IntRange(min=1),
    default=4096,
    show_default=True,
    envvar="CPB_MEMORY_MIB",
    show_envvar=True,
    help="memory for all of them together",
)
def run(request: str, shard: int, submission: int | None, is_planning: bool, vcpus: int, memory_mib: int) -> int:
    """Do one shard of a run, and leave its manifest in the bucket.

    Example: cpb run --request s3://bucket/runs/example-1/request.json --shard 0
    """
    signal.signal(signal.SIGTERM, stop)
    bucket, record = _open_run(request)
    name_place(record.run_id)
    if is_planning:
        return _plan(record, bucket)
    _require_ready(record, bucket)
    number = _shard_number(record, bucket, shard + int(os.environ.get(ARRAY_INDEX, "0")), submission)
    plan = _read_plan(record, bucket, number)
    name_place(record.run_id, number, _plate(record, plan))
    bucket.delete(record.keys.lost(number))  # it is being found again
    manifest = _do_counted(record, plan, bucket, Capacity(vcpus, memory_mib))
    _tell_outcome(record, manifest)
    return 0 if manifest.is_success else 1


def _plate(record: RunRecord, plan: ShardPlan) -> str:
    """The plate that all of a shard is of; empty if it is of several, or if only its worker can tell."""
    tables = [plan.table(group) for group in plan.groups]
    named = {table.metadata(row).get("Metadata_Plate", "") for table in tables for row in table.rows}
    if not named and isinstance(record.job, BuildBackend | MakeReport):
        return record.job.plate
    return named.pop() if len(named) == 1 else ""


def _do_counted(record: RunRecord, plan: ShardPlan, bucket: Storage, capacity: Capacity) -> Manifest:
    """Do a shard, and tell CloudWatch what it comes to, also of one that does not come to its end."""
    metrics = ShardMetrics(record, capacity.processes, capacity.memory_mib)
    try:
        manifest = _do(record, plan, bucket, capacity, metrics.count)
        if isinstance(record.job, WholeJob):
            metrics.count_all(manifest)
        if manifest.reason:
            metrics.lose(max(0, plan.image_set_count - len(manifest.outcomes)))
    finally:
        metrics.tell()
    return manifest


def _number(value: str | None) -> int | None:
    """The job definition's own value, for a job that is submitted by hand, is empty."""
    if not value:
        return None
    if not value.isdigit():
        raise click.BadParameter(f"got {value!r}; write the number of a submission")
    return int(value)


def _do(record: RunRecord, plan: ShardPlan, bucket: Storage, capacity: Capacity, count: Count) -> Manifest:
    images_from, job = _images_from(bucket), record.job
    if isinstance(job, DownloadImages):
        from cellpainting.download import run as download  # what it needs is not in every image

        sources, processors = Sources(images_from), capacity.processes
        return download.run(record, job, plan, bucket=bucket, sources=sources, processors=processors, count=count)
    if isinstance(job, BuildBackend):
        from cellpainting.backend.run import run as build  # as above

        return build(record, job, plan, bucket=bucket, processors=capacity.processes)
    if isinstance(job, MakeProfiles):
        from cellpainting.profiles.run import run as profile  # as above

        return profile(record, job, plan, bucket=bucket)
    if isinstance(job, MakeReport):
        from cellpainting.report.run import run as report  # as above

        return report(record, job, plan, bucket=bucket)
    if isinstance(job, DecodeFovs):
        starfish, memory_mib = _starfish(), capacity.memory_mib
        return decode.run(record, job, plan, bucket=bucket, starfish=starfish, memory_mib=memory_mib, count=count)
    if isinstance(job, MergeFovs):
        starfish, memory_mib = _starfish(), capacity.memory_mib
        return merge.run(record, job, plan, bucket=bucket, starfish=starfish, memory_mib=memory_mib)
    if isinstance(job, StagedJob):
        raise InvalidRequest(f"run {record.run_id} has no shards of its own; do those of its stages")
    cellprofiler = find_cellprofiler(os.environ.get(VARIABLE, ""))
    return measure.run(
        record,
        job,
        plan,
        bucket=bucket,
        images_from=images_from,
        cellprofiler=cellprofiler,
        capacity=capacity,
        count=count,
    )


def _require_ready(record: RunRecord, bucket: Storage) -> None:
    """Refuse a stage whose needs are not complete, by their ledgers, or that nobody has approved of, and leave the
    reason; one that an earlier try left does not hold any more.
    """
    stage = record.job.stage
    if stage is None:
        return
    reason = why_not_ready(stage, partial(read_ledger, bucket)) or why_not_approved(stage, bucket)
    mark_blocked(record.keys, reason, bucket)
    if reason:
        raise InvalidRequest(f"{stage.label} cannot start: {reason}")


def _plan(record: RunRecord, bucket: Storage) -> int:
    if isinstance(record.job, StagedJob):
        for planned in plan_run_in_stages(record, record.job, bucket, _versions(record.job)):
            _tell(f"{planned.stage.label}: {len(planned.pending)} of {len(planned.plan.shards)} shards are to be done")
        return 0
    plan = plan_run(record, bucket, *_reader(record))
    for name in plan.unmatched:
        _tell(f"no image set belongs to the requested group {name}", Level.WARNING)
    _tell(
        f"run {record.run_id} is planned: {plan.told_image_sets} in {plan.shard_count} shards; "
        f"to be done: {plan.pending or 'none'}"
    )
    return 0


def _versions(job: StagedJob) -> dict[str, str]:
    """The version of what measures or decodes the image sets, by runtime."""
    if isinstance(job, ProcessFovs):
        return {DecodeFovs.runtime: _starfish().version}
    return {RunCellProfiler.runtime: find_cellprofiler(os.environ.get(VARIABLE, "")).version}


def _reader(record: RunRecord) -> tuple[ReadSource, str]:
    """What reads the image sets that are to be measured, and the version of what measures or decodes them."""
    if isinstance(record.job, DecodeFovs):
        return read_csv_source, _starfish().version
    if not isinstance(record.job, RunCellProfiler):
        return read_csv_source, ""
    cellprofiler = find_cellprofiler(os.environ.get(VARIABLE, ""))
    return image_set_reader(cellprofiler), cellprofiler.version


def _starfish() -> Starfish:
    return find_starfish(os.environ.get(STARFISH, ""))


def _open_run(request: str) -> tuple[Storage, RunRecord]:
    bucket, key = open_uri(request, key_starts_with=RUNS)
    try:
        document = json.loads(bucket.read(key))
    except ValueError as error:
        raise InvalidRequest(f"{request} is not JSON ({error}); send the request again") from error
    record = RunRecord.of(parse_job(document), document)
    if record.keys.request != key:
        raise InvalidRequest(f"{request} holds the request of run {record.run_id}; a run's record is not to be moved")
    return bucket, record


def _shard_number(record: RunRecord, bucket: Storage, position: int, submission: int | None) -> int:
    if submission is None:
        return position
    numbers = read_submission(record.keys, submission, bucket).shard_numbers
    if position >= len(numbers):
        raise InvalidRequest(
            f"submission {submission} of run {record.run_id} has {len(numbers)} shards, got position {position}; "
            "leave out --submission to name a shard itself"
        )
    return numbers[position]


def _read_plan(record: RunRecord, bucket: Storage, number: int) -> ShardPlan:
    try:
        return ShardPlan.from_json(bucket.read(record.keys.shard_plan(number)))
    except MissingInput as error:
        raise InvalidRequest(
            f"run {record.run_id} has no plan for shard {number}; send the request to the queue, "
            "or plan it with 'cpb run --plan'"
        ) from error


def _images_from(bucket: Storage) -> Storage:
    root = os.environ.get(INPUT_ROOT)
    if not root:
        return bucket
    mounts = json.loads(os.environ.get(INPUT_MOUNTS, "{}"))
    return FolderStorage(Path(root), {prefix: Path(folder) for prefix, folder in mounts.items()})


def _tell_outcome(record: RunRecord, manifest: Manifest) -> None:
    reasons = [manifest.reason, *(group.reason for group in manifest.groups if not group.outcomes)]
    for reason in filter(None, reasons):
        _tell(f"shard {manifest.shard}: {reason}", Level.ERROR)
    left = [outcome for outcome in manifest.outcomes if not outcome.state.is_success]
    for outcome in left[:PROBLEMS_TOLD]:
        told = f"not done: {outcome.image_set.label}: {outcome.state.value}: {outcome.reason}"
        _tell(told, Level.ERROR, outcome.image_set)
    if len(left) > PROBLEMS_TOLD:
        _tell(f"not done: {len(left) - PROBLEMS_TOLD} more", Level.ERROR)
    counted = Counter(outcome.state for outcome in manifest.outcomes)
    states = ", ".join(f"{count} {state.value}" for state, count in counted.items()) or "no image sets"
    _tell(f"shard {manifest.shard} of run {record.run_id} ended after {manifest.seconds:.1f} s: {states}")


def _tell(text: str, level: Level = Level.INFO, image_set: ImageSet | None = None) -> None:
    print_at_once(LogLine(MARK + text, level, image_set))
