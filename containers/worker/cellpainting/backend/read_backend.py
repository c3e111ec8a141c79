"""A backend read again, from Parquet or from SQLite: its profiles come out the same, to the last bit.

SQLite files of cytominer-database are read as well.
"""

import sqlite3
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Protocol

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from cellpainting.backend.batch_record import ImageKey
from cellpainting.backend.image_index import IndexedImage
from cellpainting.backend.names import EXPERIMENT, IMAGE, IMAGE_NUMBER, PLATE, SITE, TABLE_NUMBER, WELL
from cellpainting.backend.profile import IMAGE_CATEGORIES, WELLS, Level, ProfileBuilder
from cellpainting.backend.sqlite_file import quoted
from cellpainting.backend.table import Table, in_order
from cellpainting.errors import DamagedTable, InvalidRequest
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
        named = {}
        for name, path in self._paths.items():
            with reading(path):
                named[name] = pq.read_schema(path)
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
        path = self._paths[table.name]
        with reading(path), pq.ParquetFile(path) as file:
            for batch in file.iter_batches(ROWS_AT_A_TIME, columns=list(columns)):
                yield _frame(pl.from_arrow(batch)).select(columns)


class SqliteBackend:
    """The SQLite file of one plate."""

    def __init__(self, path: Path) -> None:
        self._path = path
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
        with reading(self._path), closing(sqlite3.connect(self._address, uri=True)) as connection:
            cursor = connection.execute(query)
            while rows := cursor.fetchmany(ROWS_AT_A_TIME):
                yield pl.DataFrame(rows, schema=schema, orient="row", strict=False)


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Read a file of a backend.

    Raises
    ------
    DamagedTable
        If it is not whole.
    """
    try:
        yield
    except (pa.ArrowException, pl.exceptions.PolarsError, sqlite3.Error, OSError) as error:
        told = " ".join(str(error).split())
        raise DamagedTable(f"{path} cannot be read ({told}); make the backend again") from error


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


def aggregate_backend(
    backend: Backend,
    how: Aggregate,
    level: Level = WELLS,
    *,
    sites: Collection[str] = (),
    image_categories: tuple[str, ...] = IMAGE_CATEGORIES,
) -> pl.DataFrame:
    """The profile of a backend: a row per well, or per site.

    `sites`, if not empty, are the only ones that count. `image_categories` are the categories of whole-image features
    to have in it.

    Raises
    ------
    InvalidRequest
        If no image set is of one of the sites.
    """
    tables = backend.tables()
    compartments = in_order(name for name, table in tables.items() if table.is_of_objects)
    every = read_images(backend)
    images = {key: image for key, image in every.items() if not sites or image.site in sites}
    if sites and not images:
        there = ", ".join(sorted({image.site for image in every.values()}))
        raise InvalidRequest(f"no image set is of site {', '.join(sites)}; the backend has {there}: correct 'fields'")
    chosen = pl.DataFrame(list(images), schema={TABLE_NUMBER: pl.Int64, IMAGE_NUMBER: pl.Int64}, orient="row")
    counts = {key: Counter({IMAGE: 1}) for key in images}
    for name in compartments:
        for keys in _rows_of(backend, tables[name], (TABLE_NUMBER, IMAGE_NUMBER), chosen):
            for table_number, image_number, count in keys.group_by(TABLE_NUMBER, IMAGE_NUMBER).len().iter_rows():
                counts[table_number, image_number][name] += count
    builder = ProfileBuilder(level, images, counts, how, image_categories)
    for name in (IMAGE, *compartments):
        table = tables[name]
        builder.begin(table)
        for rows in _rows_of(backend, table, (TABLE_NUMBER, IMAGE_NUMBER, *table.features), chosen):
            builder.take(table, rows)
    return builder.profile()


def _rows_of(backend: Backend, table: Table, columns: tuple[str, ...], images: pl.DataFrame) -> Iterator[pl.DataFrame]:
    """The rows of some image sets."""
    for rows in backend.rows(table, columns):
        yield rows.join(images, on=[TABLE_NUMBER, IMAGE_NUMBER], how="semi", maintain_order="left")


def read_images(backend: Backend) -> dict[ImageKey, IndexedImage]:
    """The image sets of a backend."""
    table = backend.tables()[IMAGE]
    named = [_column(table, name) for name in PLACE]
    columns = (TABLE_NUMBER, IMAGE_NUMBER, *filter(None, named))
    images = {}
    for rows in backend.rows(table, columns):
        for row in rows.iter_rows(named=True):
            plate, well, site = (_text(row[name]) if name else "" for name in named)
            key = row[TABLE_NUMBER], row[IMAGE_NUMBER]
            images[key] = IndexedImage(row[IMAGE_NUMBER], plate, well, site, counts={}, identity=())
    return images


def _column(table: Table, name: str) -> str | None:
    """A column of metadata, which older backends have with `Image_` in front."""
    return next((column for column in (name, f"{IMAGE}_{name}") if column in table.columns), None)


def _text(value: Any) -> str:
    """A name; cytominer-database has one of nothing but digits as a number."""
    if value is None:
        return ""
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def _frame(found: pl.DataFrame | pl.Series) -> pl.DataFrame:
    return found if isinstance(found, pl.DataFrame) else found.to_frame()
