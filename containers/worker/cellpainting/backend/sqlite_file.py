"""The SQLite backend: the tables that cytominer-database makes and pycytominer's SingleCells and CellProfiler Analyst
read, with the indexes that pycytominer's collate adds.
"""

import sqlite3
from collections import Counter
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from types import TracebackType

import polars as pl

from cellpainting.backend.names import IMAGE, IMAGE_NUMBER, OBJECT_NUMBER, PLATE, TABLE_NUMBER, WELL
from cellpainting.backend.table import Table

TYPES = {pl.Int64: "BIGINT", pl.Float64: "FLOAT", pl.String: "TEXT"}
ROWS_AT_A_TIME = 256  # as Python objects: 16 MB of a table of 2,000 columns
# Built aside and published whole, so that nothing has to be safe while it is built. A row of 2,000 numbers has 15 kB.
SETTINGS = "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA page_size = 65536; PRAGMA cache_size = -16384"


def refusal(tables: Sequence[Table]) -> str:
    """Why SQLite cannot hold these tables; empty if it can."""
    with closing(sqlite3.connect(":memory:")) as connection:
        most = connection.getlimit(sqlite3.SQLITE_LIMIT_COLUMN)
    for table in tables:
        if len(table.columns) > most:
            return (
                f"no SQLite: {table.name} has {len(table.columns)} columns, and a table of SQLite at most {most}; "
                "the Parquet files and the profiles have them all: read those, and switch 'sqlite' off"
            )
        if table.name.casefold().startswith("sqlite_"):
            return f"no SQLite: it keeps names such as {table.name} for itself; rename the CSV, or switch 'sqlite' off"
        folded = Counter(map(str.casefold, table.columns))
        if alike := [name for name in table.columns if folded[name.casefold()] > 1]:
            return (
                f"no SQLite: the columns {', '.join(alike)} of {table.name} differ in nothing but their case, which "
                "SQLite does not tell apart; read the Parquet files, and switch 'sqlite' off"
            )
    return ""


class SqliteFile:
    """Open for writing."""

    def __init__(self, path: Path) -> None:
        path.unlink(missing_ok=True)
        self._connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self._connection.executescript(SETTINGS)
        self._connection.execute("BEGIN")

    def __enter__(self) -> "SqliteFile":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._connection.close()

    def create(self, table: Table) -> None:
        """Create a table."""
        columns = ", ".join(f"{quoted(name)} {TYPES[kind]}" for name, kind in table.schema.items())
        self._connection.execute(f"CREATE TABLE {quoted(table.name)} ({columns})")

    def take(self, table: Table, rows: pl.DataFrame) -> None:
        """Add rows, which have just the columns of the table, in order."""
        places = ", ".join("?" * len(table.columns))
        statement = f"INSERT INTO {quoted(table.name)} VALUES ({places})"  # noqa: S608 (a name of ours, quoted)
        self._connection.executemany(statement, rows.iter_rows(buffer_size=ROWS_AT_A_TIME))

    def finish(self, tables: list[Table]) -> None:
        """Commit, and add the indexes."""
        self._connection.execute("COMMIT")
        for table in tables:
            if table.name == IMAGE:
                self._index("table_image_idx", table, (TABLE_NUMBER, IMAGE_NUMBER))
                self._index("plate_well_image_idx", table, (PLATE, WELL))
            else:
                name = f"table_image_object_{table.name.lower()}_idx"
                self._index(name, table, (TABLE_NUMBER, IMAGE_NUMBER, OBJECT_NUMBER))

    def _index(self, name: str, table: Table, columns: tuple[str, ...]) -> None:
        if set(columns) <= set(table.columns):
            named = ", ".join(map(quoted, columns))
            self._connection.execute(f"CREATE INDEX {quoted(name)} ON {quoted(table.name)} ({named})")


def quoted(name: str) -> str:
    """A name of a table or column, as SQL has it."""
    return '"' + name.replace('"', '""') + '"'
