"""Experiment.csv: what CellProfiler says of the run itself, its pipeline among it. Kept as it is, for provenance."""

import csv
import io

import polars as pl

from cellpainting.errors import DamagedTable

KEY, VALUE = "Key", "Value"


def read_experiment(content: bytes) -> pl.DataFrame:
    """The facts as a table of texts, `Key` and `Value`.

    Raises
    ------
    DamagedTable
        If it is not such a file.
    """
    try:
        rows = [row for row in csv.reader(io.StringIO(content.decode(), newline="")) if row]
    except UnicodeDecodeError as error:
        raise DamagedTable(f"it is not UTF-8 text ({error.reason})") from error
    if not rows or any(len(row) != 2 for row in rows):
        raise DamagedTable("it has not the two columns Key and Value")
    return pl.DataFrame(rows[1:], schema={KEY: pl.String, VALUE: pl.String}, orient="row")
