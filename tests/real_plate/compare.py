"""The tables of CellProfiler runs, by plate, well and site, without what differs from run to run anyway."""

import csv
from collections.abc import Iterator
from pathlib import Path

# Where the files lay and how long it took; the numbers that image sets have within their run.
NOT_COMPARED = ("PathName_", "URL_", "ExecutionTime_", "ImageSet_", "Group_", "ImageNumber", "ObjectsURL_")
Row = dict[str, str]
Key = tuple[str, ...]


def read_tables(folders: list[Path]) -> dict[str, dict[Key, Row]]:
    """Each table by name: its rows by plate, well, site and object."""
    tables: dict[str, dict[Key, Row]] = {}
    for folder in folders:
        image_sets = {row["ImageNumber"]: _image_set(row) for row in _rows(next(folder.rglob("*Image.csv")))}
        for path in sorted(folder.rglob("*.csv")):
            if "Experiment" not in path.name:
                table = tables.setdefault(path.name, {})
                table.update(
                    {(*image_sets[row["ImageNumber"]], row.get("ObjectNumber", "")): row for row in _rows(path)}
                )
    return tables


def columns(folders: list[Path], name: str) -> set[tuple[str, ...]]:
    """The headers that a table has in these folders; one, if they fit together."""
    return {tuple(next(_lines(path))) for folder in folders for path in folder.rglob(name)}


def differences(one: dict[str, dict[Key, Row]], other: dict[str, dict[Key, Row]]) -> Iterator[str]:
    """A line for each value that is not the same to the last digit, and for each row that only one side has."""
    assert one.keys() == other.keys()
    for name, rows in one.items():
        yield from (f"{name}: row {key} is on one side only" for key in rows.keys() ^ other[name].keys())
        for key in rows.keys() & other[name].keys():
            for column, value in rows[key].items():
                if not column.startswith(NOT_COMPARED) and not _same(value, other[name][key].get(column, "absent")):
                    yield f"{name}: {key} {column}: {value} is not {other[name][key].get(column)}"


def _same(one: str, other: str) -> bool:
    try:
        return one == other or float(one) == float(other)
    except ValueError:
        return False


def _image_set(row: Row) -> Key:
    return row["Metadata_Plate"], row["Metadata_Well"], row["Metadata_Site"]


def _rows(path: Path) -> Iterator[Row]:
    lines = _lines(path)
    header = next(lines)
    return (dict(zip(header, line, strict=True)) for line in lines)


def _lines(path: Path) -> Iterator[list[str]]:
    with path.open(newline="") as file:
        lines = list(csv.reader(file))
    return iter(lines)
