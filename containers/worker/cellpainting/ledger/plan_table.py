"""plan.csv: a row per image set. The contract between planning and the ledger."""

import csv
import io
from collections.abc import Sequence
from dataclasses import astuple, fields
from typing import Any

from cellpainting.ledger.image_set import ImageSet

COLUMNS = tuple(field.name for field in fields(ImageSet))


def write_plan(image_sets: Sequence[ImageSet]) -> bytes:
    """The CSV text of a plan, UTF-8."""
    text = io.StringIO(newline="")
    table = csv.writer(text, lineterminator="\n")
    table.writerow(COLUMNS)
    table.writerows(astuple(image_set) for image_set in image_sets)
    return text.getvalue().encode()


def read_plan(content: bytes) -> list[ImageSet]:
    """Read what `write_plan` wrote."""
    rows = csv.DictReader(io.StringIO(content.decode(), newline=""))
    return [_image_set(row) for row in rows]


def _image_set(row: dict[str, Any]) -> ImageSet:
    return ImageSet(**{**row, "shard": int(row["shard"]), "number": int(row["number"])})
