"""From the rows of several files to rows of a backend's table: each under its set's number, each only once, and each of
an image set that there is.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from cellpainting.backend.batch_record import BatchRecord, MixedTypes, Rejection, Save
from cellpainting.backend.csv_table import TEXT_BY_NAME
from cellpainting.backend.image_index import IndexedSet
from cellpainting.backend.names import FILE, IMAGE, IMAGE_NUMBER, OBJECT_NUMBER, TABLE_NUMBER
from cellpainting.storage import StoredObject

NO_KEY = "it has no whole ImageNumber or ObjectNumber"
NO_IMAGE = "Image.csv has no such ImageNumber"
TWICE = "it is there more than once"
NOBODY = -1  # stands for the ImageNumber of a row without: no image set is the worse for it

Seen = list[pl.DataFrame]


@dataclass(frozen=True)
class Part:
    """One file of a set, and the table that it is; none where it has several."""

    source: IndexedSet
    table: str
    file: StoredObject

    @property
    def folder(self) -> str:
        """The folder of its set."""
        return self.source.files.folder


def take_rows(
    table: str, frames: Sequence[pl.DataFrame], parts: Sequence[Part], save: Save, seen: Seen | None = None
) -> BatchRecord:
    """Put the rows of a table together, leave out what has no place, keep the rest, and take it all down.

    A row's column `FILE` is the position of its file among `parts`, which decides its place in the table. `seen` has
    the keys of earlier blocks of the same file, and takes in those of this one.
    """
    record = BatchRecord()
    rows = _put_together(frames, parts)
    record.rows_in[table] += rows.height
    keys = [IMAGE_NUMBER] if table == IMAGE else [IMAGE_NUMBER, OBJECT_NUMBER]
    rows = rows.with_columns(*map(_whole_number, keys))
    numbers = rows.select(TABLE_NUMBER, *keys)
    status = _status(pl.concat([*(seen or ()), numbers]), keys, parts).tail(rows.height)
    if not (status == "").all():
        _reject(table, rows.select(FILE, IMAGE_NUMBER).with_columns(status), parts, record)
        rows = rows.filter(status == "")
    rows = rows.drop(FILE)
    _count(table, rows, record)
    _note_text(rows, record)
    record.keep(table, rows, save)
    if seen is not None:
        seen.append(numbers)
    return record


def _put_together(frames: Sequence[pl.DataFrame], parts: Sequence[Part]) -> pl.DataFrame:
    rows = frames[0]
    if len(frames) > 1:  # of several line-ups of columns
        rows = pl.concat(frames, how="diagonal").sort(FILE, maintain_order=True)
    rows = rows.rechunk()
    numbers = np.array([part.source.table_number for part in parts], dtype=np.int64)
    rows.insert_column(0, pl.Series(TABLE_NUMBER, numbers[rows[FILE].to_numpy()]))
    return rows


def _whole_number(key: str) -> pl.Expr:
    """A key as an integer; null where it is none."""
    return pl.when(pl.col(key) == pl.col(key).round()).then(pl.col(key)).cast(pl.Int64, strict=False).alias(key)


def _status(numbers: pl.DataFrame, keys: list[str], parts: Sequence[Part]) -> pl.Series:
    """Why a row is left out; empty for the others."""
    known = pl.DataFrame(
        [
            (source.table_number, image.number)
            for source in {part.folder: part.source for part in parts}.values()
            for image in source.images
        ],
        schema={TABLE_NUMBER: pl.Int64, IMAGE_NUMBER: pl.Int64},
        orient="row",
    ).with_columns(is_known=True)
    joined = numbers.join(known, on=[TABLE_NUMBER, IMAGE_NUMBER], how="left", maintain_order="left")
    is_first = pl.struct(TABLE_NUMBER, *keys).is_first_distinct()
    return joined.select(
        status=pl.when(pl.any_horizontal(pl.col(key).is_null() for key in keys))
        .then(pl.lit(NO_KEY))
        .when(pl.col("is_known").is_null())
        .then(pl.lit(NO_IMAGE))
        .when(~is_first)
        .then(pl.lit(TWICE))
        .otherwise(pl.lit(""))
    )["status"]


def _reject(table: str, rows: pl.DataFrame, parts: Sequence[Part], record: BatchRecord) -> None:
    """Take down what is left out, by file and reason; what is of another plate is counted and no more."""
    left_out = rows.filter(pl.col("status") != "").group_by(FILE, IMAGE_NUMBER, "status", maintain_order=True).len()
    for position, image_number, status, count in left_out.iter_rows():
        source = parts[position].source
        if status == NO_IMAGE and image_number in source.others:
            record.rows_in[table] -= count
            record.rows_of_other_plates[table] += count
        elif image_number is None:
            record.rejections.append(Rejection(parts[position].file.key, table, count, status, NOBODY))
        else:
            reason = f"ImageNumber {image_number}: {source.refused.get(image_number, status)}"
            record.rejections.append(Rejection(parts[position].file.key, table, count, reason, image_number))


def _count(table: str, data: pl.DataFrame, record: BatchRecord) -> None:
    counted = data.group_by(TABLE_NUMBER, IMAGE_NUMBER, maintain_order=True).len()
    for table_number, image_number, count in counted.iter_rows():
        record.counts[table_number, image_number][table] += count


def _note_text(data: pl.DataFrame, record: BatchRecord) -> None:
    """Of columns that are text by what is in them, how many sets have text and how many have numbers alone."""
    for name, kind in data.schema.items():
        if kind == pl.String and not TEXT_BY_NAME.search(name):
            is_text = pl.col(name).is_not_null() & pl.col(name).cast(pl.Float64, strict=False).is_null()
            sets = data.group_by(TABLE_NUMBER).agg(
                text=is_text.any(),
                numbers=pl.col(name).is_not_null().any(),
                example=pl.col(name).filter(is_text).first(),
            )
            with_text = int(sets["text"].sum())
            with_numbers = sets.filter(~pl.col("text") & pl.col("numbers")).height
            examples = sets["example"].drop_nulls().sort()
            record.mixed[name] = MixedTypes(with_text, with_numbers, examples[0] if len(examples) else "")
