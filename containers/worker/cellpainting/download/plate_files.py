"""What a shard publishes of its part of a plate beside the images: the index, and of the first part a contact sheet."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from itertools import count

from cellpainting.download.index import IndexRow, write_index
from cellpainting.download.publish import Form
from cellpainting.errors import MissingInput
from cellpainting.images.contact_sheet import SheetRow, contact_sheet
from cellpainting.images.decode import decode
from cellpainting.planning import PlatePart
from cellpainting.storage import Storage

SITES = 8  # of a contact sheet
TOLD = ("Metadata_pert_type", "Metadata_Name", "Metadata_Symbol")  # of a well, where the load data knows it
LONGEST_LINE = 18  # characters beside a row


def write_plate_files(
    bucket: Storage,
    output: str,
    part: PlatePart,
    form: Form,
    metadata: Mapping[str, Mapping[str, str]],
    channels: Sequence[str],
) -> None:
    """Write `index/<plate>-<part>.parquet` and `contact_sheets/<plate>.png`, with the image sets that are whole."""
    rows = [
        IndexRow(name, metadata[name], form.images[name])
        for name in metadata
        if set(channels) == form.images.get(name, {}).keys()
    ]
    if rows:
        bucket.write(_index_key(output, part.plate, part.number), write_index(rows))
    else:
        bucket.delete(_index_key(output, part.plate, part.number))
    if part.number == 0:
        _delete_more_parts(bucket, output, part)
        if rows:
            bucket.write(f"{output}/contact_sheets/{part.plate}.png", _sheet(part.plate, rows, form))


def _index_key(output: str, plate: str, number: int) -> str:
    return f"{output}/index/{plate}-{number}.parquet"


def _delete_more_parts(bucket: Storage, output: str, part: PlatePart) -> None:
    """Delete the indexes of parts that an earlier plan had beyond those there are now."""
    with suppress(MissingInput):
        for number in count(part.count):
            key = _index_key(output, part.plate, number)
            bucket.stat(key)
            bucket.delete(key)


def _sheet(plate: str, rows: Sequence[IndexRow], form: Form) -> bytes:
    """Sites from all over the part, which itself is from all over the plate."""
    number = min(SITES, len(rows))
    chosen = [rows[position * len(rows) // number] for position in range(number)]
    return contact_sheet(plate, [_sheet_row(row, form) for row in chosen])


def _sheet_row(row: IndexRow, form: Form) -> SheetRow:
    place = f"{row.metadata['Metadata_Well']}  site {row.metadata['Metadata_Site']}"
    told = [row.metadata[name][:LONGEST_LINE] for name in TOLD if row.metadata.get(name)]
    return SheetRow([place, *told], {channel: decode(content) for channel, content in form.read(row.name).items()})
