"""The stages of a run, `stages.json`: which runs they are, in their order, and what each of them waits for."""

import json
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import Any

from cellpainting.errors import MissingInput
from cellpainting.jobs.run_record import RunKeys
from cellpainting.jobs.stage import Stage
from cellpainting.storage.base import Storage

COUNTED = ("analysis", "decode", "backend", "quality_control", "illumination", "profiles", "merge", "report")


@dataclass(frozen=True)
class StageRecord:
    """The stages of a run, those of a plate together."""

    stages: tuple[Stage, ...]

    @property
    def plates(self) -> tuple[str, ...]:
        """The names of the plates, in the order in which they came to the run."""
        return tuple(dict.fromkeys(stage.plate for stage in self.stages))

    def of_plate(self, plate: str) -> tuple[Stage, ...]:
        """The stages of one plate, in their order."""
        return tuple(stage for stage in self.stages if stage.plate == plate)

    def counted(self, plate: str) -> Stage:
        """The stage whose image sets are those of the plate in the run's ledger: the analysis, if there is one."""
        return min(self.of_plate(plate), key=lambda stage: COUNTED.index(stage.name))

    def with_stages(self, stages: Iterable[Stage]) -> "StageRecord":
        """The record with all stages of some plates replaced, or added."""
        new = tuple(stages)
        plates = {stage.plate for stage in new}
        return StageRecord(tuple(stage for stage in self.stages if stage.plate not in plates) + new)

    def to_json(self) -> bytes:
        """The record as a JSON object."""
        return json.dumps(asdict(self), indent=1).encode()

    @classmethod
    def from_json(cls, content: bytes) -> "StageRecord":
        """Read what `to_json` wrote."""
        document: dict[str, Any] = json.loads(content)
        return cls(tuple(_stage(stage) for stage in document["stages"]))


def _stage(document: dict[str, Any]) -> Stage:
    return Stage(**{**document, "needs": tuple(document["needs"]), "after": tuple(document["after"])})


def read_stage_record(keys: RunKeys, storage: Storage) -> StageRecord | None:
    """The stages of a run, or None of one that has none."""
    with suppress(MissingInput):
        return StageRecord.from_json(storage.read(keys.stages))
    return None
