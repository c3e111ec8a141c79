"""A shard's manifest: what it read, what it ran, what it wrote. Written last, so that it is the commit.

The same content lies at `progress/<n>.json` while the shard is at work, with the groups that are done so far, so that
an interrupted shard goes on where it was. Outputs that neither lists are an interrupted group's and do not count.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cellpainting.ledger.image_set import Cause, ImageSet, Outcome, State
from cellpainting.storage.base import StoredObject


@dataclass(frozen=True)
class StoredFile:
    """A file that went in or came out. `checksum` is an input's ETag or an output's SHA-256; `size` in bytes.

    `key` is relative to the bucket; an input of another bucket has its whole address, `s3://bucket/key`.
    """

    key: str
    size: int
    checksum: str

    @classmethod
    def of(cls, item: StoredObject) -> "StoredFile":
        """An input as the storage lists it."""
        return cls(item.key, item.size, item.etag)


@dataclass(frozen=True)
class Acceleration:
    """How CellProfiler's measurements were made faster: the names of what was replaced, and why other parts that the
    pipeline uses were not. `version` tells one state of our replacements from another.
    """

    version: str
    replaced: tuple[str, ...]
    left_alone: Mapping[str, str]


@dataclass(frozen=True)
class GroupResult:
    """One group of image sets, which is one run of the pipeline.

    `rows` counts data rows per table (CSV file name); `seconds` is wall time; `peak_memory_mib` is CellProfiler's;
    `reason` tells why the group failed as a whole and is empty otherwise. `fingerprint` is the plan's of its rows.
    `acceleration` is None if CellProfiler measured by its own means alone.
    """

    folder: str
    outcomes: tuple[Outcome, ...]
    inputs: tuple[StoredFile, ...]
    outputs: tuple[StoredFile, ...]
    rows: Mapping[str, int]
    seconds: float
    peak_memory_mib: float
    reason: str = ""
    fingerprint: str = ""
    acceleration: Acceleration | None = None

    @property
    def is_success(self) -> bool:
        """Whether every image set of the group was measured."""
        return not self.reason and bool(self.outcomes) and all(outcome.state.is_success for outcome in self.outcomes)


@dataclass(frozen=True)
class Manifest:
    """Everything needed to trust a shard's results, or to see why there are none.

    `pipeline`, `plugins` and `cellprofiler_version` hold for every group; of decoded fields of view they are the recipe
    and starfish's version. `seconds` is wall time of the shard's last attempt; `reason` tells why the shard failed
    before its groups could be run, and is empty otherwise.
    """

    shard: int
    groups: tuple[GroupResult, ...]
    pipeline: StoredFile | None
    pipeline_sha256: str
    plugins: tuple[StoredFile, ...]
    cellprofiler_version: str
    image_digest: str
    seconds: float
    peak_memory_mib: float
    reason: str = ""

    @property
    def outcomes(self) -> tuple[Outcome, ...]:
        """The image sets of all groups."""
        return tuple(outcome for group in self.groups for outcome in group.outcomes)

    @property
    def outputs(self) -> tuple[StoredFile, ...]:
        """The results of all groups."""
        return tuple(file for group in self.groups for file in group.outputs)

    @property
    def is_success(self) -> bool:
        """Whether every image set of the shard was measured."""
        return not self.reason and bool(self.groups) and all(group.is_success for group in self.groups)

    def to_json(self, indent: int | None = 1) -> bytes:
        """The manifest as a JSON object, in lines for people or, without `indent`, several times as fast."""
        return json.dumps(self, default=vars, indent=indent).encode()

    @classmethod
    def from_json(cls, content: bytes) -> "Manifest":
        """Read what `to_json` wrote."""
        document: dict[str, Any] = json.loads(content)
        return cls(
            **{
                **document,
                "groups": tuple(_group(group) for group in document["groups"]),
                "pipeline": StoredFile(**document["pipeline"]) if document["pipeline"] else None,
                "plugins": _files(document["plugins"]),
            }
        )


def _group(document: Mapping[str, Any]) -> GroupResult:
    return GroupResult(
        **{
            **document,
            "outcomes": tuple(map(read_outcome, document["outcomes"])),
            "inputs": _files(document["inputs"]),
            "outputs": _files(document["outputs"]),
            "acceleration": read_acceleration(document.get("acceleration")),
        }
    )


def read_acceleration(document: Mapping[str, Any] | None) -> Acceleration | None:
    """From JSON."""
    return Acceleration(**{**document, "replaced": tuple(document["replaced"])}) if document else None


def _files(documents: list[Mapping[str, Any]]) -> tuple[StoredFile, ...]:
    return tuple(StoredFile(**document) for document in documents)


def read_outcome(document: Mapping[str, Any]) -> Outcome:
    """An outcome from JSON."""
    cause = Cause(document["cause"]) if document["cause"] else None
    return Outcome(ImageSet(**document["image_set"]), State(document["state"]), document["reason"], cause)
