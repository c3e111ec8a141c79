"""From a group's last run to what is known of each of its image sets, and whether its results are to be published."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from cellpainting.cellprofiler.measure import GroupRun, Rules
from cellpainting.cellprofiler.tables import read_tables
from cellpainting.cellprofiler.verdict import Failure, find_failure, judge, judge_failed
from cellpainting.errors import CellProfilerFailed
from cellpainting.ledger import Cause, ImageSet, Outcome, State


@dataclass(frozen=True)
class Conclusion:
    """The outcome of each image set, in order. `reason` tells why the group failed as a whole, and is empty if it did
    not; `rows` counts the rows of its tables.
    """

    outcomes: tuple[Outcome, ...]
    reason: str = ""
    has_results: bool = False
    rows: Mapping[str, int] = field(default_factory=dict)


def conclude(run: GroupRun, rules: Rules) -> Conclusion:
    """Judge a group by its report and its tables, and by the request's rule for bad image sets."""
    conclusion = _judged(run, rules)
    bad = next((outcome for outcome in (*run.settled.values(), *conclusion.outcomes) if outcome.cause), None)
    return conclusion if rules.keeps_others or bad is None else _failed_with(bad, conclusion.outcomes)


def _judged(run: GroupRun, rules: Rules) -> Conclusion:
    if run.contradiction:
        return _nothing_exported(run, Failure(Cause.PIPELINE_ERROR, run.contradiction))
    if run.image_sets and not _left(run):
        return Conclusion(_in_order(run, []))
    if run.report is None or run.output is None:
        return Conclusion(_in_order(run, [Outcome(image_set, State.NOT_RUN) for image_set in _left(run)]))
    if failure := find_failure(run.report, rules.timeout_s):
        return _nothing_exported(run, failure)
    try:
        tables = read_tables(run.output)
        outcomes = judge(run.report, tables, run.left)
    except CellProfilerFailed as error:
        return _nothing_exported(run, Failure(Cause.PIPELINE_ERROR, str(error)))
    return Conclusion(_in_order(run, outcomes), has_results=True, rows={table.name: table.rows for table in tables})


def _nothing_exported(run: GroupRun, failure: Failure) -> Conclusion:
    if run.report and run.numbers:
        outcomes = judge_failed(run.report, failure, run.left)
    else:  # CellProfiler did not come to list them
        reason = f"nothing was exported: {failure.reason}"
        outcomes = [Outcome(item, State.FAILED, reason, failure.cause) for item in _left(run)]
    return Conclusion(_in_order(run, outcomes), failure.reason)


def _left(run: GroupRun) -> list[ImageSet]:
    return [item for item in run.image_sets if item.number not in run.settled]


def _failed_with(bad: Outcome, outcomes: Sequence[Outcome]) -> Conclusion:
    reason = f"{bad.image_set.label}: {bad.reason}; and on_bad_image_set is 'fail'"
    return Conclusion(
        tuple(
            Outcome(outcome.image_set, State.FAILED, reason, bad.cause)
            if outcome.cause is None
            else Outcome(outcome.image_set, _state_with_fail(outcome.state), outcome.reason, outcome.cause)
            for outcome in outcomes
        ),
        reason,
    )


def _state_with_fail(state: State) -> State:
    return State.FAILED if state is State.QUARANTINED else state


def _in_order(run: GroupRun, outcomes: Sequence[Outcome]) -> tuple[Outcome, ...]:
    return tuple(sorted((*run.settled.values(), *outcomes), key=lambda outcome: outcome.image_set.number))
