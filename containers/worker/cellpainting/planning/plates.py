"""The plates of load data, by the text of Metadata_Plate."""

from cellpainting.errors import InvalidRequest
from cellpainting.load_data import LoadData
from cellpainting.planning.grouping import PLATE


def plates_of(table: LoadData) -> tuple[str, ...]:
    """Each plate once, in the order of the table.

    Raises
    ------
    InvalidRequest
        If the table has no column Metadata_Plate.
    """
    at = _position(table)
    return tuple(dict.fromkeys(row[at] for row in table.rows))


def rows_of_plate(table: LoadData, plate: str) -> LoadData:
    """The rows of one plate. Columns keep the types that they have in the whole table.

    Raises
    ------
    InvalidRequest
        If the table has no such plate.
    """
    at = _position(table)
    rows = tuple(row for row in table.rows if row[at] == plate)
    if not rows:
        raise InvalidRequest(f"the load data has no plate {plate!r}; it has {', '.join(plates_of(table))}")
    return LoadData(table.columns, rows)


def _position(table: LoadData) -> int:
    if PLATE not in table.positions:
        raise InvalidRequest(f"the load data has no column {PLATE}; add it: it has {', '.join(table.positions)}")
    return table.positions[PLATE]
