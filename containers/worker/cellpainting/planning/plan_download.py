"""From load data to the shards of a download: a plate is divided into parts, each with image sets from all over it."""

import hashlib
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence

from cellpainting.errors import InvalidField, InvalidRequest
from cellpainting.jobs.download_images import CHANNELS, DownloadImages
from cellpainting.load_data import Column, LoadData
from cellpainting.planning.grouping import folder_name
from cellpainting.planning.shard_plan import Group, PlatePart, ShardPlan

Row = tuple[str, ...]

PLATE_COLUMNS = ("Metadata_Source", "Metadata_Batch", "Metadata_Plate")
REQUIRED = ("Metadata_Plate", "Metadata_Well", "Metadata_Site")
# The published names of images, without the channel: those of the columns that a table has.
IMAGE_SET_COLUMNS = ("Metadata_Source", "Metadata_Plate", "Metadata_Well", "Metadata_Site")
# A third of the largest plates: some 6,000 images or 13 GB, two minutes of a fast host.
IMAGE_SETS_PER_SHARD = 1152
# Image sets of a plate that its own limits are measured on: 19 million pixels of each channel.
SAMPLED_IMAGE_SETS = 32
URL, ORIGINAL = "URL_", "Orig"


def plan_download(job: DownloadImages, table: LoadData) -> tuple[ShardPlan, ...]:
    """Divide the image sets that a request selects.

    Raises
    ------
    InvalidRequest
        If the table has not the columns that are needed, nothing is selected, or two image sets or plates would have
        the same name.
    """
    _require(REQUIRED, table, "load_data", job.load_data)
    _require([column for column, _ in job.select], table, "select", dict(job.select))
    table = LoadData(*_of_columns(table, channel_columns(job, table).values()))
    rows = [row for row in table.rows if _is_selected(row, job, table)]
    if not rows:
        raise InvalidField("select", dict(job.select), f"no image set of {job.load_data} has these values; correct it")
    shards: list[ShardPlan] = []
    for plate, members in _plates(rows, table).items():
        for part, groups in _parts(plate, members, job, table):
            shards.append(ShardPlan(len(shards), groups, table.columns, part=part))
    return tuple(shards)


def channel_columns(job: DownloadImages, table: LoadData) -> dict[str, str]:
    """The image column of each channel: those that the request names, else the ones of Cell Painting, else all.

    Raises
    ------
    InvalidField
        If a channel that the request names has no column, or there is none at all.
    """
    known: dict[str, str] = {}
    for at in table.image_positions:
        name = table.columns[at].name.removeprefix(URL)
        channel = name.removeprefix(ORIGINAL)
        if "illum" not in name.casefold() and (channel not in known or name != channel):
            known[channel] = table.columns[at].name
    wanted = job.channels or [channel for channel in CHANNELS if channel in known] or list(known)
    missing = [channel for channel in wanted if channel not in known]
    if missing or not wanted:
        raise InvalidField("channels", missing or None, f"{job.load_data} has images of {', '.join(known) or 'none'}")
    return {channel: known[channel] for channel in wanted}


def channel_positions(job: DownloadImages, table: LoadData) -> dict[str, int]:
    """Where the place of each channel's image stands in a row; the channels are those of `channel_columns`."""
    return {channel: table.positions[column] for channel, column in channel_columns(job, table).items()}


def _require(columns: Sequence[str], table: LoadData, field: str, value: object) -> None:
    known = [name for name in table.positions if name.startswith("Metadata_")]
    for column in columns:
        if column not in known:
            raise InvalidField(field, value, f"the load data has no column {column}; it has {', '.join(known)}")


def _of_columns(table: LoadData, images: Iterable[str]) -> tuple[tuple[Column, ...], tuple[Row, ...]]:
    wanted = set(images)
    kept = [at for at, column in enumerate(table.columns) if not column.is_image or column.name in wanted]
    return tuple(table.columns[at] for at in kept), tuple(tuple(row[at] for at in kept) for row in table.rows)


def _is_selected(row: Row, job: DownloadImages, table: LoadData) -> bool:
    return all(row[table.positions[column]] in values for column, values in job.select)


def _plates(rows: Sequence[Row], table: LoadData) -> dict[str, list[Row]]:
    """The rows of each plate, by a name for files of its own."""
    columns = _present(PLATE_COLUMNS, table)
    plates: dict[Row, list[Row]] = {}
    for row in rows:
        plates.setdefault(tuple(row[table.positions[column]] for column in columns), []).append(row)
    named: dict[str, Row] = {}
    for plate, members in plates.items():
        name = folder_name("__".join(columns), table.metadata(members[0]))
        if other := named.get(name):
            raise InvalidRequest(f"two plates, {other} and {plate}, would have the files {name}; rename one of them")
        named[name] = plate
    return {name: plates[plate] for name, plate in named.items()}


def _parts(
    plate: str, rows: Sequence[Row], job: DownloadImages, table: LoadData
) -> Iterator[tuple[PlatePart, tuple[Group, ...]]]:
    """The parts of one plate. Each takes every n-th image set, so that it is like the whole."""
    named = _named(rows, table)
    sample = _sample(named) if job.scaling == "plate" else ()
    count = math.ceil(len(rows) / IMAGE_SETS_PER_SHARD)
    tars = 0
    for number in range(count):
        members = list(named.items())[number::count]
        if job.format == "png":
            groups = tuple(Group(name, (row,)) for name, row in members)
        else:
            groups = tuple(_tar_groups([row for _, row in members], job, table, tars))
            tars += len(groups)
        yield PlatePart(plate, number, count, sample), groups


def _named(rows: Sequence[Row], table: LoadData) -> dict[str, Row]:
    named: dict[str, Row] = {}
    for row in rows:
        name = image_set_name(table, row)
        if name in named:
            raise InvalidRequest(
                f"two image sets of the load data would have the files {name}__<channel>.png; take one of them out"
            )
        named[name] = row
    return named


def image_set_name(table: LoadData, row: Row) -> str:
    """Where the files of an image set are, without channel: the published tree, from the columns that the table has."""
    structure = "/".join([*_present(PLATE_COLUMNS, table), "__".join(_present(IMAGE_SET_COLUMNS, table))])
    named = {name: row[table.positions[name]] for name in _present((*PLATE_COLUMNS, *REQUIRED), table)}
    return folder_name(structure, named)


def _tar_groups(rows: Sequence[Row], job: DownloadImages, table: LoadData, first: int) -> Iterator[Group]:
    folders = _present(PLATE_COLUMNS, table)
    names = _present(IMAGE_SET_COLUMNS[:2], table)
    for number, start in enumerate(range(0, len(rows), job.image_sets_per_group), start=first):
        structure = "/".join([*folders, "__".join(names)])
        yield Group(
            f"{folder_name(structure, table.metadata(rows[0]))}-{number:06}",
            tuple(rows[start : start + job.image_sets_per_group]),
        )


def _sample(named: Mapping[str, Row]) -> tuple[Row, ...]:
    """Image sets that chance chose once and for all: the same whatever the order of the table."""
    by_chance = sorted(named, key=lambda name: hashlib.sha256(name.encode()).digest())
    return tuple(named[name] for name in by_chance[:SAMPLED_IMAGE_SETS])


def _present(columns: Sequence[str], table: LoadData) -> list[str]:
    return [column for column in columns if column in table.positions]
