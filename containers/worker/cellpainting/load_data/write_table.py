"""The normalised table as CSV again: what `read_csv` reads to the same table, and CellProfiler's LoadData reads too."""

import csv
import io
from collections.abc import Mapping
from urllib.parse import quote

from cellpainting.errors import InvalidRequest
from cellpainting.load_data.places import MOUNTS, Places, locate
from cellpainting.load_data.table import Column, LoadData

LABELS = "ObjectsURL_"


def write_table(table: LoadData, bucket_uri: str) -> str:
    """Write a row per image set, images as URLs and all else as it is in the table.

    `bucket_uri` is `storage.uri("")`. Keys become `s3://bucket/key`, those with a `+`, which CellProfiler takes for a
    space there, `file:` URLs of the mounted bucket; in a folder that stands for a bucket all do. No `path_remap` is
    needed to read them. A label image has its file and folder too, without which LoadData fails.

    Raises
    ------
    InvalidRequest
        If a place would not be read as what it is.
    """
    urls = {place: _url(place, bucket_uri) for row in table.rows for place in table.images(row)}
    urls[""] = ""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(name for column in table.columns for name in _names(column))
    for row in table.rows:
        cells = zip(table.columns, row, strict=True)
        writer.writerow(value for column, cell in cells for value in _values(column, cell, urls))
    return text.getvalue()


def _names(column: Column) -> tuple[str, ...]:
    if not column.name.startswith(LABELS):
        return (column.name,)
    name = column.name.removeprefix(LABELS)
    return column.name, f"ObjectsFileName_{name}", f"ObjectsPathName_{name}"


def _values(column: Column, cell: str, urls: Mapping[str, str]) -> tuple[str, ...]:
    if not column.is_image:
        return (cell,)
    url = urls[cell]
    if not column.name.startswith(LABELS):
        return (url,)
    folder, _, name = url.rpartition("/")
    return url, name, folder


def _url(place: str, bucket_uri: str) -> str:
    if place.startswith("s3://"):
        url = place
    elif bucket_uri.startswith("s3://") and "+" not in place:
        url = bucket_uri + place
    else:
        folder = f"file://{MOUNTS[0]}" if bucket_uri.startswith("s3://") else bucket_uri.rstrip("/") + "/"
        url = folder + quote(place)
    if locate(url, Places.of(bucket_uri)) != place:
        raise InvalidRequest(f"image location {place!r}: load data cannot name it; copy the file to a plainer key")
    return url
