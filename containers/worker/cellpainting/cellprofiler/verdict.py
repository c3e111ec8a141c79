"""Whether a group succeeded. No single signal is believed (docs/cellprofiler.md).

CellProfiler's own status, what the driver saw of each image set and the exported tables must agree on every one.
"""

import signal
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from cellpainting.cellprofiler.report import Report
from cellpainting.cellprofiler.tables import Table
from cellpainting.errors import CellProfilerFailed
from cellpainting.ledger import Cause, ImageSet, Outcome, State

EXPORT_MODULE = "ExportToSpreadsheet"


@dataclass(frozen=True)
class Failure:
    """Why a run came to nothing as a whole."""

    cause: Cause
    reason: str


def find_failure(report: Report, timeout_s: float) -> Failure | None:
    """The signals that concern the run as a whole; None if CellProfiler came to its end and says that all went well."""
    ending = report.ending
    if report.is_complete:
        return None
    if ending.timed_out:
        return Failure(
            Cause.TIMEOUT,
            f"CellProfiler was stopped after timeout_s={timeout_s:g} seconds with {len(report.measured)} of "
            f"{len(report.image_sets)} image sets measured; raise timeout_s",
        )
    if ending.exit_status == -signal.SIGKILL:
        reason = "CellProfiler was killed from outside, most often for lack of memory; raise job_memory"
        return Failure(Cause.OUT_OF_MEMORY, reason)
    if ending.exit_status is not None:
        return Failure(Cause.PIPELINE_ERROR, f"CellProfiler crashed ({_exit(ending.exit_status)}); see the log")
    if not report.image_sets:
        reason = report.errors[0] if report.errors else "CellProfiler gave no reason; see the log"
        return Failure(Cause.PIPELINE_ERROR, f"the pipeline could not start: {reason}")
    reason = report.errors[-1] if report.errors else "it gave no reason; see the log"
    return Failure(Cause.PIPELINE_ERROR, f"CellProfiler ended with status {ending.status!r}: {reason}")


def find_culprits(report: Report, image_sets: Mapping[int, ImageSet], timeout_s: float) -> list[Outcome]:
    """The image sets that a run which did not complete may have failed of; the others deserve a run without them.

    Nobody is to blame when every image set has had its turn, or when no single one took most of a time that is over:
    `timeout_s` is too short then for so many.
    """
    had_their_turn = report.measured | set(report.failed)
    if had_their_turn.issuperset(image_sets):
        return []
    raised = [raised_in_module(image_sets[number], reason) for number, reason in report.failed.items()]
    if report.at_work is None:
        return raised
    if report.ending.timed_out and report.at_work_s < timeout_s / 2:
        return []
    return [*raised, _died_of(image_sets[report.at_work], report, timeout_s)]


def raised_in_module(image_set: ImageSet, reason: str) -> Outcome:
    """The outcome of an image set at which a module raised."""
    return Outcome(image_set, State.QUARANTINED, reason, Cause.PIPELINE_ERROR)


def judge(report: Report, tables: Sequence[Table], image_sets: Mapping[int, ImageSet]) -> list[Outcome]:
    """The state of each image set of a run that completed, by its number there.

    Raises
    ------
    CellProfilerFailed
        If the tables contradict what was run: an image set too many, or an export that is missing altogether.
    """
    image_tables = [table for table in tables if table.is_image_table]
    exported: frozenset[int] = frozenset().union(*(table.image_numbers for table in image_tables))
    expected = set(image_sets) - set(report.failed)
    seen: frozenset[int] = frozenset().union(*(table.image_numbers for table in tables))
    if strangers := seen - expected:
        raise CellProfilerFailed(f"the tables hold image sets that were not measured: {sorted(strangers)[:10]}")
    if EXPORT_MODULE in report.modules and not tables and expected:
        raise CellProfilerFailed(f"{EXPORT_MODULE} ran and left no table")
    counts = {number: count for table in image_tables for number, count in table.objects_per_image.items()}
    rows = exported if image_tables else None
    return [_outcome(report, number, image_set, rows, counts) for number, image_set in image_sets.items()]


def judge_failed(report: Report, failure: Failure, image_sets: Mapping[int, ImageSet]) -> list[Outcome]:
    """The state of each image set of a run that failed as a whole: its own reason if it has one."""
    return [
        raised_in_module(image_set, report.failed[number])
        if number in report.failed
        else Outcome(image_set, State.FAILED, f"nothing was exported: {failure.reason}", failure.cause)
        for number, image_set in image_sets.items()
    ]


def _outcome(
    report: Report, number: int, image_set: ImageSet, exported: frozenset[int] | None, counts: Mapping[int, float]
) -> Outcome:
    if number in report.failed:
        return raised_in_module(image_set, report.failed[number])
    if number not in report.measured:
        reason = "CellProfiler did not run all modules on it and gave no reason"
        return Outcome(image_set, State.FAILED, reason, Cause.PIPELINE_ERROR)
    if exported is not None and number not in exported:
        reason = "measured, and yet it has no row in Image.csv"
        return Outcome(image_set, State.FAILED, reason, Cause.PIPELINE_ERROR)
    if number in report.skipped:
        return Outcome(image_set, State.DONE, f"ended early by {report.skipped[number]}, as the pipeline says")
    if counts.get(number) == 0:
        return Outcome(image_set, State.NO_CELLS)
    return Outcome(image_set, State.DONE)


def _died_of(image_set: ImageSet, report: Report, timeout_s: float) -> Outcome:
    """Out of memory is not the image set's own fault: it is sent again with more."""
    if report.ending.timed_out:
        reason = f"it was at work for {report.at_work_s:.0f} s when timeout_s={timeout_s:g} seconds were over"
        return Outcome(image_set, State.QUARANTINED, reason, Cause.TIMEOUT)
    status = report.ending.exit_status or 0
    if status == -signal.SIGKILL:
        reason = "CellProfiler was killed while it measured it, most often for lack of memory; raise job_memory"
        return Outcome(image_set, State.FAILED, reason, Cause.OUT_OF_MEMORY)
    reason = f"CellProfiler crashed while it measured it ({_exit(status)})"
    return Outcome(image_set, State.QUARANTINED, reason, Cause.PIPELINE_ERROR)


def _exit(status: int) -> str:
    return signal.Signals(-status).name if status < 0 else f"status {status}"
