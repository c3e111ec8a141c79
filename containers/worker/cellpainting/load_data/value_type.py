"""What CellProfiler's LoadData takes the values of a column for, and what it then calls each of them.

CellProfiler 4.2.8, `utilities/core/modules/load_data.py:get_loaddata_type`: Python's own `int` and `float` decide, so
that ` 7`, `+7` and `1_000` are numbers too. `-g`, groups and file names then see the number's text, not the file's.
"""

from collections.abc import Iterable

from cellpainting.load_data.table import ValueType

INT32_MIN, INT32_MAX = -(2**31), 2**31 - 1


def value_type(values: Iterable[str]) -> ValueType:
    """The type of a column with these values: integer if all are, else float if all are numbers, else text.

    A whole number beyond 32 bits is text, and so is an empty cell.
    """
    types = {_type_of(value) for value in set(values)}
    if ValueType.TEXT in types:
        return ValueType.TEXT
    return ValueType.FLOAT if ValueType.FLOAT in types else ValueType.INTEGER


def canonical(text: str, type: ValueType) -> str:
    """The text of a value once LoadData has read it as this type: `01` becomes `1`, `1E5` becomes `100000.0`."""
    match type:
        case ValueType.INTEGER:
            return str(int(text))
        case ValueType.FLOAT:
            return repr(float(text))
        case ValueType.TEXT:
            return text


def _type_of(text: str) -> ValueType:
    try:
        return ValueType.INTEGER if INT32_MIN <= int(text) <= INT32_MAX else ValueType.TEXT
    except ValueError:
        pass
    try:
        float(text)
    except ValueError:
        return ValueType.TEXT
    return ValueType.FLOAT
