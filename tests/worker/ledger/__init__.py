"""A run's record in a folder: a plan of so many wells, and what its shards left."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from cellpainting.jobs.run_record import RunKeys
from cellpainting.ledger import (
    Cause,
    GroupResult,
    ImageSet,
    Ledger,
    LostShard,
    Manifest,
    Outcome,
    State,
    read_ledger,
    write_plan,
)
from cellpainting.storage import FolderStorage

RUN = "plate-1"
Change = Callable[[Outcome], Outcome]


def becomes(state: State, cause: Cause, reason: str) -> Change:
    """What turns an outcome into one that is not done."""
    return lambda outcome: replace(outcome, state=state, cause=cause, reason=reason)


@dataclass(frozen=True)
class RecordedRun:
    """A run whose shards have `per_shard` image sets each, of one plate, two sites per well."""

    root: Path
    shards: int
    per_shard: int = 4

    @property
    def bucket(self) -> FolderStorage:
        return FolderStorage(self.root)

    @property
    def keys(self) -> RunKeys:
        return RunKeys(RUN)

    def image_sets(self, shard: int) -> list[ImageSet]:
        first = shard * self.per_shard
        return [
            _image_set(shard, number, index)
            for number, index in enumerate(range(first, first + self.per_shard), start=1)
        ]

    def plan(self) -> None:
        planned = [image_set for shard in range(self.shards) for image_set in self.image_sets(shard)]
        self.bucket.write(self.keys.plan, write_plan(planned))

    def finish(self, shard: int, changes: dict[int, Change] | None = None, reason: str = "") -> None:
        """Write the shard's manifest, with the changed outcomes of some image sets."""
        outcomes = [] if reason else [self._outcome(one, changes or {}) for one in self.image_sets(shard)]
        self.bucket.write(self.keys.shard(shard), manifest(shard, outcomes, reason).to_json())

    def progress(self, shard: int, done: int) -> None:
        """Write the shard's progress after so many image sets."""
        outcomes = [self._outcome(one, {}) for one in self.image_sets(shard)[:done]]
        self.bucket.write(self.keys.progress(shard), manifest(shard, outcomes).to_json())

    def lose(self, shard: int, cause: Cause, reason: str) -> None:
        self.bucket.write(self.keys.lost(shard), LostShard(shard, cause, reason).to_json())

    def ledger(self) -> Ledger:
        return read_ledger(self.bucket, RUN)

    @staticmethod
    def _outcome(image_set: ImageSet, changes: dict[int, Change]) -> Outcome:
        outcome = Outcome(image_set, State.DONE)
        return changes[image_set.number](outcome) if image_set.number in changes else outcome


def manifest(shard: int, outcomes: list[Outcome], reason: str = "") -> Manifest:
    """A manifest whose image sets are a group each."""
    groups = tuple(
        GroupResult(one.image_set.folder, (one,), (), (), {"Image.csv": 1}, 1.5, 900.0, one.reason) for one in outcomes
    )
    return Manifest(shard, groups, None, "", (), "4.2.8.1", "", 1.5 * len(groups), 900.0, reason)


def _image_set(shard: int, number: int, index: int) -> ImageSet:
    well, site = divmod(index, 2)
    name = f"{chr(ord('A') + well // 24 % 16)}{well % 24 + 1:02}"
    return ImageSet(
        shard,
        number,
        folder=f"P1/analysis/P1-{name}-{site + 1}",
        plate="P1",
        well=name,
        site=str(site + 1),
        files=f"images/P1_{name}_{site + 1}_DNA.tif | images/P1_{name}_{site + 1}_ER.tif",
    )
