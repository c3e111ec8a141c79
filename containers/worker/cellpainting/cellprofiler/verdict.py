"""Whether a shard succeeded. No single signal is believed (docs/cellprofiler.md).

Exit status, done file, the driver's own count and the exported tables must agree on every image set.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from cellpainting.cellprofiler.process import Ended
from cellpainting.cellprofiler.report import Report
from cellpainting.cellprofiler.tables import Table
from cellpainting.errors import CellProfilerFailed
from cellpainting.ledger import ImageSet, Outcome, State

EXPORT_MODULE = "ExportToSpreadsheet"
SIGKILL_STATUS = -9


@dataclass(frozen=True)
class Evidence:
    """All that is known of a run that has ended. `damaged` maps local files to what is wrong with them."""

    ended: Ended
    timeout_s: float
    done_file: Path
    report: Report
    damaged: Mapping[Path, str]


def require_completion(evidence: Evidence) -> None:
    """Check the signals that concern the run as a whole.

    Raises
    ------
    CellProfilerFailed
        With the first reason that CellProfiler itself gave.
    """
    report, status = evidence.report, evidence.ended.exit_status
    done = evidence.done_file.read_text().strip() if evidence.done_file.exists() else "absent"
    if evidence.ended.timed_out:
        raise CellProfilerFailed(
            f"CellProfiler was stopped after timeout_s={evidence.timeout_s:g} seconds with "
            f"{len(report.measured)} of {len(report.image_sets)} image sets measured; raise timeout_s"
        )
    if status == SIGKILL_STATUS:
        raise CellProfilerFailed(
            "CellProfiler was killed from outside, most often for lack of memory; raise job_memory"
        )
    if not report.image_sets:
        reason = report.errors[0] if report.errors else f"CellProfiler ended with status {status} and no message"
        raise CellProfilerFailed(f"the pipeline could not start: {reason}")
    if status != 0 or done != "Complete":
        reason = report.errors[-1] if report.errors else "it gave no reason; see the log"
        raise CellProfilerFailed(f"CellProfiler ended with status {status}, done file {done!r}: {reason}")


def judge(evidence: Evidence, tables: Sequence[Table], planned: Sequence[ImageSet]) -> list[Outcome]:
    """The state of each planned image set of a run that completed.

    Raises
    ------
    CellProfilerFailed
        If the tables contradict what was run: an image set too many, or an export that is missing altogether.
    """
    image_tables = [table for table in tables if table.is_image_table]
    exported: frozenset[int] = frozenset().union(*(table.image_numbers for table in image_tables))
    expected = {image_set.number for image_set in planned} - set(evidence.report.failed)
    seen: frozenset[int] = frozenset().union(*(table.image_numbers for table in tables))
    if strangers := seen - expected:
        raise CellProfilerFailed(f"the tables hold image sets that were not measured: {sorted(strangers)[:10]}")
    if EXPORT_MODULE in evidence.report.modules and not tables and expected:
        raise CellProfilerFailed(f"{EXPORT_MODULE} ran and left no table")
    counts = {number: count for table in image_tables for number, count in table.objects_per_image.items()}
    return [_outcome(evidence, image_set, exported if image_tables else None, counts) for image_set in planned]


def _outcome(
    evidence: Evidence, image_set: ImageSet, exported: frozenset[int] | None, counts: Mapping[int, float]
) -> Outcome:
    number, report = image_set.number, evidence.report
    if failure := _own_failure(evidence, image_set):
        return failure
    if number not in report.measured:
        return Outcome(image_set, State.FAILED, "CellProfiler did not run all modules on it and gave no reason")
    if exported is not None and number not in exported:
        return Outcome(image_set, State.FAILED, "measured, and yet it has no row in Image.csv")
    if number in report.skipped:
        return Outcome(image_set, State.DONE, f"ended early by {report.skipped[number]}, as the pipeline says")
    if counts.get(number) == 0:
        return Outcome(image_set, State.NO_CELLS)
    return Outcome(image_set, State.DONE)


def judge_failed(evidence: Evidence, reason: str, planned: Sequence[ImageSet]) -> list[Outcome]:
    """The state of each planned image set of a run that failed as a whole: its own reason if it has one."""
    return [
        _own_failure(evidence, image_set) or Outcome(image_set, State.FAILED, f"nothing was exported: {reason}")
        for image_set in planned
    ]


def _own_failure(evidence: Evidence, image_set: ImageSet) -> Outcome | None:
    files = next(item.files for item in evidence.report.image_sets if item.number == image_set.number)
    for file in files:
        if file in evidence.damaged:
            return Outcome(image_set, State.INPUT_DAMAGED, f"{file.name}: {evidence.damaged[file]}")
    if image_set.number in evidence.report.failed:
        return Outcome(image_set, State.FAILED, evidence.report.failed[image_set.number])
    return None
