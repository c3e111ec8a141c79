"""What reading a batch of sets brought: where its rows are kept, and what was left out. Also the memory of a resumed
ingest, as JSON.
"""

import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import polars as pl  # not in every image that reads reports

Save = Callable[["pl.DataFrame"], str]  # keeps rows, and returns the name that they are kept by
ImageKey = tuple[int, int]  # TableNumber and ImageNumber


@lru_cache
def _shared(columns: tuple[str, ...]) -> tuple[str, ...]:
    """The same object for the same columns: hundreds of batches have thousands of names each."""
    return columns


@dataclass(frozen=True)
class Rejection:
    """Rows of a file that are not in the backend. `table` is empty where the file has several; `image_number` is None
    where it is about all of them.
    """

    file: str
    table: str
    rows: int
    reason: str
    image_number: int | None = None


@dataclass(frozen=True)
class Oddity:
    """Something about a file that keeps nothing of it out of the backend."""

    file: str
    problem: str


@dataclass(frozen=True)
class MixedTypes:
    """A column that is text somewhere: how many sets have text, how many numbers alone, and an example of the text."""

    with_text: int
    with_numbers: int
    example: str

    def plus(self, other: "MixedTypes") -> "MixedTypes":
        """Both together."""
        return MixedTypes(
            self.with_text + other.with_text, self.with_numbers + other.with_numbers, self.example or other.example
        )


@dataclass
class BatchRecord:
    """`pieces` names files with rows, by table, in order. `columns` has, by table, each line-up of columns and the
    folders that have it; `counts` the rows that were taken of each image set, by table.
    """

    pieces: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    columns: dict[str, dict[tuple[str, ...], list[str]]] = field(default_factory=lambda: defaultdict(dict))
    rows_in: Counter[str] = field(default_factory=Counter)
    rows_out: Counter[str] = field(default_factory=Counter)
    rows_of_other_plates: Counter[str] = field(default_factory=Counter)
    counts: dict[ImageKey, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    rejections: list[Rejection] = field(default_factory=list)
    oddities: list[Oddity] = field(default_factory=list)
    mixed: dict[str, MixedTypes] = field(default_factory=dict)
    size: int = 0

    def reject(self, rejection: Rejection) -> None:
        """Take down rows that are left out."""
        if rejection.table:
            self.rows_in[rejection.table] += rejection.rows
        self.rejections.append(rejection)

    def note_columns(self, table: str, columns: Sequence[str], folders: Iterable[str]) -> None:
        """Take down that sets have these columns of a table."""
        known = self.columns.setdefault(table, {}).setdefault(_shared(tuple(columns)), [])
        known += [folder for folder in folders if folder not in known]

    def keep(self, table: str, rows: "pl.DataFrame", save: Save) -> None:
        """Keep rows of a table."""
        self.rows_out[table] += rows.height
        if rows.height:
            self.pieces.setdefault(table, []).append(save(rows))

    def add(self, other: "BatchRecord") -> None:
        """Take in what was found of a table; several are taken side by side, each with a record of its own."""
        for table, names in other.pieces.items():
            self.pieces.setdefault(table, []).extend(names)
        for mine, found in (
            (self.rows_in, other.rows_in),
            (self.rows_out, other.rows_out),
            (self.rows_of_other_plates, other.rows_of_other_plates),
        ):
            mine.update(found)
        for key, counted in other.counts.items():
            self.counts[key].update(counted)
        self.rejections += other.rejections
        for name, types in other.mixed.items():
            self.mixed[name] = self.mixed[name].plus(types) if name in self.mixed else types

    def to_json(self) -> bytes:
        """The record as one JSON object."""
        document = {
            **{name: value for name, value in vars(self).items() if name not in ("columns", "counts")},
            "columns": {table: list(found.items()) for table, found in self.columns.items()},
            "counts": list(self.counts.items()),
            "rejections": list(map(asdict, self.rejections)),
            "oddities": list(map(asdict, self.oddities)),
            "mixed": {name: asdict(types) for name, types in self.mixed.items()},
        }
        return json.dumps(document).encode()

    @classmethod
    def from_json(cls, content: bytes) -> "BatchRecord":
        """Read what `to_json` wrote."""
        document: Mapping[str, Any] = json.loads(content)
        return cls(
            pieces=document["pieces"],
            columns={
                table: {_shared(tuple(columns)): folders for columns, folders in found}
                for table, found in document["columns"].items()
            },
            rows_in=Counter(document["rows_in"]),
            rows_out=Counter(document["rows_out"]),
            rows_of_other_plates=Counter(document["rows_of_other_plates"]),
            counts={tuple(key): Counter(counted) for key, counted in document["counts"]},
            rejections=[Rejection(**one) for one in document["rejections"]],
            oddities=[Oddity(**one) for one in document["oddities"]],
            mixed={name: MixedTypes(**types) for name, types in document["mixed"].items()},
            size=document["size"],
        )
