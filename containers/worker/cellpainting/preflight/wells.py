"""Names of wells: `A1` and `a01` are the same well, rows go on after Z with AA."""

import re

NAME = re.compile(r"([A-Za-z]{1,2})0*([1-9]\d?)")
LAYOUTS = ((8, 12), (16, 24), (32, 48))  # rows and columns of plates of 96, 384 and 1536 wells

Well = tuple[int, int]


def parse_well(name: str) -> Well | None:
    """Row and column, from 1; None if it is no name of a well."""
    matched = NAME.fullmatch(name.strip())
    if matched is None:
        return None
    row = 0
    for letter in matched[1].upper():
        row = row * 26 + ord(letter) - ord("A") + 1
    return row, int(matched[2])


def well_name(well: Well) -> str:
    """The usual name, `A01`; rows of 1536-well plates end in AF."""
    row, column = well
    letters = chr(ord("A") + row - 1) if row <= 26 else "A" + chr(ord("A") + row - 27)
    return f"{letters}{column:02d}"


def layout_of(wells: set[Well]) -> tuple[int, int] | None:
    """The smallest layout that has all these wells."""
    for rows, columns in LAYOUTS:
        if all(row <= rows and column <= columns for row, column in wells):
            return rows, columns
    return None
