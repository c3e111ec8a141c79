"""`cpb plan`: a run's shards as files for SLURM, HTCondor, any other cluster, or AWS Batch."""

import os
import shlex
import sys
from pathlib import Path

import click

from cellpainting.cellprofiler.discover import image_set_reader
from cellpainting.cellprofiler.environment import VARIABLE, find_cellprofiler
from cellpainting.cli.bucket import BUCKET
from cellpainting.cli.preflight import REQUEST
from cellpainting.dispatch.batch_jobs import attempt_timeout_s
from cellpainting.dispatch.plan_record import PlanRecord
from cellpainting.dispatch.planning_job import plan_run
from cellpainting.dispatch.shard_ranges import from_ranges
from cellpainting.engines import ENGINES, EngineWork
from cellpainting.errors import InvalidRequest
from cellpainting.jobs import RunCellProfiler, RunRecord, parse_message
from cellpainting.ledger.runs import record_request
from cellpainting.planning.plan_job import can_plan_here, read_csv_source
from cellpainting.storage import Storage

DEFAULT_VCPUS = 1
DEFAULT_MEMORY_MIB = 4096  # as `cpb run` takes it


@click.command()
@REQUEST
@BUCKET
@click.option("--engine", type=click.Choice(list(ENGINES)), required=True, help="what is to do the work")
@click.option(
    "-o",
    "--output",
    "folder",
    metavar="DIR",
    type=click.Path(file_okay=False, path_type=Path),
    required=True,
    help="folder for the engine's files, which is made if need be",
)
def plan(request_file: Path, bucket: Storage, engine: str, folder: Path) -> int:
    """Plan a request, put the plan into the bucket, and write the files that start the work into a folder.

    The bucket may be a folder that all machines of the cluster see. Done again after some of the shards, it lists
    only what is not done. All engines run `cpb run`, and 'cpb status' shows what became of the run.

    Example: cpb plan request.json --engine slurm -o slurm --bucket /shared/plates
    """
    record = _single(parse_message(request_file.read_text(encoding="utf-8")))
    record_request(bucket, record)
    planned = _plan(record, bucket)
    shards = from_ranges(planned.pending)
    click.echo(
        f"run {record.run_id}: {planned.told_image_sets} in {planned.shard_count} shards, {len(shards)} to be done"
    )
    if not shards:
        return 0
    folder.mkdir(parents=True, exist_ok=True)
    start = ENGINES[engine](_work(record, bucket, planned, shards), folder)
    click.echo(f"start it:   cd {shlex.quote(str(folder))} && {start}")
    click.echo(f"look at it: cpb status {record.run_id} --bucket {shlex.quote(bucket.uri('').rstrip('/'))}")
    return 0


def _single(records: tuple[RunRecord, ...]) -> RunRecord:
    if len(records) > 1:
        raise InvalidRequest(
            f"the file holds {len(records)} requests; plan each from a file and into a folder of its own"
        )
    return records[0]


def _plan(record: RunRecord, bucket: Storage) -> PlanRecord:
    """Only what CSV load data cannot tell needs CellProfiler here; with it, what it has done already is left out."""
    if not isinstance(record.job, RunCellProfiler):
        return plan_run(record, bucket, read_csv_source, "")
    named = os.environ.get(VARIABLE, "")
    if can_plan_here(record.job):
        version = find_cellprofiler(named).version if named else ""
        return plan_run(record, bucket, read_csv_source, version)
    cellprofiler = find_cellprofiler(named)
    return plan_run(record, bucket, image_set_reader(cellprofiler), cellprofiler.version)


def _work(record: RunRecord, bucket: Storage, planned: PlanRecord, shards: tuple[int, ...]) -> EngineWork:
    vcpus = record.job.resources.vcpus or DEFAULT_VCPUS
    return EngineWork(
        run_id=record.run_id,
        document=record.document,
        request_uri=bucket.uri(record.keys.request),
        cpb=Path(sys.executable).with_name("cpb"),
        shards=shards,
        vcpus=vcpus,
        memory_mib=record.job.resources.memory_mib or DEFAULT_MEMORY_MIB,
        timeout_s=attempt_timeout_s(record.job.timeout_s, planned.largest_shard_groups, vcpus),
    )
