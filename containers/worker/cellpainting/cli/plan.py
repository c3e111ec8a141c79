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
from cellpainting.dispatch.planned_stages import PlannedStage
from cellpainting.dispatch.planning_job import plan_run, plan_run_in_stages
from cellpainting.dispatch.shard_ranges import from_ranges
from cellpainting.dispatch.store_plan import largest_shard_groups
from cellpainting.engines import ENGINES, IN_ORDER, EngineWork, StageFiles
from cellpainting.errors import InvalidRequest
from cellpainting.jobs import DecodeFovs, RunCellProfiler, RunRecord, StagedJob, parse_message
from cellpainting.jobs.fields import STAGE_MARK
from cellpainting.ledger.runs import record_request
from cellpainting.planning.plan_job import can_plan_here, read_csv_source
from cellpainting.starfish.environment import VARIABLE as STARFISH
from cellpainting.starfish.environment import find_starfish
from cellpainting.storage import Storage

AWS_BATCH = "aws-batch"
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
    only what is not done. All engines run `cpb run`, and 'cpb status' shows what became of the run. Of a run that has
    stages, the files of each are in a folder of its own, in their order.

    Example: cpb plan request.json --engine slurm -o slurm --bucket /shared/plates
    """
    record = _single(parse_message(request_file.read_text(encoding="utf-8")))
    record_request(bucket, record)
    if isinstance(record.job, StagedJob):
        is_started = _write_stages(record, record.job, bucket, engine, folder)
    else:
        is_started = _write(record, bucket, engine, folder)
    if is_started:
        click.echo(f"look at it: cpb status {record.run_id} --bucket {shlex.quote(bucket.uri('').rstrip('/'))}")
    return 0


def _single(records: tuple[RunRecord, ...]) -> RunRecord:
    if len(records) > 1:
        raise InvalidRequest(
            f"the file holds {len(records)} requests; plan each from a file and into a folder of its own"
        )
    return records[0]


def _write(record: RunRecord, bucket: Storage, engine: str, folder: Path) -> bool:
    """Plan a run and write the engine's files, if there is anything to be done."""
    planned = _plan(record, bucket)
    shards = from_ranges(planned.pending)
    click.echo(
        f"run {record.run_id}: {planned.told_image_sets} in {planned.shard_count} shards, {len(shards)} to be done"
    )
    if shards:
        _write_engine(engine, _work(record, bucket, shards, planned.largest_shard_groups), folder)
    return bool(shards)


def _write_stages(record: RunRecord, job: StagedJob, bucket: Storage, engine: str, folder: Path) -> bool:
    """Plan all stages of a run and write the engine's files of each, if there is anything to be done."""
    planned = plan_run_in_stages(record, job, bucket, _versions_here())
    for one in planned:
        click.echo(f"{one.stage.label}: {len(one.pending)} of {len(one.plan.shards)} shards to be done")
    left = [(number, one) for number, one in enumerate(planned, start=1) if one.pending]
    if left and engine == AWS_BATCH:  # whose dispatcher starts the stages
        _write_engine(engine, _work(record, bucket, (), 1), folder)
    elif left:
        stages = [_write_stage(one, bucket, engine, folder / _folder(number, one)) for number, one in left]
        if engine in IN_ORDER:
            click.echo(f"all of them: cd {shlex.quote(str(folder))} && {IN_ORDER[engine](stages, folder)}")
    return bool(left)


def _write_stage(one: PlannedStage, bucket: Storage, engine: str, folder: Path) -> StageFiles:
    work = _work(one.run, bucket, one.pending, largest_shard_groups(one.plan))
    return StageFiles(one.stage, folder.name, _write_engine(engine, work, folder))


def _folder(number: int, one: PlannedStage) -> str:
    """The stage's number among all of them, its plate and its name."""
    return "-".join([f"{number:02}", *one.run.run_id.split(STAGE_MARK)[1:]])


def _write_engine(engine: str, work: EngineWork, folder: Path) -> str:
    folder.mkdir(parents=True, exist_ok=True)
    start = ENGINES[engine](work, folder)
    click.echo(f"start it:   cd {shlex.quote(str(folder))} && {start}")
    return start


def _versions_here() -> dict[str, str]:
    """Those of the programs that are named here, by runtime: what another version did is done again."""
    cellprofiler, starfish = os.environ.get(VARIABLE, ""), os.environ.get(STARFISH, "")
    return {
        RunCellProfiler.runtime: find_cellprofiler(cellprofiler).version if cellprofiler else "",
        DecodeFovs.runtime: find_starfish(starfish).version if starfish else "",
    }


def _plan(record: RunRecord, bucket: Storage) -> PlanRecord:
    """Only what CSV load data cannot tell needs CellProfiler here; with the program, what it has done is left out."""
    if can_plan_here(record.job) or not isinstance(record.job, RunCellProfiler):
        return plan_run(record, bucket, read_csv_source, _versions_here().get(record.job.runtime, ""))
    cellprofiler = find_cellprofiler(os.environ.get(VARIABLE, ""))
    return plan_run(record, bucket, image_set_reader(cellprofiler), cellprofiler.version)


def _work(record: RunRecord, bucket: Storage, shards: tuple[int, ...], largest_groups: int) -> EngineWork:
    vcpus = record.job.resources.vcpus or DEFAULT_VCPUS
    return EngineWork(
        run_id=record.run_id,
        document=record.document,
        request_uri=bucket.uri(record.keys.request),
        cpb=Path(sys.executable).with_name("cpb"),
        shards=shards,
        vcpus=vcpus,
        memory_mib=record.job.resources.memory_mib or DEFAULT_MEMORY_MIB,
        timeout_s=attempt_timeout_s(record.job.timeout_s, largest_groups, vcpus),
    )
