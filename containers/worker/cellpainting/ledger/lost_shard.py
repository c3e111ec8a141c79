"""Why a shard ended without a manifest, `lost/<n>.json`: what Batch knows of a job that could not say so itself."""

import json
from dataclasses import asdict, dataclass
from typing import Any

from cellpainting.ledger.image_set import Cause


@dataclass(frozen=True)
class LostShard:
    """One shard whose last job ended before it could write a manifest."""

    shard: int
    cause: Cause
    reason: str

    def to_json(self) -> bytes:
        """The loss as a JSON object."""
        return json.dumps(asdict(self)).encode()

    @classmethod
    def from_json(cls, content: bytes) -> "LostShard":
        """Read what `to_json` wrote."""
        document: dict[str, Any] = json.loads(content)
        return cls(document["shard"], Cause(document["cause"]), document["reason"])
