"""Which treatment is in which well: barcode_platemap.csv, the platemaps it names, and tables of treatments.

Source: profiling-recipe, README ("Metadata, platemap and barcode_platemap files"), and the Cell Painting Gallery's
`workspace/metadata/platemaps/<batch>/`.
"""

from dataclasses import dataclass, replace

import pandas as pd

from cellpainting.errors import InvalidTable
from cellpainting.ledger.plate_map import well_name, well_position
from cellpainting.profiles.names import metadata_name
from cellpainting.profiles.profiles import as_text
from cellpainting.profiles.text_table import COMMA, TAB, TextTable, read_text_table

BARCODE, MAP = "Assay_Plate_Barcode", "Plate_Map_Name"
CSV = ".csv"


@dataclass(frozen=True)
class Platemap:
    """A row per well; its columns begin with `Metadata_`, and those of `well_column` are in the form `A01`."""

    file: str
    wells: pd.DataFrame
    well_column: str


def canonical_well(name: str) -> str | None:
    """A well as plates have it, `A01`, from `a1`, `A001` and the like; None for what is no well."""
    position = well_position(name)
    return None if position is None else well_name(position)


def read_platemap(content: bytes, file: str, well_column: str) -> Platemap:
    """Read a platemap: divided by tabs, or by commas where its name ends in `.csv`.

    Raises
    ------
    InvalidTable
        If it has no such column, a well that is none, or a well twice, naming the line.
    """
    table = _prefixed(read_text_table(content, file, COMMA if file.endswith(CSV) else TAB))
    wells = [_well(table, name, line) for name, line in zip(table.column(well_column), table.lines, strict=True)]
    table.refuse_twice(well_column, wells, "a well has one treatment: correct the rows, or remove one")
    frame = table.frame()
    frame[well_column] = wells
    return Platemap(file, frame, well_column)


def find_platemap_name(content: bytes, file: str, plate: str) -> str:
    """The name of a plate's platemap, as `barcode_platemap.csv` has it.

    Raises
    ------
    InvalidTable
        If the plate is not there, or twice with different maps.
    """
    table = read_text_table(content, file, COMMA)
    found = {
        name: line
        for barcode, name, line in zip(table.column(BARCODE), table.column(MAP), table.lines, strict=True)
        if barcode == plate
    }
    if not found:
        raise InvalidTable(f"{file} has no row for plate {plate!r}; add one with the name of its platemap")
    if len(found) > 1:
        told = ", ".join(f"{name!r} in line {line}" for name, line in found.items())
        raise InvalidTable(f"{file} has plate {plate!r} with several platemaps, {told}; keep the right one")
    return next(iter(found))


def read_external_metadata(content: bytes, file: str, merge_column: str) -> pd.DataFrame:
    """Read a table of treatments: divided by tabs, or by commas where its name ends in `.csv`.

    Raises
    ------
    InvalidTable
        If it has no such column, or the same treatment twice, naming the lines.
    """
    table = _prefixed(read_text_table(content, file, COMMA if file.endswith(CSV) else TAB)).without_copies()
    table.column(merge_column)
    rows = table.frame()
    keys = ["" if pd.isna(key) else key for key in as_text(rows[merge_column])]
    remedy = "wells of it would be there twice: keep one row each, or choose another 'merge_column'"
    table.refuse_twice(merge_column, keys, remedy)
    return rows


def _prefixed(table: TextTable) -> TextTable:
    prefixed = replace(table, columns=tuple(map(metadata_name, table.columns)))
    prefixed.refuse_columns_twice()
    return prefixed


def _well(table: TextTable, name: str, line: int) -> str:
    well = canonical_well(name)
    if well is None:
        raise InvalidTable(f"{table.file}, line {line}: {name!r} is no well of a plate; write one such as 'A01'")
    return well
