"""A shard's manifest: what it read, what it ran, what it wrote. Written last, so that it is the commit.

Outputs that no manifest lists are an interrupted shard's and do not count.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from cellpainting.ledger.image_set import ImageSet, Outcome, State


@dataclass(frozen=True)
class StoredFile:
    """A file that went in or came out. `checksum` is an input's ETag or an output's SHA-256; `size` in bytes."""

    key: str
    size: int
    checksum: str


@dataclass(frozen=True)
class Manifest:
    """Everything needed to trust a shard's results, or to see why there are none.

    `pipeline` and `inputs` say what the results were made from; `rows` counts data rows per table
    (CSV file name); `seconds` is wall time of the whole shard; `peak_memory_mib` is CellProfiler's;
    `reason` tells why the shard failed as a whole and is empty otherwise.
    """

    shard: int
    outcomes: tuple[Outcome, ...]
    pipeline: StoredFile | None
    pipeline_sha256: str
    inputs: tuple[StoredFile, ...]
    outputs: tuple[StoredFile, ...]
    cellprofiler_version: str
    image_digest: str
    rows: Mapping[str, int]
    seconds: float
    peak_memory_mib: float
    reason: str = ""

    @property
    def is_success(self) -> bool:
        """Whether every image set of the shard was measured."""
        return not self.reason and bool(self.outcomes) and all(outcome.state.is_success for outcome in self.outcomes)

    def to_json(self) -> bytes:
        """The manifest as an indented JSON object."""
        return json.dumps(asdict(self), indent=1).encode()

    @classmethod
    def from_json(cls, content: bytes) -> "Manifest":
        """Read what `to_json` wrote."""
        document: dict[str, Any] = json.loads(content)
        return cls(
            **{
                **document,
                "outcomes": tuple(_outcome(outcome) for outcome in document["outcomes"]),
                "pipeline": StoredFile(**document["pipeline"]) if document["pipeline"] else None,
                "inputs": tuple(StoredFile(**file) for file in document["inputs"]),
                "outputs": tuple(StoredFile(**file) for file in document["outputs"]),
            }
        )


def _outcome(document: Mapping[str, Any]) -> Outcome:
    return Outcome(ImageSet(**document["image_set"]), State(document["state"]), document["reason"])
