"""A table of the backend: its columns and their types, decided from all sets, whatever order they come in."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import polars as pl

from cellpainting.backend.csv_table import TEXT_BY_NAME
from cellpainting.backend.experiment import KEY, VALUE
from cellpainting.backend.names import EXPERIMENT, IMAGE, IMAGE_NUMBER, OBJECT_NUMBER, TABLE_NUMBER

KEYS = (TABLE_NUMBER, IMAGE_NUMBER, OBJECT_NUMBER)
FIRST = ("Cells", "Cytoplasm", "Nuclei")  # the compartments of Cell Painting, as pycytominer orders them
CHILD, PARENTS = "Cytoplasm", ("Cells", "Nuclei")  # pycytominer's links between them
LINKS = tuple(f"{CHILD}_Parent_{parent}" for parent in PARENTS)


@dataclass(frozen=True)
class Table:
    """The name, the columns in order, and those of them that are text; keys are 64-bit integers, the others floats."""

    name: str
    columns: tuple[str, ...]
    text: frozenset[str]

    @classmethod
    def of(cls, name: str, found: Iterable[tuple[str, ...]], text: frozenset[str]) -> "Table":
        """Unite the columns of all files: those of the widest first, then what others have beside."""
        widest_first = sorted(found, key=lambda columns: (-len(columns), columns))
        columns = dict.fromkeys([TABLE_NUMBER, *(column for columns in widest_first for column in columns)])
        is_text = {
            column
            for column in columns
            if column in text or column in (KEY, VALUE) or TEXT_BY_NAME.match(column.removeprefix(f"{name}_"))
        }
        return cls(name, tuple(columns), frozenset(is_text))

    def with_text_columns(self, names: Iterable[str]) -> "Table":
        """The table with further columns at its end, where it has not them already."""
        return Table(self.name, tuple(dict.fromkeys([*self.columns, *names])), self.text.union(names))

    @property
    def is_of_objects(self) -> bool:
        """Whether it has a row per object."""
        return self.name not in (IMAGE, EXPERIMENT)

    @property
    def schema(self) -> Mapping[str, type[pl.DataType]]:
        """The type of each column."""
        return {
            name: pl.Int64 if name in KEYS else pl.String if name in self.text else pl.Float64 for name in self.columns
        }

    @property
    def features(self) -> tuple[str, ...]:
        """The columns that are aggregated: numbers that say something of the object itself."""
        return tuple(name for name in self.columns if name not in KEYS and name not in self.text and name not in LINKS)

    def conform(self, rows: pl.DataFrame) -> pl.DataFrame:
        """Rows of some files with all columns, in order; what they have not is null."""
        if tuple(rows.columns) == self.columns:
            return rows
        schema, present = self.schema, set(rows.columns)
        return rows.select(
            pl.col(name) if name in present else pl.lit(None, dtype=schema[name]).alias(name) for name in self.columns
        )


def in_order(names: Iterable[str]) -> list[str]:
    """Compartments as pycytominer orders them, others after them by name."""
    return sorted(names, key=lambda name: (FIRST.index(name) if name in FIRST else len(FIRST), name))
