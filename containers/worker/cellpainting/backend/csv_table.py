"""One of CellProfiler's CSVs, from bytes to a table: first whether it is whole, then what it holds.

A missing value is written as `nan` or as nothing, and read as null. Numbers are 64-bit floats, which hold the whole
numbers that CellProfiler writes, too; texts are columns that are texts by their name, or by what is in them.
"""

import csv
import io
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import polars as pl

from cellpainting.backend.names import FILE, IMAGE, IMAGE_NUMBER, OBJECT_NUMBER, TABLE_NUMBER
from cellpainting.errors import DamagedTable

OBJECT_NUMBER_IN_COMBINED = "Number_Object_Number"
KEYS = (IMAGE_NUMBER, OBJECT_NUMBER)
# Columns that are texts whatever is in them: a plate called 110000106828, a digest like 12345e67.
TEXT_BY_NAME = re.compile(r"(Metadata|FileName|PathName|URL|MD5Digest)_|ImageSet_|ProcessingStatus")
NO_OBJECTS = "its header has neither ImageNumber nor ObjectNumber: it is no table of objects"
MISSING = ("nan", "NaN", "NAN", "-nan")
COMMA = ord(",")
EMPTY_LINES = re.compile(rb"\n(\r?\n)+")
OWN = (TABLE_NUMBER, FILE)  # columns that the backend adds itself
LONGEST_FIELD = 2**31 - 1  # characters: a pipeline's text is in Experiment.csv


class TextFound(Exception):
    """Columns that were read as numbers have text: all that was read of them has to be read again."""

    def __init__(self, columns: Iterable[str]) -> None:
        super().__init__(", ".join(columns))
        self.columns = frozenset(columns)


@contextmanager
def long_fields() -> Iterator[None]:
    """Let the CSV module of the whole process take fields of any length for a while."""
    usual = csv.field_size_limit(LONGEST_FIELD)
    try:
        yield
    finally:
        csv.field_size_limit(usual)


@dataclass(frozen=True)
class Header:
    """The first line of a CSV, or the first two of a combined one. `names` are those of the backend's columns:
    prefixed by their table, except for keys and for the columns of the image table.
    """

    lines: bytes
    tables: tuple[str, ...]
    names: tuple[str, ...]

    def text_columns(self, text: frozenset[str]) -> frozenset[str]:
        """Those that are read as texts; `text` are others than by their name."""
        return frozenset(
            name
            for table, name in zip(self.tables, self.names, strict=True)
            if TEXT_BY_NAME.match(name.removeprefix(f"{table}_")) or not text.isdisjoint(self.in_backend(table, name))
        )

    @property
    def compartments(self) -> tuple[str, ...]:
        """The tables of objects, of a combined one."""
        return tuple(dict.fromkeys(table for table in self.tables if table != IMAGE))

    @property
    def keys(self) -> tuple[str, ...]:
        """The columns that say which object a row is of."""
        in_combined = self.compartments if IMAGE in self.tables else ()
        return (*KEYS, *(f"{table}_{OBJECT_NUMBER_IN_COMBINED}" for table in in_combined))

    def in_backend(self, table: str, name: str) -> tuple[str, ...]:
        """What a column is called in the backend: that of an image has several names, if objects are beside it."""
        if table == IMAGE and self.compartments:
            return tuple(f"{compartment}_{name}" for compartment in self.compartments)
        return (name,)


def read_header(content: bytes, table: str | None) -> Header:
    """The header of a CSV, whose table is `table`; None for a combined one.

    Raises
    ------
    DamagedTable
        If the file is empty or its header is not that of such a table.
    """
    if not content or content.isspace():
        raise DamagedTable("it is empty, without even a header")
    return _header(content[: _end_of_lines(content, 1 if table else 2)], table)


@lru_cache(maxsize=64)  # thousands of files have the same
def _header(lines: bytes, table: str | None) -> Header:
    rows = list(csv.reader(io.StringIO(_decoded(lines), newline="")))
    if table and len(rows) > 1:
        raise DamagedTable("its header has a carriage return without a line feed")
    if table:
        tables, columns = [table] * len(rows[0]), rows[0]
    elif len(rows) == 2 and len(rows[0]) == len(rows[1]):
        tables, columns = [name.capitalize() for name in rows[0]], rows[1]
    else:
        raise DamagedTable("it has not the two lines of header of a CSV with all compartments")
    names = map(backend_column if table else _combined_column, tables, columns)
    header = Header(lines, tuple(tables), tuple(names))
    _require_columns(header, table)
    return header


def backend_column(table: str, column: str) -> str:
    """The name of a CSV's column in the backend, as cytominer-database has it."""
    return column if column in KEYS or table == IMAGE else f"{table}_{column}"


def _combined_column(table: str, column: str) -> str:
    """Unique among all compartments of a combined CSV, each of which may have a number of its own."""
    return column if table == IMAGE else f"{table}_{column}"


def whole_rows(content: bytes, header: Header) -> tuple[bytes, int]:
    """What follows the header in a CSV, or a block of one, and how many rows it is.

    Each row ends its line, no line is empty, and quotes are where they have to be, whoever wrote the file.

    Raises
    ------
    DamagedTable
        If it is no UTF-8 text or a row has another number of fields than the header.
    """
    if b"\0" in content:
        raise DamagedTable("it has NUL bytes, as a file has that was not written to its end")
    if not content.isascii():
        _decoded(content)
    rows = content[len(header.lines) :]
    if rows and not rows.endswith(b"\n"):
        rows += b"\n"
    lines, returns = rows.count(b"\n"), rows.count(b"\r")
    if b'"' not in rows and returns in (0, lines) and 0 < _commas(rows) == lines * (len(header.names) - 1):
        return rows, lines
    count = check_by_row(content, header)
    return _tidy(rows), count


def _commas(rows: bytes) -> int:
    """Many times as fast as `bytes.count`, which is made for what is rare."""
    return int(np.count_nonzero(np.frombuffer(rows, dtype=np.uint8) == COMMA))


def _tidy(rows: bytes) -> bytes:
    if b'"' in rows:
        text = io.StringIO(newline="")
        csv.writer(text, lineterminator="\n").writerows(filter(None, _fields(rows)))
        return text.getvalue().encode()
    return EMPTY_LINES.sub(b"\n", rows).lstrip(b"\r\n")


def count_rows(content: bytes, header_lines: int = 1) -> int:
    """The rows of a file that cannot be read otherwise: lines that are not empty, without the header's."""
    lines = sum(1 for line in content.splitlines() if line.strip())
    return max(lines - header_lines, 0)


def parse(rows: bytes, header: Header, text: frozenset[str]) -> pl.DataFrame:
    """The rows of a CSV that are whole, without its header: floats, and strings where `text` or the
    column's name says so.

    Raises
    ------
    TextFound
        If another column has a value that is no number.
    DamagedTable
        If they cannot be read.
    """
    texts = header.text_columns(text)
    try:
        return _read(rows, {name: pl.String if name in texts else pl.Float64 for name in header.names})
    except pl.exceptions.PolarsError as error:
        check_by_row(header.lines + rows, header)
        raise _text_found(rows, header) or DamagedTable(f"it cannot be read ({error})") from error


def check_by_row(content: bytes, header: Header) -> int:
    """As `whole_rows`, without a short cut that two wrong rows could take together."""
    number = 0
    try:
        for number, row in enumerate(filter(None, _fields(content[len(header.lines) :])), start=1):
            if len(row) != len(header.names):
                raise DamagedTable(f"row {number} has {len(row)} fields, the header has {len(header.names)}")
    except csv.Error as error:
        raise DamagedTable(f"row {number + 1} cannot be read ({error})") from error
    return number


def split_combined(table: pl.DataFrame, header: Header) -> Mapping[str, pl.DataFrame]:
    """The compartments of a combined CSV, each with the columns of its images (cytominer-database's `munge`) and with
    those of `table` that are no column of the CSV.

    Rows in which a compartment has no object are not among its rows.
    """
    added = [name for name in table.columns if name not in header.names]
    shared = [name for at, name in zip(header.tables, header.names, strict=True) if at == IMAGE]
    split = {}
    for compartment in header.compartments:
        own = [name for at, name in zip(header.tables, header.names, strict=True) if at == compartment]
        number = pl.col(f"{compartment}_{OBJECT_NUMBER_IN_COMBINED}").alias(OBJECT_NUMBER)
        measured = [name for name in own if name != f"{compartment}_{OBJECT_NUMBER}"]
        others = [pl.col(name).alias(f"{compartment}_{name}") for name in shared if name not in KEYS]
        rows = table.select(*added, IMAGE_NUMBER, number, *others, *measured)
        split[compartment] = rows.filter(pl.col(OBJECT_NUMBER).is_not_null())
    return split


def _read(rows: bytes, schema: Mapping[str, type[pl.DataType]]) -> pl.DataFrame:
    if not rows:
        return pl.DataFrame(schema=dict(schema))
    return pl.read_csv(rows, has_header=False, schema=dict(schema), null_values=MISSING)


def _text_found(rows: bytes, header: Header) -> TextFound | None:
    table = _read(rows, dict.fromkeys(header.names, pl.String))
    numbers = table.with_columns(pl.all().cast(pl.Float64, strict=False))
    is_text = (table.select(pl.all().is_not_null()).to_numpy() & numbers.select(pl.all().is_null()).to_numpy()).any(0)
    columns = [(at, name) for at, name, found in zip(header.tables, header.names, is_text, strict=True) if found]
    if keys := [name for _, name in columns if name in header.keys]:
        raise DamagedTable(f"its {keys[0]} is not always a number")
    return TextFound([name for column in columns for name in header.in_backend(*column)]) if columns else None


def _require_columns(header: Header, table: str | None) -> None:
    twice = {name for name in header.names if header.names.count(name) > 1} if _has_twice(header.names) else ()
    if twice:
        raise DamagedTable(f"its header names {', '.join(sorted(twice))} more than once")
    if own := [name for name in OWN if name in header.names]:
        raise DamagedTable(f"its header names {own[0]}, which is a column of the backend itself")
    needed = [IMAGE_NUMBER] if table in (IMAGE, None) else [*KEYS]
    if len(needed) > 1 and not any(name in header.names for name in needed):
        raise DamagedTable(NO_OBJECTS)
    if table is None:
        shared = [name for at, name in zip(header.tables, header.names, strict=True) if at == IMAGE]
        for name in (name for column in shared for name in header.in_backend(IMAGE, column)):
            if name in header.names:
                raise DamagedTable(f"its header names {name} for images and for objects")
        needed += [f"{name}_{OBJECT_NUMBER_IN_COMBINED}" for name in header.compartments]
    for name in needed:
        if name not in header.names:
            raise DamagedTable(f"its header has no column {name}")


def _has_twice(names: tuple[str, ...]) -> bool:
    return len(set(names)) < len(names)


def _fields(content: bytes) -> Iterator[list[str]]:
    """The fields of each row; a row whose quotes do not close is an error, and not one field up to the file's end."""
    return csv.reader(io.StringIO(_decoded(content), newline=""), strict=True)


def _end_of_lines(content: bytes, count: int) -> int:
    end = 0
    for _ in range(count):
        found = content.find(b"\n", end)
        if found < 0:
            return len(content)
        end = found + 1
    return end


def _decoded(content: bytes) -> str:
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        raise DamagedTable(f"it is not UTF-8 text: byte {error.start} is {content[error.start]:#04x}") from error
