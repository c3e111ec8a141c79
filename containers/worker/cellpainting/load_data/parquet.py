"""Load data as Parquet. Needs pyarrow, which the dispatcher has not: only this module imports it."""

import pyarrow as pa
import pyarrow.parquet as pq

from cellpainting.errors import InvalidRequest
from cellpainting.load_data.columns import make_table
from cellpainting.load_data.places import Places
from cellpainting.load_data.table import LoadData

UNNAMED_INDEX = "__index_level_"  # a data frame's index, which its owner never meant as a column


def read_parquet(content: bytes, name: str, places: Places) -> LoadData:
    """Read load data from the content of a `.parquet` file; each value becomes the text a CSV would have.

    Raises
    ------
    InvalidRequest
        If it is not such a file, or the columns cannot be used.
    """
    try:
        table = pq.read_table(pa.BufferReader(content))
    except (pa.ArrowException, OSError) as error:
        raise InvalidRequest(f"load data {name}: not a Parquet file ({error}); write and upload it again") from error
    columns = {
        column: _texts(values, f"load data {name}, column {column}")
        for column, values in zip(table.column_names, table.columns, strict=True)
        if not column.startswith(UNNAMED_INDEX)
    }
    return make_table(list(columns), list(columns.values()), name, places)


def _texts(column: pa.ChunkedArray, where: str) -> list[str]:
    if pa.types.is_nested(column.type) or pa.types.is_binary(column.type) or pa.types.is_large_binary(column.type):
        raise InvalidRequest(f"{where}: got values of type {column.type}; write numbers or text")
    return ["" if value is None else str(value) for value in column.to_pylist()]
