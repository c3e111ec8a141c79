"""Load data as CSV, plain or gzipped, with the standard library alone: the dispatcher reads it too."""

import csv
import gzip
import io
import zlib
from collections.abc import Iterable, Iterator

from cellpainting.errors import InvalidRequest
from cellpainting.load_data.columns import make_table
from cellpainting.load_data.places import Places
from cellpainting.load_data.table import LoadData


def read_csv(content: bytes, name: str, places: Places) -> LoadData:
    """Read load data from the content of a `.csv` or, by its name, a `.csv.gz` file.

    Raises
    ------
    InvalidRequest
        If it is not such a file, a row has another number of fields than the header, or the columns cannot be used.
    """
    lines = csv.reader(io.StringIO(_text(content, name), newline=None))
    try:
        header = next(lines, [])
        if not header:
            raise InvalidRequest(f"load data {name}: its first line is empty; write the names of the columns there")
        rows = list(_rows(lines, len(header), name))
    except csv.Error as error:
        raise InvalidRequest(f"load data {name}, line {lines.line_num}: {error}; save it as CSV again") from error
    return make_table(header, list(zip(*rows, strict=True)), name, places)


def _text(content: bytes, name: str) -> str:
    try:
        if name.endswith(".gz"):
            content = gzip.decompress(content)
        text = content.decode("utf-8-sig")
    except (OSError, EOFError, zlib.error) as error:
        raise InvalidRequest(
            f"load data {name}: not a whole gzip file ({error}); compress and upload it again"
        ) from error
    except UnicodeDecodeError as error:
        raise InvalidRequest(f"load data {name}: not UTF-8 ({error}); save it as CSV UTF-8") from error
    if "\0" in text:
        raise InvalidRequest(f"load data {name}: it has NUL characters, which no CSV has; save it as CSV UTF-8")
    return text


def _rows(lines: Iterable[list[str]], width: int, name: str) -> Iterator[list[str]]:
    for number, row in enumerate(lines, start=2):  # as a spreadsheet numbers rows
        if len(row) != width and any(row):
            row = _of_width(row, width, f"load data {name}, row {number}")
        if any(row):  # spreadsheets leave lines of nothing, or of nothing but commas, at the end
            yield row


def _of_width(row: list[str], width: int, where: str) -> list[str]:
    """The row without empty fields beyond the header, which LoadData leaves out as well."""
    if len(row) < width or any(row[width:]):
        raise InvalidRequest(
            f"{where}: got {len(row)} fields {row!r:.200}, the header has {width}; give each row a field per column"
        )
    return row[:width]
