"""Whether a stage may start: the runs that it needs are complete, but for what may be missing."""

from collections.abc import Callable

from cellpainting.jobs.stage import Stage
from cellpainting.ledger.ledger import Ledger


def why_not_ready(stage: Stage, ledger_of: Callable[[str], Ledger]) -> str:
    """Why a stage cannot start, by the ledgers of the runs that it needs; empty if it can."""
    reasons = (why_incomplete(ledger_of(run_id), stage.allow_missing) for run_id in stage.needs)
    return next(filter(None, reasons), "")


def why_incomplete(ledger: Ledger, allow_missing: float) -> str:
    """Why nothing can be built on a run; empty if no more than the fraction `allow_missing` of it is missing."""
    total = len(ledger.outcomes)
    missing = sum(not outcome.state.is_success for outcome in ledger.outcomes)
    if ledger.blocked:
        return f"{ledger.run_id} did not start: {ledger.blocked}"
    if ledger.planning_failure or not total:
        return f"{ledger.run_id} has no result: {ledger.planning_failure or next(iter(ledger.problems), 'nothing ran')}"
    if missing > allow_missing * total:
        return (
            f"{ledger.run_id} is not complete: {missing} of {total} image sets are missing, allow_missing is "
            f"{allow_missing:g}; the first: {ledger.problems[0]}"
        )
    return ""
