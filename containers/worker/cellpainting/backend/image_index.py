"""Which image sets there are, before anything is measured against them: every Image.csv, read once, for its names.

The order of a backend's rows is decided here, by plate layout and not by how folders happen to be listed, and so is
each set's TableNumber, the CRC-32 of its Image.csv, as cytominer-database has it.
"""

import csv
import io
import re
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

from cellpainting.backend.csv_blocks import open_csv
from cellpainting.backend.csv_sets import CsvSet
from cellpainting.backend.csv_table import MISSING as NOT_A_NUMBER
from cellpainting.backend.csv_table import TEXT_BY_NAME, Header, read_header, whole_rows
from cellpainting.backend.names import COUNT, IMAGE, IMAGE_NUMBER
from cellpainting.errors import DamagedTable, MissingInput
from cellpainting.ledger.image_set import ImageSet
from cellpainting.load_data.value_type import canonical, value_type
from cellpainting.storage import Storage

Tell = Callable[[int, int], None]
READERS = 16  # files on their way at once
# Where an image came from, and not which one it is: the same site measured from two places is there twice.
PLACES = re.compile(r"Metadata_(FileLocation|Series|Frame|Folder|PathName)")
MISSING = frozenset({"", *NOT_A_NUMBER})
LARGEST = 2**53  # floats hold all whole numbers below
NUMBERS = re.compile(r"(\d+)")


@dataclass(frozen=True)
class IndexedImage:
    """One row of an Image.csv. `counts` are its own numbers of objects, by table; `identity` its metadata."""

    number: int
    plate: str
    well: str
    site: str
    counts: Mapping[str, int]
    identity: tuple[tuple[str, str], ...]

    @property
    def place(self) -> tuple[str, ...]:
        """Plate, well and site, as far as it has them."""
        return tuple(filter(None, (self.plate, self.well, self.site)))


@dataclass(frozen=True)
class IndexedSet:
    """A set of CSVs whose image sets are known. `refused` tells why others are not taken, by ImageNumber."""

    files: CsvSet
    table_number: int
    images: tuple[IndexedImage, ...]
    refused: Mapping[int, str]
    others: frozenset[int] = frozenset()  # of another plate
    text: frozenset[str] = frozenset()  # columns of its Image.csv that have a text

    @property
    def order(self) -> tuple[object, ...]:
        """Where it comes among the others: by the place of its first image, then by its folder."""
        first = min(self.images, key=place_order)
        return (*place_order(first), self.files.folder)


@dataclass(frozen=True)
class ImageIndex:
    """All image sets that can be taken, in the backend's order; `unreadable` are sets without, and why; `copies` those
    that have nothing but what other folders have.

    `text`, once the plate is known, are columns of Image.csv that have a text in any of them; `renumbered` the sets
    that share their CRC-32.
    """

    sets: tuple[IndexedSet, ...]
    unreadable: tuple[tuple[CsvSet, str], ...]
    copies: tuple[tuple[CsvSet, str], ...]
    text: frozenset[str]
    plates: tuple[str, ...]
    renumbered: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Read:
    files: CsvSet
    crc: int
    rows: tuple[IndexedImage, ...]
    text: frozenset[str]
    problem: str = ""


def read_image_index(sets: Sequence[CsvSet], storage: Storage, scratch: Path, tell: Tell) -> ImageIndex:
    """Read the Image.csv of every set; `tell` hears how many have been, of how many.

    Raises
    ------
    StorageUnavailable
        If the storage fails.
    """
    read = []
    with ThreadPoolExecutor(READERS) as readers:
        for number, one in enumerate(readers.map(lambda files: _read(files, storage, scratch), sets), start=1):
            read.append(one)
            tell(number, len(sets))
    whole = [one for one in read if not one.problem]
    numbers, renumbered = _table_numbers(whole)
    indexed = [_indexed(one, numbers[one.files.folder]) for one in whole]
    return ImageIndex(
        sets=tuple(indexed),
        unreadable=tuple((one.files, one.problem) for one in read if one.problem),
        copies=(),
        text=frozenset(),
        plates=tuple(sorted({image.plate for one in whole for image in one.rows if image.plate})),
        renumbered=tuple(renumbered),
    )


def of_plate(index: ImageIndex, plate: str) -> ImageIndex:
    """The image sets of one plate, in the backend's order, each only once.

    An image set that names no plate is of this one. Where none has the plate's name, those have it that LoadData makes
    of it: `42` of `0042`. Of several with the same metadata, or in copies of one file, the first folder's is taken.
    """
    called = plate if plate in index.plates else canonical(plate, value_type([plate]))
    named = [_named(one, plate, called) for one in index.sets]
    seen: dict[tuple[object, ...], str] = {}
    unique = [_without_copies(one, seen) for one in sorted(named, key=lambda one: one.files.folder)]
    kept = [replace(one, images=tuple(sorted(one.images, key=place_order))) for one in unique if one.images]
    copies = [(one.files, next(iter(one.refused.values()))) for one in unique if not one.images and one.refused]
    return replace(
        index,
        sets=tuple(sorted(kept, key=lambda one: one.order)),
        copies=tuple(copies),
        text=frozenset().union(*(one.text for one in kept)),
    )


def place_order(image: IndexedImage) -> tuple[object, ...]:
    """By well, then site, then number; B2 comes before B10."""
    return (natural(image.well), natural(image.site), image.number)


def natural(text: str) -> tuple[tuple[int, str], ...]:
    """Sort key in which numbers within texts count as numbers."""
    return tuple((int(part), "") if part.isdecimal() else (-1, part) for part in NUMBERS.split(text) if part)


def _read(files: CsvSet, storage: Storage, scratch: Path) -> _Read:
    if files.image is None:
        return _Read(files, 0, (), frozenset(), "its folder has no Image.csv")
    images: list[IndexedImage] = []
    text: set[str] = set()
    try:
        with open_csv(storage, files.image, scratch) as content:
            crc = content.crc32()
            for block in content.blocks():
                header = read_header(block, IMAGE)
                whole_rows(block, header)
                for record in _records(block, header):
                    images.append(_image(record))
                    text |= _text_columns(record, text)
    except (DamagedTable, MissingInput) as error:
        return _Read(files, 0, (), frozenset(), f"Image.csv: {error}")
    problem = "" if images else "Image.csv has a header and no image set"
    return _Read(files, crc, tuple(images), frozenset(text), problem)


def _records(content: bytes, header: Header) -> Iterator[dict[str, str]]:
    for row in csv.reader(io.StringIO(content[len(header.lines) :].decode(), newline="")):
        if row and len(row) != len(header.names):
            raise DamagedTable(f"a row has {len(row)} fields, the header has {len(header.names)}")
        if row:
            yield dict(zip(header.names, row, strict=True))


def _image(record: Mapping[str, str]) -> IndexedImage:
    metadata = {name: _present(value) for name, value in record.items() if name.startswith("Metadata_")}
    named = ImageSet.of(0, 0, metadata, ())
    told = metadata if named.site else metadata | _file_names(record)
    return IndexedImage(
        number=_number(record[IMAGE_NUMBER]),
        plate=named.plate,
        well=named.well,
        site=named.site,
        counts={name.removeprefix(COUNT).capitalize(): n for name, n in _counts(record)},
        identity=tuple((name, value) for name, value in told.items() if not PLACES.match(name)),
    )


def _file_names(record: Mapping[str, str]) -> dict[str, str]:
    """What tells the sites of a well apart where nothing names them."""
    return {name: value for name, value in record.items() if name.startswith("FileName_")}


def _number(text: str) -> int:
    try:
        number = float(text)
    except ValueError as error:
        raise DamagedTable(f"ImageNumber is {text!r}") from error
    if not number.is_integer() or abs(number) >= LARGEST:
        raise DamagedTable(f"ImageNumber is {text!r}")
    return int(number)


def _counts(record: Mapping[str, str]) -> Iterator[tuple[str, int]]:
    for name, value in record.items():
        if name.startswith(COUNT) and value not in MISSING:
            try:
                yield name, int(float(value))
            except (ValueError, OverflowError):
                continue  # it is told as a text column


def _present(value: str) -> str:
    return "" if value in MISSING else value


def _text_columns(record: Mapping[str, str], known: Set[str]) -> set[str]:
    """Columns with a text that are not known to have one."""
    return {
        name
        for name, value in record.items()
        if name not in known and not TEXT_BY_NAME.match(name) and not _is_number(value)
    }


def _is_number(value: str) -> bool:
    if value in MISSING:
        return True
    try:
        float(value)
    except ValueError:
        return False
    return True


def _table_numbers(read: Sequence[_Read]) -> tuple[dict[str, int], list[str]]:
    """A number for each folder: the CRC-32, and the next free one where different files have the same.

    Copies of one file keep the same number: they are told apart as duplicates.
    """
    numbers: dict[str, int] = {}
    owners: dict[int, tuple[IndexedImage, ...]] = {}
    renumbered = []
    for one in sorted(read, key=lambda one: one.files.folder):
        number = one.crc
        while owners.setdefault(number, one.rows) != one.rows:
            number = (number + 1) % 2**32
        if number != one.crc:
            renumbered.append(one.files.folder)
        numbers[one.files.folder] = number
    return numbers, renumbered


def _indexed(read: _Read, table_number: int) -> IndexedSet:
    images: dict[int, IndexedImage] = {}
    refused = {}
    for image in read.rows:
        if image.number in images:
            refused[image.number] = f"Image.csv has ImageNumber {image.number} more than once"
        images.setdefault(image.number, image)
    return IndexedSet(read.files, table_number, tuple(images.values()), refused, text=read.text)


def _named(one: IndexedSet, plate: str, called: str) -> IndexedSet:
    mine = tuple(replace(image, plate=plate) for image in one.images if image.plate in ("", called))
    others = frozenset(image.number for image in one.images) - {image.number for image in mine}
    refused = {number: reason for number, reason in one.refused.items() if number not in others}
    return replace(one, images=mine, others=others, refused=refused)


def _without_copies(one: IndexedSet, seen: dict[tuple[object, ...], str]) -> IndexedSet:
    kept, refused = [], dict(one.refused)
    for image in one.images:
        keys: list[tuple[object, ...]] = [(one.table_number, image.number)]
        if image.well:
            keys.append((image.identity,))
        first = next((seen[key] for key in keys if key in seen), None)
        if first is None:
            seen |= dict.fromkeys(keys, one.files.folder)
            kept.append(image)
        else:
            refused[image.number] = f"the image set {'-'.join(image.place)} is in {first}, too"
    return replace(one, images=tuple(kept), refused=refused)
