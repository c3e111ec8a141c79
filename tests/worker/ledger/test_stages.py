"""Stages by their records alone: which there are, how each stands, whether the next may start, who has approved."""

from dataclasses import replace

import pytest

from cellpainting.jobs.stage import Stage
from cellpainting.ledger import Cause, ImageSet, Ledger, Outcome, ShardState, State
from cellpainting.ledger.approval import approve, is_approved, why_not_approved, why_not_waiting
from cellpainting.ledger.readiness import why_incomplete, why_not_ready
from cellpainting.ledger.redrive import not_done
from cellpainting.ledger.stage_record import StageRecord
from cellpainting.ledger.staged_ledger import StagedLedger, StageState
from cellpainting.storage import FolderStorage

ILLUMINATION = Stage("screen", "P1", "illumination")
QUALITY = Stage("screen", "P1", "quality_control")
ANALYSIS = Stage(
    "screen",
    "P1",
    "analysis",
    needs=(ILLUMINATION.run_id,),
    after=(ILLUMINATION.run_id, QUALITY.run_id),
    allow_missing=0.25,
    is_gated=True,
)
BACKEND = Stage("screen", "P1", "backend", needs=(ANALYSIS.run_id,))
CHAIN = (ILLUMINATION, QUALITY, ANALYSIS, BACKEND)


def ledger_of(stage: Stage, *, missing: int = 0, state: ShardState = ShardState.WITH_MANIFEST) -> Ledger:
    """Four image sets in two shards, of which the first ones are not done."""
    image_sets = [ImageSet(number // 2, number % 2 + 1, plate="P1", well=f"A0{number + 1}") for number in range(4)]
    outcomes = [
        Outcome(one, State.FAILED, "too slow", Cause.TIMEOUT) if number < missing else Outcome(one, State.DONE)
        for number, one in enumerate(image_sets)
    ]
    return Ledger(stage.run_id, tuple(outcomes), {0: state, 1: state}, {}, 10.0)


def waiting(stage: Stage) -> Ledger:
    """A stage that has not begun."""
    return ledger_of(stage, missing=4, state=ShardState.WAITING)


def blocked(stage: Stage) -> Ledger:
    """A stage that could not start."""
    return replace(ledger_of(stage, missing=4, state=ShardState.BLOCKED), blocked="it waits")


def staged(*changed: Ledger, planning_failure: str = "", stages: tuple[Stage, ...] = CHAIN) -> StagedLedger:
    """The ledger of a run that is complete but for what is changed."""
    ledgers = {stage.run_id: ledger_of(stage) for stage in stages} | {one.run_id: one for one in changed}
    return StagedLedger.of("screen", StageRecord(stages), ledgers, planning_failure)


class TestRecord:
    def test_it_is_read_as_it_was_written(self) -> None:
        assert StageRecord.from_json(StageRecord(CHAIN).to_json()) == StageRecord(CHAIN)

    def test_plates_stay_in_the_order_in_which_they_came(self) -> None:
        record = StageRecord(CHAIN).with_stages([replace(ILLUMINATION, plate="P0")])
        assert record.plates == ("P1", "P0")
        assert record.of_plate("P1") == CHAIN

    def test_all_stages_of_a_plate_are_replaced_together(self) -> None:
        record = StageRecord(CHAIN).with_stages([BACKEND])
        assert record.of_plate("P1") == (BACKEND,)

    @pytest.mark.parametrize(
        ("stages", "counted"),
        [(CHAIN, ANALYSIS), ((ILLUMINATION, QUALITY), QUALITY), ((ILLUMINATION, BACKEND), BACKEND)],
        ids=["analysis", "no analysis", "results given"],
    )
    def test_the_image_sets_that_count_are_those_of_the_analysis_if_there_is_one(
        self, stages: tuple[Stage, ...], counted: Stage
    ) -> None:
        assert StageRecord(stages).counted("P1") == counted


class TestLedger:
    def test_image_sets_are_those_of_the_counted_stage_and_shards_those_of_all(self) -> None:
        ledger = staged()
        assert (len(ledger.outcomes), len(ledger.shards), ledger.seconds) == (4, 8, 40.0)
        assert {outcome.image_set.shard for outcome in ledger.outcomes} == {4, 5}
        assert ledger.is_complete

    def test_a_run_is_complete_when_every_stage_is(self) -> None:
        assert not staged(ledger_of(QUALITY, missing=1)).is_complete
        assert not staged(planning_failure="no pipeline").is_complete

    def test_each_stage_has_a_state_with_its_reason(self) -> None:
        ledger = staged(ledger_of(ILLUMINATION, missing=1), waiting(QUALITY), blocked(ANALYSIS))
        assert [one.state for one in ledger.stages] == [
            StageState.INCOMPLETE,
            StageState.UNDER_WAY,
            StageState.BLOCKED,
            StageState.COMPLETE,
        ]
        stages = ledger.summary["stages"]["P1"]
        assert stages["illumination"]["reason"] == "illumination of P1: P1-A01: failed: too slow"
        assert stages["analysis"]["reason"] == "analysis of P1: it could not start: it waits"
        assert stages["backend"]["reason"] == ""

    def test_of_a_stage_that_was_blocked_only_that_is_a_problem(self) -> None:
        assert staged(blocked(ANALYSIS), planning_failure="no pipeline").problems == [
            "the run could not be planned: no pipeline",
            "analysis of P1: it could not start: it waits",
        ]

    def test_a_run_is_over_when_nothing_comes_by_itself(self) -> None:
        assert staged().is_over
        assert not staged(waiting(QUALITY)).is_over
        assert staged(ledger_of(ANALYSIS, missing=2), blocked(BACKEND)).is_over

    def test_a_stage_that_can_start_now_is_still_to_come(self) -> None:
        assert not staged(blocked(BACKEND)).is_over

    def test_a_gated_stage_waits_for_a_person_so_the_run_is_over(self) -> None:
        assert staged(blocked(ANALYSIS), blocked(BACKEND)).is_over

    def test_what_is_left_is_counted_over_all_stages(self) -> None:
        nothing_left = Ledger(BACKEND.run_id, (), {}, {}, 0.0)
        left = not_done(staged(ledger_of(ILLUMINATION, missing=1), ledger_of(ANALYSIS, missing=3), nothing_left))
        assert [(one.cause, one.image_sets, one.shards) for one in left] == [
            (Cause.TIMEOUT, 4, 3),
            (Cause.NOT_RUN, 0, 1),
        ]
        (kept,) = not_done(staged(replace(nothing_left, blocked="it waits")))
        assert (kept.cause, kept.shards) == (Cause.BLOCKED, 1)


class TestReadiness:
    def test_a_run_may_be_built_on_when_no_more_is_missing_than_is_allowed(self) -> None:
        assert why_incomplete(ledger_of(ANALYSIS, missing=1), 0.25) == ""
        reason = why_incomplete(ledger_of(ANALYSIS, missing=1), 0.0)
        assert "1 of 4 image sets are missing, allow_missing is 0; the first: P1-A01: failed: too slow" in reason

    def test_a_run_without_any_result_is_never_enough(self) -> None:
        nothing = Ledger("screen--P1--analysis", (), {}, {}, 0.0)
        assert "has no result: nothing ran" in why_incomplete(nothing, 0.9)
        assert "has no result: no pipeline" in why_incomplete(replace(nothing, planning_failure="no pipeline"), 0.9)

    def test_a_run_that_was_blocked_is_named_with_its_reason(self) -> None:
        assert why_incomplete(blocked(ANALYSIS), 0.9) == "screen--P1--analysis did not start: it waits"

    def test_a_stage_is_ready_when_all_that_it_needs_is_and_never_mind_what_it_comes_after(self) -> None:
        assert why_not_ready(ANALYSIS, staged(ledger_of(QUALITY, missing=4)).ledger_of) == ""
        assert ILLUMINATION.run_id in why_not_ready(ANALYSIS, staged(ledger_of(ILLUMINATION, missing=2)).ledger_of)


class TestApproval:
    @pytest.fixture
    def bucket(self, tmp_path_factory: pytest.TempPathFactory) -> FolderStorage:
        """A bucket with the manifest of the illumination."""
        bucket = FolderStorage(tmp_path_factory.mktemp("bucket"))
        bucket.write(f"runs/{ILLUMINATION.run_id}/shards/0.json", b"{}")
        return bucket

    def test_it_holds_until_what_was_looked_at_is_done_again(self, bucket: FolderStorage) -> None:
        assert not is_approved(ANALYSIS, bucket)
        approve(ANALYSIS, bucket)
        assert is_approved(ANALYSIS, bucket)
        bucket.write(f"runs/{QUALITY.run_id}/shards/0.json", b"{}")
        assert not is_approved(ANALYSIS, bucket)

    def test_it_is_that_of_one_plate(self, bucket: FolderStorage) -> None:
        approve(ANALYSIS, bucket)
        assert not is_approved(replace(ANALYSIS, plate="P2"), bucket)

    def test_only_a_gated_stage_is_kept_for_want_of_it(self, bucket: FolderStorage) -> None:
        assert "then 'cpb approve screen'" in why_not_approved(ANALYSIS, bucket)
        assert why_not_approved(replace(ANALYSIS, is_gated=False), bucket) == ""
        approve(ANALYSIS, bucket)
        assert why_not_approved(ANALYSIS, bucket) == ""

    def test_a_stage_waits_for_it_when_all_before_is_over(self, bucket: FolderStorage) -> None:
        kept = blocked(ANALYSIS)
        assert why_not_waiting(ANALYSIS, staged(kept, ledger_of(QUALITY, missing=1)), bucket) == ""
        told = why_not_waiting(ANALYSIS, staged(kept, waiting(QUALITY)), bucket)
        assert told == "not over yet: quality_control of P1"
        assert "is not complete" in why_not_waiting(ANALYSIS, staged(kept, ledger_of(ILLUMINATION, missing=2)), bucket)
        assert why_not_waiting(ANALYSIS, staged(), bucket) == "analysis of P1 is complete"
        approve(ANALYSIS, bucket)
        assert why_not_waiting(ANALYSIS, staged(kept), bucket) == "analysis of P1 was approved of before"
