"""How far the tables of two runs of a pipeline over the same image sets are apart, by the module that measures."""

import csv
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from cellpainting.cellprofiler.inside.accelerated.tolerance import RELATIVE, difference
from cellpainting.errors import CellProfilerFailed

# Where files lay, how long it took, and when: these differ between any two runs.
NOT_COMPARED = ("PathName_", "URL_", "ObjectsURL_", "Metadata_FileLocation", "ExecutionTime_", "ImageSet_")
NOT_COMPARED_TABLES = ("Experiment.csv",)
IMAGE_TABLE = "Image.csv"
# The first word of a column's name, and the module that measures it.
MODULES = {
    "AreaShape": "MeasureObjectSizeShape",
    "Correlation": "MeasureColocalization",
    "Granularity": "MeasureGranularity",
    "ImageQuality": "MeasureImageQuality",
    "Intensity": "MeasureObjectIntensity",
    "Neighbors": "MeasureObjectNeighbors",
    "ObjectSkeleton": "MeasureObjectSkeleton",
    "RadialDistribution": "MeasureObjectIntensityDistribution",
    "Texture": "MeasureTexture",
}
IMAGE_MODULES = {**MODULES, "Intensity": "MeasureImageIntensity"}
OTHER = "all other modules"


@dataclass(frozen=True)
class ColumnDifference:
    """One column of one table. `largest` is relative (see `tolerance.difference`), at row `row` of `values` both."""

    table: str
    column: str
    count: int
    largest: float
    row: int
    values: tuple[str, str]

    @property
    def module(self) -> str:
        """Who measured it."""
        modules = IMAGE_MODULES if self.table.endswith(IMAGE_TABLE) else MODULES
        return modules.get(self.column.partition("_")[0], OTHER)

    @property
    def is_equal(self) -> bool:
        """Whether all values are within tolerance."""
        return self.largest <= RELATIVE


def compare_tables(one: Path, other: Path) -> list[ColumnDifference]:
    """Compare every column of every CSV below two folders.

    Raises
    ------
    CellProfilerFailed
        If there are other tables, columns or rows in one than in the other.
    """
    names = [sorted(str(path.relative_to(folder)) for path in folder.rglob("*.csv")) for folder in (one, other)]
    _require_same("tables", names[0], names[1])
    return [
        found
        for name in names[0]
        if not name.endswith(NOT_COMPARED_TABLES)
        for found in _compare(name, _read(one / name), _read(other / name))
    ]


def _compare(table: str, one: Sequence[Sequence[str]], other: Sequence[Sequence[str]]) -> Iterator[ColumnDifference]:
    _require_same(f"columns of {table}", one[0], other[0])
    _require_same(f"rows of {table}", [len(one)], [len(other)])
    for at, column in enumerate(one[0]):
        if not column.startswith(NOT_COMPARED):
            yield _compare_column(table, column, [row[at] for row in one[1:]], [row[at] for row in other[1:]])


def _compare_column(table: str, column: str, one: Sequence[str], other: Sequence[str]) -> ColumnDifference:
    if not one:
        return ColumnDifference(table, column, 0, 0.0, 0, ("", ""))
    try:
        apart = difference(column, [float(value) for value in one], [float(value) for value in other]).tolist()
    except ValueError:  # text
        apart = [0.0 if pair[0] == pair[1] else float("inf") for pair in zip(one, other, strict=True)]
    row = max(range(len(apart)), key=apart.__getitem__)
    return ColumnDifference(table, column, len(one), apart[row], row, (one[row], other[row]))


def by_module(differences: Sequence[ColumnDifference]) -> Mapping[str, list[ColumnDifference]]:
    """The columns of each module."""
    found: dict[str, list[ColumnDifference]] = {}
    for item in differences:
        found.setdefault(item.module, []).append(item)
    return found


def _require_same(what: str, one: Sequence[object], other: Sequence[object]) -> None:
    if list(one) != list(other):
        only = [sorted(map(str, set(pair[0]) - set(pair[1])))[:5] for pair in ((one, other), (other, one))]
        raise CellProfilerFailed(f"the {what} are not the same: {only[0]} on one side only, {only[1]} on the other")


def _read(path: Path) -> list[list[str]]:
    with path.open(newline="") as file:
        return list(csv.reader(file))
