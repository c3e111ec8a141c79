"""What one shard is to do, `runs/<run id>/plan/<n>.json`: all that its worker needs beside the request."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from cellpainting.ledger.image_set import ImageSet
from cellpainting.load_data.table import Column, LoadData, ValueType


@dataclass(frozen=True)
class Group:
    """Image sets that CellProfiler measures in one run, and the folder below `output` where that run's results go.

    A group without rows is the whole folder `input` or `analysis`, whose image sets only the worker can tell.
    """

    folder: str
    rows: tuple[tuple[str, ...], ...] = ()


@dataclass(frozen=True)
class PlatePart:
    """Which part of a plate a shard is: `number` of `count`, from 0. `plate` is a name for files of the plate's own;
    `sample` has rows from all over the plate, on which what holds for the whole plate is measured.
    """

    plate: str
    number: int
    count: int
    sample: tuple[tuple[str, ...], ...] = ()


@dataclass(frozen=True)
class ShardPlan:
    """One shard: its groups, which are run one after the other, and the columns of their rows.

    Image sets are numbered from 1 through the shard, in the order of groups and rows. `plugins` are the keys of
    the files of the plugins folder; `part` tells what the shard is of a plate, where that matters.
    """

    number: int
    groups: tuple[Group, ...]
    columns: tuple[Column, ...] = ()
    plugins: tuple[str, ...] = ()
    part: PlatePart | None = None

    @property
    def image_set_count(self) -> int:
        """Rows of all groups; 0 where only the worker can tell the image sets."""
        return sum(len(group.rows) for group in self.groups)

    def table(self, group: Group) -> LoadData:
        """The load data of one group."""
        return LoadData(self.columns, group.rows)

    def image_sets(self, group: Group) -> tuple[ImageSet, ...]:
        """The image sets of one group as rows of plan.csv, in the order of its rows."""
        first = 1
        for earlier in self.groups:
            if earlier is group:
                break
            first += len(earlier.rows)
        table = self.table(group)
        return tuple(
            ImageSet.of(self.number, number, table.metadata(row), table.images(row), folder=group.folder)
            for number, row in enumerate(group.rows, start=first)
        )

    def fingerprint(self, group: Group) -> str:
        """SHA-256 of all that is told of a group's image sets: what its results were made from, beside the files."""
        told = [group.folder, [asdict(column) for column in self.columns], group.rows]
        return hashlib.sha256(json.dumps(told).encode()).hexdigest()

    def to_json(self) -> bytes:
        """The plan as one JSON object."""
        return json.dumps(asdict(self), separators=(",", ":")).encode()

    @classmethod
    def from_json(cls, content: bytes) -> "ShardPlan":
        """Read what `to_json` wrote."""
        document = json.loads(content)
        return cls(
            number=document["number"],
            groups=tuple(Group(one["folder"], tuple(map(tuple, one["rows"]))) for one in document["groups"]),
            columns=tuple(Column(one["name"], ValueType(one["type"])) for one in document["columns"]),
            plugins=tuple(document["plugins"]),
            part=_part(document["part"]) if document["part"] else None,
        )


def _part(document: Mapping[str, Any]) -> PlatePart:
    part = PlatePart(**document)
    return replace(part, sample=tuple(map(tuple, part.sample)))
