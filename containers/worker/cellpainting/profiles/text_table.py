"""A table that a person wrote: platemaps and their like. Every complaint names the file and the row."""

import csv
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

import pandas as pd

from cellpainting.errors import InvalidTable

TAB, COMMA = "\t", ","
DELIMITERS = {TAB: "tabs", COMMA: "commas", ";": "semicolons"}
MISSING = frozenset({"", "NA", "NaN", "nan"})
NUMBER = re.compile(r"-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?")  # `007` is a name
NAMED = 5  # rows that are named of many


@dataclass(frozen=True)
class TextTable:
    """Columns and rows as they are written; `lines` are the numbers of the rows' lines in the file."""

    file: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    lines: tuple[int, ...]

    def column(self, name: str) -> list[str]:
        """The values of one column.

        Raises
        ------
        InvalidTable
            If there is none of this name.
        """
        if name not in self.columns:
            raise InvalidTable(
                f"{self.file}, line 1: there is no column {name!r}, the header has {', '.join(self.columns)}; "
                "correct the header, or the name of the column"
            )
        position = self.columns.index(name)
        return [row[position] for row in self.rows]

    def without_copies(self) -> "TextTable":
        """The table without rows that say again what an earlier one does."""
        first = dict(reversed(list(zip(self.rows, self.lines, strict=True))))
        in_order = sorted(first.items(), key=lambda item: item[1])
        return replace(self, rows=tuple(row for row, _ in in_order), lines=tuple(line for _, line in in_order))

    def refuse_twice(self, name: str, keys: Sequence[str], remedy: str) -> None:
        """See to it that no key comes twice.

        Raises
        ------
        InvalidTable
            Naming the lines in which one does.
        """
        lines: dict[str, list[int]] = {}
        for key, line in zip(keys, self.lines, strict=True):
            lines.setdefault(key, []).append(line)
        twice = [f"{key!r} in lines {', '.join(map(str, found))}" for key, found in lines.items() if len(found) > 1]
        if twice:
            more = f" and {len(twice) - NAMED} more" if len(twice) > NAMED else ""
            raise InvalidTable(f"{self.file}: {name} has {'; '.join(twice[:NAMED])}{more}; {remedy}")

    def refuse_columns_twice(self) -> None:
        """See to it that no two columns have the same name.

        Raises
        ------
        InvalidTable
            Naming it.
        """
        for name in self.columns:
            if self.columns.count(name) > 1:
                raise InvalidTable(f"{self.file}, line 1: column {name!r} is there twice; rename or remove one")

    def frame(self) -> pd.DataFrame:
        """The rows as pandas has them: columns of nothing but numbers are numbers, what is empty is missing."""
        return pd.DataFrame({name: _typed(self.column(name)) for name in self.columns}, columns=list(self.columns))


def read_text_table(content: bytes, file: str, delimiter: str) -> TextTable:
    """Read a table; `file` is its name, for messages.

    Raises
    ------
    InvalidTable
        If it is no text, has no rows, is divided by something else, or a row is shorter or longer than the header.
    """
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise InvalidTable(f"{file}, line {line}: it is no text in UTF-8 ({error.reason}); save it as such") from error
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    rows, lines = [], []
    try:
        for row in reader:
            if any(cell.strip() for cell in row):
                rows.append(tuple(cell.strip() for cell in row))
                lines.append(reader.line_num)
    except csv.Error as error:
        raise InvalidTable(f"{file}, line {reader.line_num}: {error}; correct the quotes") from error
    if not rows:
        raise InvalidTable(f"{file} is empty; it needs a header, and rows below it")
    table = TextTable(file, rows[0], tuple(rows[1:]), tuple(lines[1:]))
    _check(table, lines[0], delimiter)
    if not table.rows:
        raise InvalidTable(f"{file}, line {lines[0]}: there is a header and no row below it; add the rows")
    return table


def _check(table: TextTable, header: int, delimiter: str) -> None:
    if len(table.columns) == 1:
        found = next(
            (name for mark, name in DELIMITERS.items() if mark != delimiter and mark in table.columns[0]), None
        )
        if found:
            raise InvalidTable(
                f"{table.file}, line {header}: the columns are divided by {found}, where {DELIMITERS[delimiter]} are "
                f"expected; save it with {DELIMITERS[delimiter]}"
            )
    for name in table.columns:
        if not name:
            raise InvalidTable(f"{table.file}, line {header}: a column has no name; name it, or remove it")
    table.refuse_columns_twice()
    for row, line in zip(table.rows, table.lines, strict=True):
        if len(row) != len(table.columns):
            raise InvalidTable(
                f"{table.file}, line {line}: it has {len(row)} values, the header {len(table.columns)}; correct the row"
            )


def _typed(texts: Sequence[str]) -> pd.Series:
    values = [None if text in MISSING else text for text in texts]
    there = [text for text in values if text is not None]
    if not there or not all(map(NUMBER.fullmatch, there)):
        return pd.Series(values, dtype=object)
    return pd.to_numeric(pd.Series(values, dtype=object))
