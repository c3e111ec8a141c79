"""One row per cell: its compartments joined by the links between them, under the names of its image set."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import polars as pl

from cellpainting.backend.batch_record import BatchRecord, ImageKey
from cellpainting.backend.image_index import IndexedImage
from cellpainting.backend.names import IMAGE_NUMBER, OBJECT_NUMBER, PLATE, SITE, TABLE_NUMBER, WELL
from cellpainting.backend.parquet_file import ParquetFile
from cellpainting.backend.pieces import Pieces
from cellpainting.backend.table import CHILD, LINKS, PARENTS, Table
from cellpainting.errors import InvalidRequest

PLACE = {PLATE: "plate", WELL: "well", SITE: "site"}


def require_links(tables: Mapping[str, Table]) -> None:
    """Refuse compartments that cannot be joined.

    Raises
    ------
    InvalidRequest
        If one is missing, or its links are.
    """
    missing = [name for name in (CHILD, *PARENTS) if name not in tables]
    missing += [link for link in LINKS if CHILD in tables and tables[CHILD].schema.get(link) != pl.Float64]
    if missing:
        raise InvalidRequest(
            f"single cells cannot be joined: there is no {', '.join(missing)}, or it is text; leave 'single_cells' out"
        )


def write_single_cells(
    path: Path, tables: Mapping[str, Table], pieces: Pieces, images: Mapping[ImageKey, IndexedImage]
) -> int:
    """Write the joined table; returns how many cytoplasms have no cell or no nucleus. Their rows are there as well,
    with nothing in the columns of what is missing.
    """
    places = pl.DataFrame(
        [(*key, *(getattr(image, field) or None for field in PLACE.values())) for key, image in images.items()],
        schema={TABLE_NUMBER: pl.Int64, IMAGE_NUMBER: pl.Int64, **dict.fromkeys(PLACE, pl.String)},
        orient="row",
    )
    unmatched = 0
    file = ParquetFile(path, _schema(tables), {})
    for record in pieces.records:
        for rows in _joined(record, tables, pieces, places):
            unmatched += rows.filter(pl.any_horizontal(pl.col(_number_of(name)).is_null() for name in PARENTS)).height
            file.write(rows)
    file.close()
    return unmatched


def _joined(
    record: BatchRecord, tables: Mapping[str, Table], pieces: Pieces, places: pl.DataFrame
) -> Iterator[pl.DataFrame]:
    found = {
        name: pl.concat([tables[name].conform(pieces.load(piece)) for piece in record.pieces.get(name, ())])
        for name in (CHILD, *PARENTS)
        if record.pieces.get(name)
    }
    if CHILD not in found:
        return
    image = [TABLE_NUMBER, IMAGE_NUMBER]
    rows = found[CHILD].rename({OBJECT_NUMBER: _number_of(CHILD)})
    for parent, link in zip(PARENTS, LINKS, strict=True):
        others = found.get(parent, pl.DataFrame(schema=dict(tables[parent].schema)))
        others = others.with_columns(pl.col(OBJECT_NUMBER).alias(_number_of(parent))).with_columns(
            pl.col(OBJECT_NUMBER).cast(pl.Float64)
        )
        rows = rows.join(
            others, left_on=[*image, link], right_on=[*image, OBJECT_NUMBER], how="left", maintain_order="left"
        )
    rows = rows.join(places, on=image, how="left", maintain_order="left")
    rows = rows.rename({name: f"Metadata_{name}" for name in (*image, *LINKS)})
    yield rows.select(_schema(tables).keys())


def _schema(tables: Mapping[str, Table]) -> dict[str, type[pl.DataType]]:
    schema: dict[str, type[pl.DataType]] = dict.fromkeys(PLACE, pl.String)
    schema |= {f"Metadata_{name}": pl.Int64 for name in (TABLE_NUMBER, IMAGE_NUMBER)}
    schema |= {_number_of(name): pl.Int64 for name in (*PARENTS, CHILD)}
    schema |= {f"Metadata_{name}": pl.Float64 for name in LINKS}
    for name in (PARENTS[0], CHILD, PARENTS[1]):
        schema |= {
            column: kind
            for column, kind in tables[name].schema.items()
            if column not in (TABLE_NUMBER, IMAGE_NUMBER, OBJECT_NUMBER, *LINKS)
        }
    return schema


def _number_of(compartment: str) -> str:
    return f"Metadata_{OBJECT_NUMBER}_{compartment.lower()}"
