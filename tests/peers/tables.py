"""Tables of two backends, and profiles, by rows that belong together."""

import math
import sqlite3
import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

from tests.peers.plates import read_csv

Key = tuple[Any, ...]
KEYS = ("TableNumber", "ImageNumber", "ObjectNumber")
# pandas reads decimals faster than exactly: the last digits may be others.
PARSED = 1e-12
# Means of many values, added up in another order.
AVERAGED = 1e-9


def query(database: Path, sql: str) -> list[Any]:
    """All rows of a query."""
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
        return connection.execute(sql).fetchall()


def tables(database: Path) -> set[str]:
    """The names of its tables."""
    return {name for (name,) in query(database, "SELECT name FROM sqlite_master WHERE type = 'table'")}


def columns(database: Path, table: str) -> list[str]:
    """The names of its columns, in order."""
    return [name for _, name, *_ in query(database, f"PRAGMA table_info({table})")]


def indexes(database: Path) -> dict[str, tuple[str, list[str]]]:
    """Table and columns of each index."""
    found = query(database, "SELECT name, tbl_name FROM sqlite_master WHERE type = 'index'")
    return {
        name: (table, [column for _, _, column in query(database, f"PRAGMA index_info({name})")])
        for name, table in found
    }


def rows(database: Path, table: str) -> dict[Key, dict[str, Any]]:
    """Its rows by TableNumber, ImageNumber and, in tables of objects, ObjectNumber."""
    names = columns(database, table)
    keys = [names.index(key) for key in KEYS if key in names]
    found = query(database, f"SELECT * FROM {table}")  # noqa: S608
    by_key = {tuple(row[at] for at in keys): dict(zip(names, row, strict=True)) for row in found}
    assert len(by_key) == len(found), f"rows of {table} are there twice"
    return by_key


def table_numbers(database: Path, table: str = "Image") -> set[int]:
    """The TableNumbers that it has rows of."""
    return {number for (number,) in query(database, f"SELECT DISTINCT TableNumber FROM {table}")}  # noqa: S608


def crc(path: Path) -> int:
    """What TableNumber is defined as, of an Image.csv."""
    return zlib.crc32(path.read_bytes())


def wells(profile: Path) -> dict[Key, dict[str, str]]:
    """The rows of a profile by plate and well."""
    found = read_csv(profile)
    by_well: dict[Key, dict[str, str]] = {(row["Metadata_Plate"], row["Metadata_Well"]): row for row in found}
    assert len(by_well) == len(found), f"wells of {profile} are there twice"
    return by_well


def differences(
    ours: Mapping[Key, Mapping[str, Any]], theirs: Mapping[Key, Mapping[str, Any]], keys: Iterable[Key], within: float
) -> Iterator[str]:
    """A line for each value of these rows that differs."""
    for key in keys:
        for name, their_value in theirs[key].items():
            our_value = ours[key][name]
            if not is_same(our_value, their_value, within):
                yield f"{key} {name}: {our_value!r} here, {their_value!r} there"


def is_same(one: Any, other: Any, within: float) -> bool:
    """Whether values are the same text or number. Nothing and nan are the same, whatever way they are written."""
    if one == other or str(one) == str(other):
        return True
    try:
        a, b = (math.nan if value in (None, "") else float(value) for value in (one, other))
    except ValueError:
        return False
    return (math.isnan(a) and math.isnan(b)) or math.isclose(a, b, rel_tol=within)
