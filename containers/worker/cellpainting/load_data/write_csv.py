"""The CSV that CellProfiler's LoadData reads, of image sets whose files are on this machine."""

import csv
import io
from collections.abc import Mapping
from pathlib import Path

from cellpainting.load_data.table import IMAGE_PREFIXES, Column, LoadData
from cellpainting.load_data.value_type import canonical


def write_csv(table: LoadData, local: Mapping[str, Path]) -> str:
    """Write a row per image set: FileName_ and PathName_ of the local files, all else as LoadData would call it.

    `local` has the file of every place in the table. The types of columns do not show in the text: a text column
    whose values here all look like numbers would be read as numbers.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(name for column in table.columns for name in _names(column))
    for row in table.rows:
        cells = zip(table.columns, row, strict=True)
        writer.writerow(value for column, cell in cells for value in _values(column, cell, local))
    return text.getvalue()


def _names(column: Column) -> tuple[str, ...]:
    for prefix in IMAGE_PREFIXES:
        if column.name.startswith(prefix):
            image, objects = column.name.removeprefix(prefix), prefix.removesuffix("URL_")
            return f"{objects}FileName_{image}", f"{objects}PathName_{image}"
    return (column.name,)


def _values(column: Column, cell: str, local: Mapping[str, Path]) -> tuple[str, ...]:
    if not column.is_image:
        return (canonical(cell, column.type),)
    if not cell:
        return "", ""
    return local[cell].name, str(local[cell].parent)
