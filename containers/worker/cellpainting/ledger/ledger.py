"""The ledger of a run: every planned image set in exactly one state, with cause and reason."""

import csv
import io
import json
from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from typing import Any

from cellpainting.jobs.run_record import RunKeys
from cellpainting.ledger.image_set import Cause, Outcome, State
from cellpainting.ledger.plan_table import COLUMNS, row_of
from cellpainting.storage import Storage


class ShardState(StrEnum):
    """How far a shard is, as far as the run's record tells."""

    WITH_MANIFEST = "with_manifest"
    LOST = "lost"
    BLOCKED = "blocked"
    HELD = "held"
    AT_WORK = "at_work"
    WAITING = "waiting"

    @property
    def is_over(self) -> bool:
        """Whether nothing more comes of the shard unless it is sent again."""
        return self in (ShardState.WITH_MANIFEST, ShardState.LOST, ShardState.BLOCKED, ShardState.HELD)


@dataclass(frozen=True)
class Ledger:
    """An outcome per planned image set, and how each shard stands.

    `shards` names every planned shard and any other that left something. `failed_shards` tells why shards failed as a
    whole, those with something left to do. `seconds` is the wall time of all shards together. `planning_failure` tells
    why the run could not be planned when that was last tried, and `blocked` why it could not start, being a stage; both
    are empty otherwise.
    """

    run_id: str
    outcomes: tuple[Outcome, ...]
    shards: Mapping[int, ShardState]
    failed_shards: Mapping[int, str]
    seconds: float
    planning_failure: str = ""
    blocked: str = ""

    @property
    def parts(self) -> "tuple[Ledger, ...]":
        """The ledgers of the runs whose shards these are: itself, or those of its stages."""
        return (self,)

    @cached_property
    def counts(self) -> dict[str, int]:
        """Image sets per state, every state named; they add up to the plan."""
        return _states(Counter(outcome.state for outcome in self.outcomes))

    @cached_property
    def causes(self) -> dict[str, int]:
        """Image sets per cause, of those that are not done; causes without any are left out."""
        counted = Counter(outcome.cause for outcome in self.outcomes if outcome.cause)
        return {cause.value: counted[cause] for cause in Cause if counted[cause]}

    @cached_property
    def plates(self) -> dict[str, dict[str, int]]:
        """Image sets per plate and state, in the order of the plan."""
        counted: dict[str, Counter[State]] = defaultdict(Counter)
        for outcome in self.outcomes:
            counted[outcome.image_set.plate][outcome.state] += 1
        return {plate: _states(states) for plate, states in counted.items()}

    @property
    def is_complete(self) -> bool:
        """Whether every image set of a plan that is not empty was measured."""
        measured = sum(self.counts[state] for state in State if state.is_success)
        is_failed = bool(self.failed_shards or self.planning_failure or self.blocked)
        return bool(self.outcomes) and measured == len(self.outcomes) and not is_failed

    @property
    def is_over(self) -> bool:
        """Whether nothing more comes of the run unless it is sent again."""
        if (self.planning_failure or self.blocked) and not self.shards:
            return True
        return self.is_complete or (bool(self.shards) and all(state.is_over for state in self.shards.values()))

    @cached_property
    def problems(self) -> list[str]:
        """A line for everything that is not done: who and why. What was tried comes before what was not run."""
        planning = [f"the run could not be planned: {self.planning_failure}"] if self.planning_failure else []
        planning += [f"it could not start: {self.blocked}"] if self.blocked else []
        shards = [f"shard {number}: {reason}" for number, reason in sorted(self.failed_shards.items())]
        left = [outcome for outcome in self.outcomes if not outcome.state.is_success]
        left.sort(key=lambda outcome: outcome.state == State.NOT_RUN)
        return planning + shards + [f"{one.image_set.label}: {one.state.value}: {one.reason}" for one in left]

    @property
    def summary(self) -> dict[str, Any]:
        """The content of summary.json."""
        states = Counter(self.shards.values())
        return {
            "run": self.run_id,
            "complete": self.is_complete,
            "planning_failure": self.planning_failure,
            "blocked": self.blocked,
            "image_sets": len(self.outcomes),
            "states": self.counts,
            "causes": self.causes,
            "shards": {
                "planned": len(self.shards),
                **{state.value: states[state] for state in ShardState},
                "failed": {str(number): reason for number, reason in sorted(self.failed_shards.items())},
            },
            "plates": self.plates,
            "seconds": round(self.seconds, 3),
        }


def write_ledger(storage: Storage, ledger: Ledger) -> None:
    """Write ledger.csv and summary.json beside the plan; doing so again replaces them."""
    keys = RunKeys(ledger.run_id)
    text = io.StringIO(newline="")
    table = csv.writer(text, lineterminator="\n")
    table.writerow((*COLUMNS, "state", "cause", "reason"))
    table.writerows((*row_of(one.image_set), one.state, one.cause or "", one.reason) for one in ledger.outcomes)
    storage.write(keys.ledger, text.getvalue().encode())
    storage.write(keys.summary, json.dumps(ledger.summary, indent=1).encode())


def _states(counted: Counter[State]) -> dict[str, int]:
    return {state.value: counted[state] for state in State}
