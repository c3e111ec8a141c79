"""A `build_backend` job, from its plan to its manifest."""

from contextlib import closing

from cellpainting.backend.analysis import open_analysis
from cellpainting.backend.ingest import Manner, Target, Tell, ingest
from cellpainting.backend.ingest_config import FileNames, read_ingest_config
from cellpainting.backend.progress import ReadingProgress
from cellpainting.backend.report import IngestReport
from cellpainting.errors import InvalidRequest, MissingInput
from cellpainting.image_digest import image_digest
from cellpainting.job_output import print_at_once
from cellpainting.jobs import BuildBackend, RunRecord
from cellpainting.ledger import GroupResult, Manifest, StoredFile, write_plan
from cellpainting.ledger.source_digest import source_digest
from cellpainting.planning import ShardPlan
from cellpainting.scratch import scratch_folder
from cellpainting.shard_log import ShardLog, Show
from cellpainting.storage import Storage


def run(
    record: RunRecord,
    job: BuildBackend,
    plan: ShardPlan,
    *,
    bucket: Storage,
    processors: int,
    show: Show = print_at_once,
) -> Manifest:
    """Build the backend of a request; leaves it, its report, log and manifest in the bucket.

    Which image sets there are is written to plan.csv by this, as only the CSVs tell.

    Raises
    ------
    StorageUnavailable
        If the bucket fails; the job may be tried again, and goes on after the last sets that it had read.
    """
    with scratch_folder() as scratch, closing(ShardLog(scratch / "shard.log", show)) as log:
        report, reason = None, ""
        made_from = source_digest(job, bucket)  # before it is read: what changes in between is seen as changed
        try:
            report = _ingest(job, bucket, processors, log)
        except (InvalidRequest, MissingInput) as error:
            reason = str(error)
            log.complain(f"failed: {reason}")
        if report:
            _tell_outcome(report, log)
        log.close()
        bucket.upload(log.path, record.keys.log(plan.number))
        manifest = _manifest(plan, report, reason, made_from)
        if report:
            bucket.write(record.keys.plan, write_plan(outcome.image_set for outcome in manifest.outcomes))
        bucket.write(record.keys.shard(plan.number), manifest.to_json())
        return manifest


def _ingest(job: BuildBackend, bucket: Storage, processors: int, log: ShardLog) -> IngestReport:
    names = FileNames()
    if job.ingest_config:
        names = read_ingest_config(bucket.read(job.ingest_config), job.ingest_config)
    analysis = open_analysis(bucket, job.analysis, job.plate)
    target = Target(bucket, job.output, job.batch, job.plate)
    manner = Manner(job.settings, names, processors, job.force)
    progress = ReadingProgress()

    def tell_read(done: int, total: int, rows: int) -> None:
        if progress.is_due(done, total):
            log.tell(progress.told(done, total, rows))

    return ingest(analysis, target, manner, Tell(say=log.tell, read=tell_read))


def _tell_outcome(report: IngestReport, log: ShardLog) -> None:
    for problem in report.problems:
        log.tell(problem)
    counted = ", ".join(f"{count} {state}" for state, count in report.states.items())
    rows = ", ".join(f"{table.rows_out} {name}" for name, table in report.tables.items())
    log.tell(f"backend of {report.plate}: image sets: {counted}; rows: {rows}")


def _manifest(plan: ShardPlan, report: IngestReport | None, reason: str, made_from: str) -> Manifest:
    groups = (_group(report, made_from),) if report else ()
    return Manifest(
        shard=plan.number,
        groups=groups,
        pipeline=None,
        pipeline_sha256="",
        plugins=(),
        cellprofiler_version="",
        image_digest=image_digest(),
        seconds=report.seconds if report else 0.0,
        peak_memory_mib=report.peak_memory_mib if report else 0.0,
        reason=reason,
    )


def _group(report: IngestReport, made_from: str) -> GroupResult:
    return GroupResult(
        folder="",
        outcomes=report.outcomes,
        inputs=(),
        outputs=tuple(StoredFile(file.key, file.size, file.etag) for file in report.files),
        rows={name: table.rows_out for name, table in report.tables.items()},
        seconds=report.seconds,
        peak_memory_mib=report.peak_memory_mib,
        reason="" if report.is_complete else "; ".join(report.problems[:3]),
        fingerprint=made_from,
    )
