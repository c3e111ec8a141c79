"""Some sets of CSVs, read together: their files are looked at side by side, and those of one kind parsed as one."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from cellpainting.backend.batch_record import BatchRecord, Oddity, Rejection, Save
from cellpainting.backend.csv_blocks import BLOCK, open_csv
from cellpainting.backend.csv_sets import CsvSet
from cellpainting.backend.csv_table import Header, count_rows, parse, read_header, split_combined, whole_rows
from cellpainting.backend.experiment import read_experiment
from cellpainting.backend.image_index import IndexedSet
from cellpainting.backend.names import COMBINED, EXPERIMENT, FILE, IMAGE, TABLE_NUMBER
from cellpainting.backend.take_rows import Part, Seen, take_rows
from cellpainting.errors import DamagedTable, MissingInput
from cellpainting.storage import Storage, StoredObject

READERS_PER_PROCESSOR = 4  # files on their way at once: most of the time, they wait for the storage
CUT = "its last line has no end: its last value may be cut off"
SURPLUS = "another file of its folder has this name, but for its case"
IN_COMBINED = "the CSV with all compartments has this table, too"
RELATIONSHIPS = "relationships"


@dataclass(frozen=True)
class Checked:
    """A file, or a block of one, that can be parsed: its rows without the header, and how many there are."""

    part: Part
    header: Header
    rows: bytes
    count: int
    is_cut: bool = False


Tables = dict[str, list[pl.DataFrame]]
Begun = list[tuple[Part, Future[Checked | str]]]  # a file, or why it cannot be parsed


class BatchReader:
    """Reads batches of an analysis. `text` are the columns that are known to be text; `wanted`, if not empty, the only
    tables of objects to take.
    """

    def __init__(
        self, storage: Storage, *, text: frozenset[str], wanted: frozenset[str], scratch: Path, processors: int
    ) -> None:
        self._storage, self._scratch = storage, scratch
        self._text, self._wanted = text, wanted
        self._fetching = ThreadPoolExecutor(processors * READERS_PER_PROCESSOR)
        self._working = ThreadPoolExecutor(processors)
        self._begun: Begun = []  # of the sets that are to follow

    def close(self) -> None:
        """Let go of the threads."""
        self._fetching.shutdown(cancel_futures=True)
        self._working.shutdown(cancel_futures=True)

    def read(self, sets: Sequence[IndexedSet], following: Sequence[IndexedSet], save: Save) -> BatchRecord:
        """Read all files of some sets; `save` keeps the rows of a table. The sets that follow are fetched meanwhile.

        Raises
        ------
        TextFound
            If columns have text that were not known to.
        StorageUnavailable
            If the storage fails.
        """
        record = BatchRecord(size=sum(one.files.size for one in sets))
        begun = self._begun if self._begun and self._begun[0][0].source is sets[0] else self._begin(sets)
        tables, parts = self._parsed(self._whole(begun, record), record)
        begun.clear()  # with the text of all files
        self._begun = self._begin(following)
        self._take(tables, parts, record, save)
        for part in (Part(one, table, file) for one in sets for table, file in _files(one.files)):
            if part.file.size > BLOCK:
                self._take_in_blocks(part, record, save)
        for one in sets:
            for file, table in one.files.surplus.items():
                record.reject(self.rejected(table, file, SURPLUS))
        self._take_experiments([one for one in sets if one.files.experiment], record, save)
        return record

    def rejected(self, table: str, file: StoredObject, reason: str) -> Rejection:
        """A file that nothing is taken of, with the number of its rows."""
        try:
            with open_csv(self._storage, file, self._scratch, _header_lines(table)) as content:
                rows = sum(count_rows(block, _header_lines(table)) for block in content.blocks())
        except (DamagedTable, MissingInput):
            rows = 0
        return Rejection(file.key, table, rows, reason)

    def rejected_set(self, files: CsvSet, reason: str) -> Iterator[Rejection]:
        """All files of a set that nothing is taken of."""
        for table, file in _files(files):
            yield self.rejected(table, file, reason)
        for file, table in files.surplus.items():
            yield self.rejected(table, file, reason)

    def _begin(self, sets: Sequence[IndexedSet]) -> Begun:
        """Begin to fetch the files of some sets, and to look at them."""
        parts = [Part(one, table, file) for one in sets for table, file in _files(one.files)]
        return [(part, self._fetching.submit(self._check, part)) for part in parts if part.file.size <= BLOCK]

    def _whole(self, begun: Begun, record: BatchRecord) -> list[Checked]:
        """The files that can be parsed; why others cannot is taken down."""
        checked: list[Checked] = []
        in_combined: dict[str, frozenset[str]] = {}  # tables, by folder; combined files come first in their set
        without_images = set()  # folders; the file of images comes before all others
        for part, checking in begun:
            found = checking.result()
            if part.folder in without_images:
                found = "Image.csv of its folder could not be read any more"
            if not isinstance(found, str) and part.table in in_combined.get(part.folder, ()):
                found = IN_COMBINED
            if isinstance(found, str):
                record.reject(self.rejected(part.table, part.file, found))
                if part.table == IMAGE:
                    without_images.add(part.folder)
                continue
            if part.table == COMBINED:
                in_combined[part.folder] = frozenset(found.header.tables)
            checked.append(found)
        return checked

    def _check(self, part: Part) -> Checked | str:
        """The file, or why it cannot be parsed."""
        try:
            with open_csv(self._storage, part.file, self._scratch, _header_lines(part.table)) as content:
                return _checked(part, next(content.blocks()))
        except (DamagedTable, MissingInput) as error:
            return str(error)

    def _parsed(self, checked: Sequence[Checked], record: BatchRecord) -> tuple[Tables, list[Part]]:
        """The rows of files by table; those with the same header are parsed as one."""
        alike: dict[tuple[str, Header], list[int]] = defaultdict(list)
        for position, one in enumerate(checked):
            alike[one.part.table, one.header].append(position)
        tables: Tables = defaultdict(list)
        parsed = self._working.map(lambda positions: self._parse(checked, positions), alike.values())
        for ((table, header), positions), (rows, rejections) in zip(alike.items(), parsed, strict=True):
            for rejection in rejections:
                record.reject(rejection)
            split = {table: rows} if table else split_combined(rows, header)
            for name, frame in split.items():
                if table or not self._wanted or name in self._wanted:
                    tables[name].append(frame)
                    record.note_columns(name, frame.columns[1:], [checked[at].part.folder for at in positions])
        record.oddities += [Oddity(one.part.file.key, CUT) for one in checked if one.is_cut]
        return tables, [one.part for one in checked]

    def _take(
        self,
        tables: Tables,
        parts: Sequence[Part],
        record: BatchRecord,
        save: Save,
        seen: Mapping[str, Seen] | None = None,
    ) -> None:
        """Take the rows of each table; `seen` is of earlier blocks of the same file."""
        for taken in self._working.map(
            lambda name: take_rows(name, tables[name], parts, save, None if seen is None else seen[name]),
            sorted(tables),
        ):
            record.add(taken)

    def _parse(self, checked: Sequence[Checked], positions: Sequence[int]) -> tuple[pl.DataFrame, list[Rejection]]:
        """The rows of files with the same header, each with the position of its file; and what cannot be parsed."""
        files = [checked[at] for at in positions]
        counts = [one.count for one in files]
        rejections: list[Rejection] = []
        try:
            rows = parse(b"".join(one.rows for one in files), files[0].header, self._text)
        except DamagedTable as error:
            if len(files) > 1:  # one of them; the others are parsed without it
                each = [self._parse(checked, [at]) for at in positions]
                return pl.concat([rows for rows, _ in each]), [one for _, rejections in each for one in rejections]
            rejections = [self.rejected(files[0].part.table, files[0].part.file, str(error))]
            rows, counts = parse(b"", files[0].header, self._text), [0]
        rows.insert_column(0, pl.Series(FILE, np.repeat(positions, counts), dtype=pl.Int64))
        return rows, rejections

    def _take_in_blocks(self, part: Part, record: BatchRecord, save: Save) -> None:
        """Take a file that is too large to be in memory, block by block: all of it is looked at before."""
        seen: Mapping[str, Seen] = defaultdict(list)
        if part.table and any(part.folder in folders for folders in record.columns.get(part.table, {}).values()):
            record.reject(self.rejected(part.table, part.file, IN_COMBINED))
            return
        try:
            with open_csv(self._storage, part.file, self._scratch, _header_lines(part.table)) as content:
                for block in content.blocks():
                    _checked(part, block)
                for block in content.blocks():
                    self._take(*self._parsed([_checked(part, block)], record), record, save, seen)
        except (DamagedTable, MissingInput) as error:
            record.reject(self.rejected(part.table, part.file, str(error)))

    def _take_experiments(self, sets: Sequence[IndexedSet], record: BatchRecord, save: Save) -> None:
        found = []
        for one in sets:
            file = one.files.experiment
            if file is None:
                continue
            try:
                facts = read_experiment(self._storage.read(file.key))
            except (DamagedTable, MissingInput) as error:
                record.oddities.append(Oddity(file.key, str(error)))
            else:
                record.note_columns(EXPERIMENT, facts.columns, [one.files.folder])
                facts.insert_column(0, pl.Series(TABLE_NUMBER, [one.table_number] * facts.height, dtype=pl.Int64))
                found.append(facts)
        if found:
            facts = pl.concat(found)
            record.rows_in[EXPERIMENT] += facts.height
            record.keep(EXPERIMENT, facts, save)


def is_relationships(table: str) -> bool:
    """Whether CellProfiler wrote it of pairs of objects: it has no rows of objects."""
    return table.casefold().endswith(RELATIONSHIPS)


def _checked(part: Part, block: bytes) -> Checked:
    header = read_header(block, part.table or None)
    rows, count = whole_rows(block, header)
    return Checked(part, header, rows, count, is_cut=not block.endswith(b"\n"))


def _files(files: CsvSet) -> Iterator[tuple[str, StoredObject]]:
    """The files with rows, by table."""
    if files.image:
        yield IMAGE, files.image
    if files.combined:
        yield COMBINED, files.combined
    for table, file in files.tables.items():
        if not is_relationships(table):
            yield table, file


def _header_lines(table: str) -> int:
    return 2 if table == COMBINED else 1
