"""A backend read again, from Parquet or from SQLite: its profiles come out the same, to the last bit.

SQLite files of cytominer-database are read as well.
"""

import sqlite3
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any, Protocol

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from cellpainting.backend.batch_record import ImageKey
from cellpainting.backend.image_index import IndexedImage
from cellpainting.backend.names import EXPERIMENT, IMAGE, IMAGE_NUMBER, PLATE, SITE, TABLE_NUMBER, WELL
from cellpainting.backend.profile import WELLS, Level, ProfileBuilder
from cellpainting.backend.sqlite_file import quoted
from cellpainting.backend.table import Table, in_order
from cellpainting.errors import InvalidRequest
from cellpainting.jobs.build_backend import Aggregate

ROWS_AT_A_TIME = 2048
PLACE = (PLATE, WELL, SITE)


class Backend(Protocol):
    """Tables that can be read in pieces."""

    def tables(self) -> Mapping[str, Table]:
        """All tables, by name."""
        ...

    def rows(self, table: Table, columns: tuple[str, ...]) -> Iterator[pl.DataFrame]:
        """Some columns of a table, in the order of its rows."""
        ...


class ParquetBackend:
    """The Parquet files of one plate, in a folder."""

    def __init__(self, folder: Path) -> None:
        self._paths = {path.stem: path for path in folder.glob("*.parquet") if (folder / f"{IMAGE}.parquet").exists()}

    def tables(self) -> Mapping[str, Table]:
        named = {name: pq.read_schema(path) for name, path in self._paths.items()}
        return {
            name: Table(
                name,
                tuple(schema.names),
                frozenset(
                    field.name
                    for field in schema
                    if pa.types.is_string(field.type) or pa.types.is_large_string(field.type)
                ),
            )
            for name, schema in named.items()
            if IMAGE_NUMBER in schema.names and name != EXPERIMENT
        }

    def rows(self, table: Table, columns: tuple[str, ...]) -> Iterator[pl.DataFrame]:
        with pq.ParquetFile(self._paths[table.name]) as file:
            for batch in file.iter_batches(ROWS_AT_A_TIME, columns=list(columns)):
                yield _frame(pl.from_arrow(batch)).select(columns)


class SqliteBackend:
    """The SQLite file of one plate."""

    def __init__(self, path: Path) -> None:
        self._address = f"{path.resolve().as_uri()}?mode=ro"

    def tables(self) -> Mapping[str, Table]:
        with closing(sqlite3.connect(self._address, uri=True)) as connection:
            names = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
            found = {name: list(connection.execute(f"PRAGMA table_info({quoted(name)})")) for name in names}
        return {
            name: Table(
                name,
                tuple(column for _, column, *_ in columns),
                frozenset(column for _, column, kind, *_ in columns if kind == "TEXT"),
            )
            for name, columns in found.items()
        }

    def rows(self, table: Table, columns: tuple[str, ...]) -> Iterator[pl.DataFrame]:
        schema = {name: table.schema[name] for name in columns}
        query = f"SELECT {', '.join(map(quoted, columns))} FROM {quoted(table.name)} ORDER BY rowid"  # noqa: S608
        with closing(sqlite3.connect(self._address, uri=True)) as connection:
            cursor = connection.execute(query)
            while rows := cursor.fetchmany(ROWS_AT_A_TIME):
                yield pl.DataFrame(rows, schema=schema, orient="row", strict=False)


def open_backend(path: Path) -> Backend:
    """The backend at a path: a folder with Parquet files, or a SQLite file.

    Raises
    ------
    InvalidRequest
        If there is none.
    """
    backend: Backend = SqliteBackend(path) if path.is_file() else ParquetBackend(path)
    try:
        has_images = IMAGE in backend.tables()
    except sqlite3.DatabaseError as error:
        raise InvalidRequest(
            f"{path} is no SQLite backend ({error}); name one, or a folder with Image.parquet"
        ) from error
    if not has_images:
        raise InvalidRequest(f"{path} has no table {IMAGE}; name a SQLite backend, or a folder with Image.parquet")
    return backend


def aggregate_backend(backend: Backend, how: Aggregate, level: Level = WELLS) -> pl.DataFrame:
    """The profile of a backend: a row per well, or per site."""
    tables = backend.tables()
    compartments = in_order(name for name, table in tables.items() if table.is_of_objects)
    counts: dict[ImageKey, Counter[str]] = {}
    images = _images(backend, tables[IMAGE])
    for key in images:
        counts[key] = Counter({IMAGE: 1})
    for name in compartments:
        for keys in backend.rows(tables[name], (TABLE_NUMBER, IMAGE_NUMBER)):
            for table_number, image_number, count in keys.group_by(TABLE_NUMBER, IMAGE_NUMBER).len().iter_rows():
                counts[table_number, image_number][name] += count
    builder = ProfileBuilder(level, images, counts, how)
    for name in (IMAGE, *compartments):
        table = tables[name]
        builder.begin(table)
        for rows in backend.rows(table, (TABLE_NUMBER, IMAGE_NUMBER, *table.features)):
            builder.take(table, rows)
    return builder.profile()


def _images(backend: Backend, table: Table) -> dict[ImageKey, IndexedImage]:
    columns = (TABLE_NUMBER, IMAGE_NUMBER, *(name for name in PLACE if name in table.columns))
    return {
        (row[TABLE_NUMBER], row[IMAGE_NUMBER]): _image(row)
        for rows in backend.rows(table, columns)
        for row in rows.iter_rows(named=True)
    }


def _image(row: Mapping[str, Any]) -> IndexedImage:
    plate, well, site = ("" if row.get(name) is None else str(row[name]) for name in PLACE)
    return IndexedImage(row[IMAGE_NUMBER], plate, well, site, counts={}, identity=())


def _frame(found: pl.DataFrame | pl.Series) -> pl.DataFrame:
    return found if isinstance(found, pl.DataFrame) else found.to_frame()
