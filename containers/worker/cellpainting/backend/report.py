"""What an ingest took, what it left out, and what was odd: for programs `<plate>_ingest.json`, for people a page."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cellpainting.backend.batch_record import MixedTypes, Oddity, Rejection
from cellpainting.ledger import Outcome, State
from cellpainting.ledger.manifest import read_outcome

REPORT = "_ingest.json"  # what the name of a report ends in, after the plate's
NAMED = 5  # folders that are named of many


@dataclass(frozen=True)
class TableReport:
    """Rows of one table: in are out and rejected; those of other plates are not counted."""

    rows_in: int
    rows_out: int
    rows_rejected: int
    rows_of_other_plates: int
    columns: int


@dataclass(frozen=True)
class ColumnDifference:
    """Columns of a table that some sets do not have: `lacking` sets, of which a few are named."""

    table: str
    columns: tuple[str, ...]
    lacking: int
    sets: int
    folders: tuple[str, ...]


@dataclass(frozen=True)
class Published:
    """A file of the backend, as the storage has it; `size` in bytes."""

    key: str
    size: int
    etag: str


@dataclass(frozen=True)
class IngestReport:
    """All that is to say of one ingest. `made_from` is a digest of the files, the settings and the program.

    `objects` counts, by well, those that Metadata_Object_Count does. `refusals` are parts of the backend that could not
    be made, and why; `left_out` files that are not for a backend. Seconds are wall time.
    """

    plate: str
    batch: str
    analysis: str
    made_from: str
    version: str
    aggregate: str
    outcomes: tuple[Outcome, ...]
    objects: Mapping[str, int]
    tables: Mapping[str, TableReport]
    rejections: tuple[Rejection, ...]
    refusals: tuple[str, ...]
    oddities: tuple[Oddity, ...]
    differences: tuple[ColumnDifference, ...]
    mixed: Mapping[str, MixedTypes]
    left_out: tuple[str, ...]
    files: tuple[Published, ...]
    bytes_read: int
    seconds: float
    peak_memory_mib: float

    @property
    def is_complete(self) -> bool:
        """Whether every image set is in the backend with all its rows, and all that was asked for was made."""
        return not (self.problems or any(not one.state.is_success for one in self.outcomes))

    @property
    def states(self) -> dict[str, int]:
        """Image sets by state."""
        counted = Counter(one.state for one in self.outcomes)
        return {state.value: counted[state] for state in State if counted[state]}

    @property
    def problems(self) -> list[str]:
        """What is not in the backend and should be, a line each."""
        lines = [*self.refusals]
        lines += [f"{one.file}: {one.reason}" + (f" ({one.rows} rows)" if one.rows else "") for one in self.rejections]
        lines += [
            f"column {name} is text, and in no profile: {types.with_text} sets have text, such as {types.example!r}, "
            f"where {types.with_numbers} have numbers"
            for name, types in self.mixed.items()
            if types.with_text and types.with_numbers
        ]
        return lines

    def to_document(self) -> dict[str, Any]:
        """The report as JSON has it: first what it comes to, then everything."""
        summary = {"complete": self.is_complete, "states": self.states, "problems": self.problems}
        document: dict[str, Any] = json.loads(json.dumps({**summary, **vars(self)}, default=vars))
        return document

    def to_json(self) -> bytes:
        """The document as text."""
        return json.dumps(self.to_document(), indent=1).encode()

    @classmethod
    def from_json(cls, content: bytes) -> "IngestReport":
        """Read what `to_document` made."""
        document: dict[str, Any] = json.loads(content)
        for derived in ("complete", "states", "problems"):
            del document[derived]
        return cls(
            **{
                **document,
                "outcomes": tuple(map(read_outcome, document["outcomes"])),
                "tables": {name: TableReport(**table) for name, table in document["tables"].items()},
                "rejections": tuple(Rejection(**one) for one in document["rejections"]),
                "refusals": tuple(document["refusals"]),
                "oddities": tuple(Oddity(**one) for one in document["oddities"]),
                "differences": tuple(map(_difference, document["differences"])),
                "mixed": {name: MixedTypes(**types) for name, types in document["mixed"].items()},
                "left_out": tuple(document["left_out"]),
                "files": tuple(Published(**one) for one in document["files"]),
            }
        )


def _difference(document: Mapping[str, Any]) -> ColumnDifference:
    listed = {"columns": tuple(document["columns"]), "folders": tuple(document["folders"])}
    return ColumnDifference(**{**document, **listed})


def column_differences(table: str, found: Mapping[tuple[str, ...], Sequence[str]]) -> list[ColumnDifference]:
    """Which sets lack which columns of a table, those that lack the same together."""
    union = dict.fromkeys(column for columns in found for column in columns)
    sets = sum(len(folders) for folders in found.values())
    lacking: dict[tuple[str, ...], list[str]] = {}
    for columns, folders in found.items():
        missing = tuple(sorted(set(union) - set(columns)))
        if missing:
            lacking.setdefault(missing, []).extend(folders)
    return [
        ColumnDifference(table, columns, len(folders), sets, tuple(sorted(folders)[:NAMED]))
        for columns, folders in sorted(lacking.items())
    ]
