"""A `make_report` job, from its plan to its manifest."""

import time
from contextlib import closing
from hashlib import sha256
from pathlib import Path

from cellpainting.errors import CellPaintingError, DamagedTable, InvalidRequest, MissingInput
from cellpainting.image_digest import image_digest
from cellpainting.job_output import print_at_once
from cellpainting.jobs import MakeReport, RunRecord
from cellpainting.ledger import Cause, GroupResult, ImageSet, Manifest, Outcome, State, StoredFile, write_plan
from cellpainting.ledger.source_digest import source_digest
from cellpainting.planning import ShardPlan
from cellpainting.profiles.shelf import peak_memory_mib
from cellpainting.report.plate_page import plate_page
from cellpainting.report.request import open_request
from cellpainting.report.write_report import write_page
from cellpainting.scratch import scratch_folder
from cellpainting.shard_log import ShardLog, Show
from cellpainting.storage import Storage


def run(
    record: RunRecord,
    job: MakeReport,
    plan: ShardPlan,
    *,
    bucket: Storage,
    show: Show = print_at_once,
) -> Manifest:
    """Make the page of a request; leaves it, its log and manifest in the bucket.

    What the ledger counts is the plate: it is done when its page is there, whatever the plate is like.

    Raises
    ------
    StorageUnavailable
        If the bucket fails; the job may be tried again.
    """
    started = time.monotonic()
    with scratch_folder() as scratch, closing(ShardLog(scratch / "shard.log", show)) as log:
        page: Path | None = None
        made_from = source_digest(job, bucket)  # before it is read: what changes in between is seen as changed
        outcome = Outcome(ImageSet(shard=plan.number, number=1, batch=job.batch, plate=job.plate), State.DONE)
        try:
            page = _make(job, bucket, scratch / "page.html", log)
        except (InvalidRequest, MissingInput, DamagedTable) as error:
            outcome = _failed(outcome.image_set, error)
            log.complain(f"failed: {error}")
        log.close()
        bucket.upload(log.path, record.keys.log(plan.number))
        group = _group(job, outcome, page, made_from, time.monotonic() - started)
        manifest = _manifest(plan, group)
        bucket.write(record.keys.plan, write_plan([outcome.image_set]))
        bucket.write(record.keys.shard(plan.number), manifest.to_json())
        return manifest


def _make(job: MakeReport, bucket: Storage, path: Path, log: ShardLog) -> Path:
    """Leave the page in the bucket; returns the copy in scratch."""
    sources, missing = open_request(job, bucket)
    for line in missing:
        log.tell(line)
    page = plate_page(sources, (), missing)
    write_page(path, page)
    bucket.upload(path, job.output)
    log.tell(f"{job.plate}: {page.verdict}")
    log.tell(f"look at it: {bucket.uri(job.output)}")
    return path


def _failed(image_set: ImageSet, error: CellPaintingError) -> Outcome:
    if isinstance(error, MissingInput):
        return Outcome(image_set, State.INPUT_MISSING, str(error), Cause.INPUT_MISSING)
    return Outcome(image_set, State.INPUT_DAMAGED, str(error), Cause.INPUT_DAMAGED)


def _group(job: MakeReport, outcome: Outcome, page: Path | None, made_from: str, seconds: float) -> GroupResult:
    content = page.read_bytes() if page else b""
    return GroupResult(
        folder="",
        outcomes=(outcome,),
        inputs=(),
        outputs=(StoredFile(job.output, len(content), sha256(content).hexdigest()),) if page else (),
        rows={},
        seconds=round(seconds, 3),
        peak_memory_mib=peak_memory_mib(),
        fingerprint=made_from,
    )


def _manifest(plan: ShardPlan, group: GroupResult) -> Manifest:
    return Manifest(
        shard=plan.number,
        groups=(group,),
        pipeline=None,
        pipeline_sha256="",
        plugins=(),
        cellprofiler_version="",
        image_digest=image_digest(),
        seconds=group.seconds,
        peak_memory_mib=group.peak_memory_mib,
    )
