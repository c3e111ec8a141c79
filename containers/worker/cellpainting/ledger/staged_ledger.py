"""The ledger of a run that has stages: the image sets of each plate as its analysis left them, and each stage."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import cached_property
from typing import Any

from cellpainting.jobs.stage import Stage
from cellpainting.ledger.image_set import Outcome
from cellpainting.ledger.ledger import Ledger, ShardState
from cellpainting.ledger.readiness import why_not_ready
from cellpainting.ledger.stage_record import StageRecord


class StageState(StrEnum):
    """How a stage stands."""

    COMPLETE = "complete"
    INCOMPLETE = "incomplete"
    BLOCKED = "blocked"
    UNDER_WAY = "under_way"


@dataclass(frozen=True)
class StageLedger:
    """One stage and its own ledger."""

    stage: Stage
    ledger: Ledger

    @property
    def state(self) -> StageState:
        """How it stands."""
        if self.ledger.blocked:
            return StageState.BLOCKED
        if self.ledger.is_complete:
            return StageState.COMPLETE
        return StageState.INCOMPLETE if self.ledger.is_over else StageState.UNDER_WAY

    @property
    def problems(self) -> Iterator[str]:
        """What is wrong with it; of one that could not start, only that, and not each of its image sets."""
        told = self.ledger.problems[:1] if self.ledger.blocked else self.ledger.problems
        return (f"{self.stage.label}: {problem}" for problem in told)

    @property
    def summary(self) -> dict[str, Any]:
        """The stage in short."""
        reason = "" if self.state is StageState.COMPLETE else next(self.problems, "")
        return {
            "run": self.ledger.run_id,
            "state": self.state,
            "seconds": round(self.ledger.seconds, 3),
            "reason": reason,
        }


@dataclass(frozen=True)
class StagedLedger(Ledger):
    """A ledger whose shards are those of all stages, counted through; its image sets are the counted stages'."""

    stages: tuple[StageLedger, ...] = ()

    @classmethod
    def of(
        cls, run_id: str, record: StageRecord, ledgers: Mapping[str, Ledger], planning_failure: str
    ) -> "StagedLedger":
        """Put the ledgers of all stages together, by the ids of their runs."""
        counted = {record.counted(plate) for plate in record.plates}
        outcomes: list[Outcome] = []
        shards: dict[int, ShardState] = {}
        failed: dict[int, str] = {}
        for stage in record.stages:
            ledger, first = ledgers[stage.run_id], max(shards, default=-1) + 1
            shards |= {first + number: state for number, state in ledger.shards.items()}
            failed |= {first + number: reason for number, reason in ledger.failed_shards.items()}
            if stage in counted:
                outcomes += (_moved(outcome, first) for outcome in ledger.outcomes)
        return cls(
            run_id=run_id,
            outcomes=tuple(outcomes),
            shards=shards,
            failed_shards=failed,
            seconds=sum(ledger.seconds for ledger in ledgers.values()),
            planning_failure=planning_failure,
            stages=tuple(StageLedger(stage, ledgers[stage.run_id]) for stage in record.stages),
        )

    @property
    def is_complete(self) -> bool:
        """Whether every stage is."""
        return not self.planning_failure and all(one.state is StageState.COMPLETE for one in self.stages)

    @property
    def parts(self) -> tuple[Ledger, ...]:
        """The ledgers of the stages' runs."""
        return tuple(one.ledger for one in self.stages)

    @property
    def plates_of_stages(self) -> dict[str, dict[str, StageLedger]]:
        """The stages by plate and name."""
        plates: dict[str, dict[str, StageLedger]] = {}
        for one in self.stages:
            plates.setdefault(one.stage.plate, {})[one.stage.name] = one
        return plates

    @property
    def is_over(self) -> bool:
        """Whether nothing more comes of any stage unless it is sent again."""
        return not any(one.state is StageState.UNDER_WAY or self._is_about_to_start(one) for one in self.stages)

    def ledger_of(self, run_id: str) -> Ledger:
        """The ledger of one stage, by the id of its run."""
        return next(one.ledger for one in self.stages if one.ledger.run_id == run_id)

    def _is_about_to_start(self, one: StageLedger) -> bool:
        """Whether a stage was kept by what is complete now: it is submitted again without anybody's doing."""
        is_kept = one.state is StageState.BLOCKED and not one.stage.is_gated
        return is_kept and not why_not_ready(one.stage, self.ledger_of)

    @cached_property
    def problems(self) -> list[str]:
        """A line for everything that is not done, stage after stage."""
        planning = [f"the run could not be planned: {self.planning_failure}"] if self.planning_failure else []
        left = (one for one in self.stages if one.state is not StageState.COMPLETE)
        return planning + [problem for one in left for problem in one.problems]

    @property
    def summary(self) -> dict[str, Any]:
        """The content of summary.json."""
        plates = self.plates_of_stages.items()
        stages = {plate: {name: one.summary for name, one in stages.items()} for plate, stages in plates}
        return {**super().summary, "stages": stages}


def _moved(outcome: Outcome, first_shard: int) -> Outcome:
    image_set = replace(outcome.image_set, shard=first_shard + outcome.image_set.shard)
    return replace(outcome, image_set=image_set)
