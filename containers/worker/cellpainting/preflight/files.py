"""Every file that a run would read against the storage, one HEAD each: no listing, nothing is downloaded."""

import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from statistics import median

from cellpainting.errors import MissingInput
from cellpainting.load_data import LoadData
from cellpainting.preflight.channels import image_name
from cellpainting.preflight.finding import Finding, Severity
from cellpainting.preflight.image_sets import is_shared
from cellpainting.storage import Sources, Storage, StoredObject

WORKERS = 32  # as many connections as the S3 client keeps
SUSPICIOUS = 0.1  # of the median size of a channel's files: LZW leaves an empty field of view larger than that
MD5 = re.compile(r"[0-9a-f]{32}")  # the ETag of an S3 object sent in one part tells its content

Tell = Callable[[int, int], None]
Stored = Mapping[str, StoredObject | None]


@dataclass(frozen=True)
class Users:
    """Which channel a file is of, and the numbers of the image sets that use it; none if only CellProfiler can tell."""

    channel: str
    numbers: tuple[int, ...]

    def of(self, place: str) -> str:
        """The file and who uses it, as far as that is known."""
        if not self.numbers:
            return place
        return f"{place} ({self.channel}, {len(self.numbers)} image set{'s' if len(self.numbers) > 1 else ''})"


def users_of_files(table: LoadData, numbers: Sequence[int]) -> dict[str, Users]:
    """All files of these image sets, each once."""
    channels: dict[str, str] = {}
    users: dict[str, dict[int, None]] = defaultdict(dict)
    for number in numbers:
        for at in table.image_positions:
            if place := table.rows[number][at]:
                channels.setdefault(place, image_name(table.columns[at].name))
                users[place][number] = None
    return {place: Users(channels[place], tuple(users[place])) for place in users}


def stat_files(places: Sequence[str], storage: Storage, tell: Tell) -> dict[str, StoredObject | None]:
    """Size and ETag of every file; None for one that is not there.

    Raises
    ------
    StorageUnavailable
        If the storage itself fails.
    """
    sources = Sources(storage)

    def stat(place: str) -> StoredObject | None:
        holder, key = sources.of(place)
        try:
            return holder.stat(key)
        except MissingInput:
            return None

    stored: dict[str, StoredObject | None] = {}
    with ThreadPoolExecutor(WORKERS) as workers:
        for place, found in zip(places, workers.map(stat, places), strict=True):
            stored[place] = found
            tell(len(stored), len(places))
    return stored


def check_files(users: Mapping[str, Users], stored: Stored) -> Iterator[Finding]:
    """Files that are missing, empty or much smaller than others of their channel."""
    sizes: dict[str, list[int]] = defaultdict(list)
    for place, found in stored.items():
        if found is not None and found.size:
            sizes[users[place].channel].append(found.size)
    usual = {channel: median(values) for channel, values in sizes.items()}
    for place, found in stored.items():
        user = users[place]
        if found is None:
            yield _error(place, user, "a file is not in the storage", "upload it, or correct the load data")
        elif not found.size:
            yield _error(place, user, "a file has 0 bytes", "upload it again, or take its image sets out")
        elif found.size < SUSPICIOUS * usual[user.channel]:
            yield Finding(
                Severity.WARNING,
                f"{user.of(place)}: {found.size} bytes, usually {usual[user.channel]:.0f}",
                "a file is much smaller than others of its channel",
                "look whether it is truncated or a blank image",
            )


def check_contents(table: LoadData, numbers: Sequence[int], stored: Stored) -> Iterator[Finding]:
    """Two channels of an image set whose files, of different names, have the same content."""
    positions = [at for at in table.image_positions if not is_shared(table, at)]
    for number in numbers:
        first: dict[str, int] = {}
        for at in positions:
            place = table.rows[number][at]
            found = stored.get(place)
            if found is None or not found.size or not MD5.fullmatch(found.etag):
                continue
            same = first.setdefault(found.etag, at)
            if table.rows[number][same] != place:
                names = [image_name(table.columns[one].name) for one in (same, at)]
                yield Finding(
                    Severity.WARNING,
                    f"{' and '.join(names)}: {table.rows[number][same]} and {place}",
                    "two channels of an image set are files of the same content",
                    "look which of the channels it is, and upload the other",
                )


def _error(place: str, user: Users, problem: str, remedy: str) -> Finding:
    return Finding(Severity.ERROR, user.of(place), problem, remedy, user.numbers)
