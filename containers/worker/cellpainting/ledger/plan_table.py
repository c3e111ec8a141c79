"""plan.csv: a row per image set. The contract between planning and the ledger."""

import csv
import io
from collections.abc import Iterable
from dataclasses import fields
from operator import attrgetter

from cellpainting.errors import InvalidRequest
from cellpainting.ledger.image_set import ImageSet

COLUMNS = tuple(field.name for field in fields(ImageSet))
row_of = attrgetter(*COLUMNS)  # many times as fast as astuple, which copies each value


def write_plan(image_sets: Iterable[ImageSet]) -> bytes:
    """The CSV text of a plan, UTF-8."""
    text = io.StringIO(newline="")
    table = csv.writer(text, lineterminator="\n")
    table.writerow(COLUMNS)
    table.writerows(map(row_of, image_sets))
    return text.getvalue().encode()


def read_plan(content: bytes) -> list[ImageSet]:
    """Read what `write_plan` wrote.

    Raises
    ------
    InvalidRequest
        If its columns are others, those of another version say.
    """
    rows = csv.reader(io.StringIO(content.decode(), newline=""))
    columns = tuple(next(rows, ()))
    if columns != COLUMNS:
        raise InvalidRequest(f"plan.csv has the columns {columns}, not {COLUMNS}; send the request again with 'force'")
    return [ImageSet(int(shard), int(number), *texts) for shard, number, *texts in rows]
