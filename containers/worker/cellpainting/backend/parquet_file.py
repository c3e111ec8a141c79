"""One Parquet file, written piece by piece in row groups of a size that readers like."""

from collections.abc import Mapping
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

# Bytes of numbers: groups of some 3,000 cells of 2,000 features. Each has a header per column, so not much less; and
# several times as much is in memory while it is written, so not much more: this takes the least memory in all.
ROW_GROUP_BYTES = 48 * 1024 * 1024
MOST_ROWS = 1_000_000
MOST_WAITING = 16  # pieces
Kind = pl.DataType | type[pl.DataType]
TYPES: Mapping[Kind, pa.DataType] = {pl.Int64: pa.int64(), pl.Float64: pa.float64(), pl.String: pa.large_string()}


class ParquetFile:
    """Open for writing: zstd, with statistics, and with a dictionary for texts alone: numbers do not repeat."""

    def __init__(self, path: Path, schema: Mapping[str, Kind], metadata: Mapping[str, str]) -> None:
        self._rows_per_group = max(min(ROW_GROUP_BYTES // (8 * max(len(schema), 1)), MOST_ROWS), 1)
        self._schema = pa.schema([(name, TYPES[kind]) for name, kind in schema.items()], metadata=dict(metadata))
        self._writer = pq.ParquetWriter(
            path,
            self._schema,
            compression="zstd",
            use_dictionary=[name for name, kind in schema.items() if kind == pl.String],
            write_statistics=True,
        )
        self._waiting: list[pl.DataFrame] = []
        self._count = 0

    def write(self, rows: pl.DataFrame) -> None:
        """Add rows, which have just the columns of the schema, in order."""
        self._waiting.append(rows)
        self._count += rows.height
        if len(self._waiting) > MOST_WAITING:  # 2,000 columns of a few rows each have megabytes of their own
            self._waiting = [pl.concat(self._waiting, rechunk=True)]
        while self._count >= self._rows_per_group:
            self._write(self._rows_per_group)

    def close(self) -> None:
        """Write what is left; the file is whole now."""
        self._write(self._count)
        self._writer.close()

    def _write(self, count: int) -> None:
        """Write so many of the rows that wait as one row group."""
        if not count:
            return
        together = pl.concat(self._waiting) if len(self._waiting) > 1 else self._waiting[0]
        group = together if count == together.height else together.head(count)
        self._writer.write_table(group.to_arrow(compat_level=pl.CompatLevel.oldest()), row_group_size=count)
        self._waiting = [together.slice(count)] if count < together.height else []
        self._count -= count
