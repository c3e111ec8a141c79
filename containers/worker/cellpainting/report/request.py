"""What a request for a page names: everything that is there of its plate, and what has left nothing of it."""

from collections.abc import Iterator, Sequence

from cellpainting.backend.report import REPORT as INGEST_REPORT
from cellpainting.errors import InvalidRequest, MissingInput
from cellpainting.jobs import MakeReport
from cellpainting.ledger import read_ledger
from cellpainting.profiles.place import Place
from cellpainting.report.sources import PlateSources
from cellpainting.report.targets import Targets
from cellpainting.storage import Storage

REASONS_TOLD = 3  # of a run of many shards


def open_request(job: MakeReport, bucket: Storage) -> tuple[PlateSources, tuple[str, ...]]:
    """The plate with all that is there of it, and a line for everything that was named and has left nothing.

    Raises
    ------
    MissingInput
        If there is nothing at all.
    InvalidRequest
        If what was named is of plates of this name in several batches.
    StorageUnavailable
        If the bucket fails.
    """
    targets = Targets(bucket)
    if job.backend:
        targets.add_backend(Place(bucket, job.backend))
    unknown = dict(_unknown_runs(targets, job.runs))
    sources = targets.plate(job.plate)
    shown = {run.run_id for run in sources.runs}  # what is not done of these is told image set by image set
    missing = [*_absent_backend(job, bucket, sources), *unknown.values()]
    for run_id in job.runs:
        if run_id not in shown and run_id not in unknown:
            missing += _absent_results(bucket, run_id, job.plate)
    if sources.is_empty:
        raise MissingInput(
            f"there is nothing to show of plate {job.plate!r}: {'; '.join(missing)}; "
            "do first what measures it, or correct 'plate', 'runs' and 'backend'"
        )
    return sources, tuple(missing)


def _unknown_runs(targets: Targets, runs: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Runs that are not there or tell of no plate, and why."""
    for run_id in runs:
        try:
            targets.add_run(run_id)
        except (InvalidRequest, MissingInput) as error:
            yield run_id, f"run {run_id}: {error}"


def _absent_backend(job: MakeReport, bucket: Storage, sources: PlateSources) -> Iterator[str]:
    if job.backend and sources.ingest is None:
        yield f"there is no backend at {bucket.uri(job.backend)}, or one without {job.plate}{INGEST_REPORT}"


def _absent_results(bucket: Storage, run_id: str, plate: str) -> Iterator[str]:
    """What a run that was to leave something of a plate says, if it failed, or has nothing of it."""
    ledger = read_ledger(bucket, run_id)
    reasons = [*filter(None, [ledger.planning_failure]), *ledger.failed_shards.values()]
    if reasons:
        yield f"run {run_id} failed: {'; '.join(reasons[:REASONS_TOLD])}"
    elif plate not in ledger.plates:
        yield f"run {run_id} has left nothing of plate {plate!r}"
