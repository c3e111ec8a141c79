"""The ledger of a run: plan.csv against the manifests, so that every image set is in exactly one state."""

import csv
import io
import json
from collections import Counter
from dataclasses import astuple, dataclass

from cellpainting.errors import MissingInput
from cellpainting.jobs.run_record import RunKeys
from cellpainting.ledger.image_set import ImageSet, Outcome, State
from cellpainting.ledger.manifest import Manifest
from cellpainting.ledger.plan_table import COLUMNS, read_plan
from cellpainting.storage import Storage

NOT_RUN = "no manifest of its shard: the job has not run, or was stopped before it could say how it ended"


@dataclass(frozen=True)
class Ledger:
    """A row per planned image set, and the reason of each shard that failed as a whole."""

    run_id: str
    outcomes: tuple[Outcome, ...]
    failed_shards: dict[int, str]
    seconds: float

    @property
    def counts(self) -> dict[str, int]:
        """Image sets per state, every state named; they add up to the plan."""
        counted = Counter(outcome.state for outcome in self.outcomes)
        return {state.value: counted[state] for state in State}

    @property
    def is_complete(self) -> bool:
        """Whether every image set of a plan that is not empty was measured."""
        measured = all(outcome.state.is_success for outcome in self.outcomes)
        return bool(self.outcomes) and measured and not self.failed_shards

    @property
    def problems(self) -> list[str]:
        """A line for everything that is not done: who and why."""
        shards = [f"shard {number}: {reason}" for number, reason in sorted(self.failed_shards.items())]
        failed = [outcome for outcome in self.outcomes if not outcome.state.is_success]
        return shards + [f"{o.image_set.label}: {o.state.value}: {o.reason}" for o in failed]


def read_ledger(storage: Storage, run_id: str) -> Ledger:
    """Count a run's manifests against its plan.

    Raises
    ------
    StorageUnavailable
        If the storage cannot be read.
    """
    keys = RunKeys(run_id)
    manifests = {m.shard: m for m in (Manifest.from_json(storage.read(o.key)) for o in storage.list(keys.shards))}
    reported = {(o.image_set.shard, o.image_set.number): o for m in manifests.values() for o in m.outcomes}
    planned = _planned(storage, keys)
    outcomes = [reported.get((p.shard, p.number)) or Outcome(p, State.NOT_RUN, NOT_RUN) for p in planned]
    return Ledger(
        run_id=run_id,
        outcomes=tuple(outcomes),
        failed_shards={number: manifest.reason for number, manifest in manifests.items() if manifest.reason},
        seconds=sum(manifest.seconds for manifest in manifests.values()),
    )


def write_ledger(storage: Storage, ledger: Ledger) -> None:
    """Write ledger.csv and summary.json beside the plan; doing so again replaces them."""
    keys = RunKeys(ledger.run_id)
    text = io.StringIO(newline="")
    table = csv.writer(text, lineterminator="\n")
    table.writerow((*COLUMNS, "state", "reason"))
    table.writerows((*astuple(o.image_set), o.state.value, o.reason) for o in ledger.outcomes)
    storage.write(keys.ledger, text.getvalue().encode())
    summary = {
        "run": ledger.run_id,
        "complete": ledger.is_complete,
        "image_sets": len(ledger.outcomes),
        "states": ledger.counts,
        "failed_shards": {str(number): reason for number, reason in ledger.failed_shards.items()},
        "seconds": round(ledger.seconds, 3),
    }
    storage.write(keys.summary, json.dumps(summary, indent=1).encode())


def _planned(storage: Storage, keys: RunKeys) -> list[ImageSet]:
    try:
        return read_plan(storage.read(keys.plan))
    except MissingInput:
        return []  # the one shard of a folder failed before CellProfiler could list its image sets
