"""The CSVs of CellProfiler's ExportToSpreadsheet: that they parse, and which image sets they hold."""

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from cellpainting.errors import CellProfilerFailed

IMAGE_NUMBER = "ImageNumber"
OBJECT_NUMBER = "ObjectNumber"
COUNT = "Count_"  # Image.csv has a Count_<Objects> column per object that was identified
EXPERIMENT_HEADER = ["Key", "Value"]


@dataclass(frozen=True)
class Table:
    """One CSV: data rows, the image numbers in them, and, for an image table, the objects counted in each."""

    name: str
    rows: int
    image_numbers: frozenset[int]
    is_image_table: bool
    objects_per_image: dict[int, float]


def read_tables(folder: Path) -> list[Table]:
    """Parse every CSV below a folder, but for the experiment's table of keys and values.

    Raises
    ------
    CellProfilerFailed
        Naming the file, the row and what is wrong: not UTF-8, no header, a row of another length.
    """
    tables = (_read_table(path, path.relative_to(folder).as_posix()) for path in sorted(folder.rglob("*.csv")))
    return [table for table in tables if table is not None]


def _read_table(path: Path, name: str) -> Table | None:
    with path.open(encoding="utf-8", newline="") as file:
        rows = _rows(csv.reader(file), name)
        header = next(rows, [])
        if header == EXPERIMENT_HEADER:
            return None
        if IMAGE_NUMBER not in header:
            header = next(rows, [])  # several objects in one file: their names stand in a row of their own
        if IMAGE_NUMBER not in header:
            raise CellProfilerFailed(f"{name}: no column {IMAGE_NUMBER}; the export is not whole")
        return _summary(name, header, rows)


def _summary(name: str, header: list[str], rows: Iterator[list[str]]) -> Table:
    image_number = header.index(IMAGE_NUMBER)
    counts = [column for column, title in enumerate(header) if title.startswith(COUNT)]
    objects: dict[int, float] = {}
    row_count = 0
    for row_count, row in enumerate(rows, start=1):
        try:
            objects[int(row[image_number])] = sum(float(row[column] or 0) for column in counts)
        except ValueError as error:
            raise CellProfilerFailed(f"{name}: data row {row_count}: {error}") from error
    is_image_table = OBJECT_NUMBER not in header and name.endswith("Image.csv")
    has_counts = is_image_table and bool(counts)
    return Table(name, row_count, frozenset(objects), is_image_table, objects if has_counts else {})


def _rows(reader: Iterator[list[str]], name: str) -> Iterator[list[str]]:
    width: int | None = None
    try:
        for number, row in enumerate(reader, start=1):
            if width is not None and len(row) != width:
                raise CellProfilerFailed(f"{name}: row {number} has {len(row)} fields, the header {width}")
            width = len(row)
            yield row
    except (UnicodeDecodeError, csv.Error) as error:
        raise CellProfilerFailed(f"{name}: not a CSV in UTF-8 ({error})") from error
