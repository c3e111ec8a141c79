"""Image sets against each other: told twice, made of the same files, put together though of different plates."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence

from cellpainting.ledger.image_set import ImageSet
from cellpainting.load_data import LoadData
from cellpainting.planning.selection import Selection
from cellpainting.preflight.channels import image_name
from cellpainting.preflight.finding import Finding, Severity

SHARED_SUFFIXES = (".npy", ".mat")  # an illumination function belongs to a whole plate
WITHIN_FILE = ("Frame_", "Series_")  # columns that choose a plane of a file


def check_image_sets(table: LoadData, image_sets: Sequence[ImageSet]) -> Iterator[Finding]:
    """Duplicates of image sets and of files."""
    yield from _duplicates(image_sets)
    for number, row in enumerate(table.rows):
        yield from _two_channels(table, row, image_sets[number].label)
    for at in table.image_positions:
        if not is_shared(table, at):
            yield from _two_image_sets(table, at, image_sets)


def check_mixed_plates(selection: Selection, image_sets: Sequence[ImageSet]) -> Iterator[Finding]:
    """Groups, that is output folders, that have image sets of several plates."""
    for values, numbers in selection.rows.items():
        plates = {(image_sets[number].source, image_sets[number].batch, image_sets[number].plate) for number in numbers}
        if len(plates) > 1:
            names = ", ".join(sorted(" ".join(filter(None, plate)) for plate in plates))
            yield Finding(
                Severity.WARNING,
                f"{'-'.join(values) or 'all image sets'}: {names}",
                "a group has image sets of several plates, which are measured together into one folder",
                "add Metadata_Plate (and Metadata_Batch, Metadata_Source) to 'group_by'",
            )


def is_shared(table: LoadData, at: int) -> bool:
    """Whether an image column is one of files that belong to many image sets: illumination functions."""
    if "illum" in table.columns[at].name.casefold():
        return True
    return bool(table.rows) and all(row[at].endswith(SHARED_SUFFIXES) for row in table.rows)


def _duplicates(image_sets: Sequence[ImageSet]) -> Iterator[Finding]:
    """More rows of a site than the others have, which is one, or as many as there are planes or time points."""
    rows = Counter(
        (one.source, one.batch, one.plate, one.well, one.site) for one in image_sets if one.well and one.site
    )
    frequency = Counter(rows.values())
    usual = min(frequency, key=lambda count: (-frequency[count], count), default=0)
    for (*_, plate, well, site), count in rows.items():
        if count > usual:
            yield Finding(
                Severity.WARNING,
                f"{'-'.join(filter(None, (plate, well, site)))} ({count} rows, the others {usual})",
                "the load data has an image set more than once: its cells would be counted more than once",
                "take the other rows out",
            )


def _two_channels(table: LoadData, row: Sequence[str], label: str) -> Iterator[Finding]:
    first: dict[tuple[str, ...], int] = {}
    for at in table.image_positions:
        file = (row[at], *_plane(table, row, at))
        if row[at] and file in first:
            names = [image_name(table.columns[one].name) for one in (first[file], at)]
            yield Finding(
                Severity.WARNING,
                f"{label}: {' and '.join(names)} are {row[at]}",
                "two channels of an image set are the same file",
                "correct the load data",
            )
        first.setdefault(file, at)


def _two_image_sets(table: LoadData, at: int, image_sets: Sequence[ImageSet]) -> Iterator[Finding]:
    name = image_name(table.columns[at].name)
    users: Mapping[tuple[str, ...], list[int]] = defaultdict(list)
    for number, row in enumerate(table.rows):
        if row[at]:
            users[row[at], *_plane(table, row, at)].append(number)
    for file, numbers in users.items():
        labels = dict.fromkeys(image_sets[number].label for number in numbers)
        if len(labels) > 1:
            yield Finding(
                Severity.WARNING,
                f"{name} of {', '.join(labels)}: {file[0]}",
                "several image sets have the same file",
                "correct the load data",
            )


def _plane(table: LoadData, row: Sequence[str], at: int) -> Iterator[str]:
    name = image_name(table.columns[at].name)
    for prefix in WITHIN_FILE:
        if prefix + name in table.positions:
            yield row[table.positions[prefix + name]]
