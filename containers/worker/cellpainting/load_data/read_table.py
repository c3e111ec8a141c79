"""Load data in any form, told by its name."""

from cellpainting.load_data.places import Places
from cellpainting.load_data.read_csv import read_csv
from cellpainting.load_data.table import LoadData

PARQUET_SUFFIX = ".parquet"


def read_table(content: bytes, name: str, places: Places) -> LoadData:
    """Read load data from the content of a `.parquet`, a `.csv` or a `.csv.gz` file. Parquet needs pyarrow.

    Raises
    ------
    InvalidRequest
        If it cannot be used.
    """
    if name.endswith(PARQUET_SUFFIX):
        from cellpainting.load_data.parquet import read_parquet  # pyarrow takes its time, and the dispatcher has none

        return read_parquet(content, name, places)
    return read_csv(content, name, places)
