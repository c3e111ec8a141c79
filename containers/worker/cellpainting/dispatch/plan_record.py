"""The plan of a run in short, `plan.json`: written after the shards' own plans, so that it vouches for them."""

import json
from dataclasses import asdict, dataclass
from typing import Any

from cellpainting.ledger.manifest import StoredFile


@dataclass(frozen=True)
class PlanRecord:
    """What the dispatcher has to know of a plan without reading it.

    `largest_shard_groups` is what a job's time limit is for. `made_from` are the files that were read for the plan,
    `digest` tells two plans apart. `pending` are the shards that were to be done when it was made, as ranges.
    `unmatched` names requested groups that have no image set.
    """

    shard_count: int
    image_set_count: int
    largest_shard_groups: int
    made_from: tuple[StoredFile, ...]
    digest: str
    pending: str
    unmatched: tuple[str, ...] = ()

    @property
    def told_image_sets(self) -> str:
        """How many image sets there are, for people."""
        return f"{self.image_set_count or 'an unknown number of'} image sets"

    def to_json(self) -> bytes:
        """The record as a JSON object."""
        return json.dumps(asdict(self), indent=1).encode()

    @classmethod
    def from_json(cls, content: bytes) -> "PlanRecord":
        """Read what `to_json` wrote."""
        document: dict[str, Any] = json.loads(content)
        made_from = tuple(StoredFile(**file) for file in document["made_from"])
        return cls(**{**document, "made_from": made_from, "unmatched": tuple(document["unmatched"])})
