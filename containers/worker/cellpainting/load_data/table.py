"""The normalised table that every dialect of load data becomes: a row per image set.

Names of image columns lose the optional prefix `Image_`. Every image is one column, `URL_<name>` (or
`ObjectsURL_<name>` for a label image), whose values are keys relative to the bucket or, for a public bucket elsewhere,
`s3://bucket/key`. All values are the text of the file; `Column.type` says what CellProfiler's LoadData takes the column
for, as a whole.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property

IMAGE_PREFIXES = ("URL_", "ObjectsURL_")


class ValueType(StrEnum):
    """What LoadData makes of a column (`modules/loaddata.py`, 4.2.8): int32 if all are, else float if all are."""

    INTEGER = "integer"
    FLOAT = "float"
    TEXT = "text"


@dataclass(frozen=True)
class Column:
    """One column: its normalised name and its type."""

    name: str
    type: ValueType

    @property
    def is_image(self) -> bool:
        """Whether its values are the places of images."""
        return self.name.startswith(IMAGE_PREFIXES)


@dataclass(frozen=True)
class LoadData:
    """Image sets in the order of the file; every row has a value per column."""

    columns: tuple[Column, ...]
    rows: tuple[tuple[str, ...], ...]

    @cached_property
    def positions(self) -> dict[str, int]:
        """Where each column stands in a row."""
        return {column.name: position for position, column in enumerate(self.columns)}

    @cached_property
    def image_positions(self) -> tuple[int, ...]:
        """Where the places of images stand in a row."""
        return tuple(position for position, column in enumerate(self.columns) if column.is_image)

    def images(self, row: Sequence[str]) -> tuple[str, ...]:
        """The places of one image set's images, empty cells left out."""
        return tuple(row[position] for position in self.image_positions if row[position])

    def metadata(self, row: Sequence[str]) -> dict[str, str]:
        """The Metadata_ columns of one image set, as text."""
        return {name: row[at] for name, at in self.positions.items() if name.startswith("Metadata_")}
