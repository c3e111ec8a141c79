"""From the pieces of a plate to its files: each table once through Parquet, SQLite and profiles, piece by piece."""

import ctypes
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from itertools import chain
from pathlib import Path

import polars as pl

from cellpainting.backend.batch_record import BatchRecord, ImageKey, Oddity
from cellpainting.backend.image_index import ImageIndex, IndexedImage
from cellpainting.backend.names import EXPERIMENT, IMAGE, IMAGE_NUMBER, PLATE, TABLE_NUMBER, WELL
from cellpainting.backend.parquet_file import ParquetFile
from cellpainting.backend.pieces import Pieces
from cellpainting.backend.profile import SITES, WELLS, ProfileBuilder
from cellpainting.backend.single_cells import require_links, write_single_cells
from cellpainting.backend.sqlite_file import SqliteFile, refusal
from cellpainting.backend.table import Table, in_order
from cellpainting.errors import InvalidRequest
from cellpainting.jobs.build_backend import BackendSettings

Take = Callable[[pl.DataFrame], None]
UNMATCHED = "of its rows have no cell or no nucleus beside the cytoplasm"


@dataclass
class Built:
    """The files of a backend, by name, and what could not be made."""

    files: dict[str, Path] = field(default_factory=dict)
    refusals: list[str] = field(default_factory=list)
    oddities: list[Oddity] = field(default_factory=list)


class Builder:
    """Builds the files of one plate in a folder."""

    def __init__(
        self,
        pieces: Pieces,
        index: ImageIndex,
        text: frozenset[str],
        plate: str,
        settings: BackendSettings,
        folder: Path,
    ) -> None:
        self.plate, self.settings = plate, settings
        self._pieces, self._folder = pieces, folder
        self._images = {(one.table_number, image.number): image for one in index.sets for image in one.images}
        self.counts = counts_of(pieces.records, self._images)
        self.tables = _tables(pieces.records, text, self._images)
        self._built = Built()
        self._aside = ThreadPoolExecutor(1)
        self._doing: Future[None] | None = None

    @property
    def compartments(self) -> list[str]:
        """The tables of objects."""
        return in_order(name for name, table in self.tables.items() if table.is_of_objects)

    @property
    def objects_by_well(self) -> dict[str, int]:
        """How many cells each well has, or objects of the first compartment."""
        first = next(iter(self.compartments), "")
        wells = Counter[str]()
        for key, image in self._images.items():
            wells[image.well] += self.counts[key].get(first, 0)
        return dict(wells)

    def build(self, metadata: Mapping[str, str]) -> Built:
        """Make all files; `metadata` goes into those of Parquet.

        Raises
        ------
        InvalidRequest
            If the plate has the name of a table.
        """
        if self.plate in self.tables:
            raise InvalidRequest(f"the plate {self.plate!r} has the name of a table; a file of it would be the other's")
        self._metadata = metadata
        how = self.settings.aggregate
        wells = ProfileBuilder(WELLS, self._images, self.counts, how)
        sites = ProfileBuilder(SITES, self._images, self.counts, how)
        with ExitStack() as stack:
            sqlite = self._open_sqlite(stack)
            for name in [IMAGE, *self.compartments]:
                self._write(self.tables[name], sqlite, [wells, sites])
            if sqlite:
                sqlite.finish([self.tables[name] for name in (IMAGE, *self.compartments)])
        if EXPERIMENT in self.tables:
            self._write(self.tables[EXPERIMENT], None, [])
        profile = wells.profile()
        profile.write_csv(self._new(f"{self.plate}.csv"))
        self._do_aside(lambda: self._write_profile(f"{self.plate}.parquet", iter([profile])))
        self._write_profile(f"{self.plate}_sites.parquet", sites.slices())
        if self.settings.single_cells:
            self._write_single_cells()
        self._done_aside()
        self._aside.shutdown()
        return self._built

    def _do_aside(self, work: Callable[[], None]) -> None:
        """Do something while others go on, after what was done aside before."""
        self._done_aside()
        self._doing = self._aside.submit(work)

    def _done_aside(self) -> None:
        if self._doing:
            self._doing.result()

    def _new(self, name: str) -> Path:
        path = self._folder / f"built-{name}"
        self._built.files[name] = path
        return path

    def _open_sqlite(self, stack: ExitStack) -> SqliteFile | None:
        if not self.settings.sqlite:
            return None
        if reason := refusal([self.tables[name] for name in (IMAGE, *self.compartments)]):
            self._built.refusals.append(reason)
            return None
        return stack.enter_context(SqliteFile(self._new(f"{self.plate}.sqlite")))

    def _write(self, table: Table, sqlite: SqliteFile | None, profiles: Sequence[ProfileBuilder]) -> None:
        if sqlite:
            sqlite.create(table)
        for profile in profiles:
            profile.begin(table)
        file = ParquetFile(self._new(f"{table.name}.parquet"), table.schema, self._metadata)
        takers: list[Take] = [file.write, *(partial(one.take, table) for one in profiles)]
        if sqlite:
            takers.append(partial(sqlite.take, table))
        _feed(takers, self._rows(table))
        self._do_aside(file.close)
        for profile in profiles:
            profile.end(table, self._folder)
        give_back_memory()

    def _rows(self, table: Table) -> Iterator[pl.DataFrame]:
        for rows in self._pieces.of_table(table.name):
            whole = table.conform(rows)
            yield self._named(whole) if table.name == IMAGE else whole

    def _named(self, rows: pl.DataFrame) -> pl.DataFrame:
        """Rows of images under the plate's own name, and under wells that Image.csv does not say as such."""
        named = rows.with_columns(pl.lit(self.plate).alias(PLATE))
        if WELL not in rows.columns or not rows[WELL].has_nulls():
            return named
        keys = zip(rows[TABLE_NUMBER], rows[IMAGE_NUMBER], strict=True)
        wells = pl.Series([self._images[key].well or None for key in keys], dtype=pl.String)
        return named.with_columns(pl.col(WELL).fill_null(wells))

    def _write_profile(self, name: str, slices: Iterator[pl.DataFrame]) -> None:
        first = next(slices)
        file = ParquetFile(self._new(name), first.schema, self._metadata)
        for rows in chain([first], slices):
            file.write(rows)
        file.close()

    def _write_single_cells(self) -> None:
        try:
            require_links(self.tables)
        except InvalidRequest as error:
            self._built.refusals.append(str(error))
            return
        path = self._new(f"{self.plate}_single_cells.parquet")
        unmatched = write_single_cells(path, self.tables, self._pieces, self._images)
        if unmatched:
            self._built.oddities.append(Oddity(path.name.removeprefix("built-"), f"{unmatched} {UNMATCHED}"))


def _feed(takers: Sequence[Take], pieces: Iterable[pl.DataFrame]) -> None:
    """Give each piece to all takers, which work side by side, none more than a piece behind another."""
    with ExitStack() as stack:
        lanes = [stack.enter_context(ThreadPoolExecutor(1)) for _ in takers]
        earlier: list[Future[None]] = []
        for rows in pieces:
            taken = [lane.submit(take, rows) for lane, take in zip(lanes, takers, strict=True)]
            for future in earlier:
                future.result()
            earlier = taken
        for future in earlier:
            future.result()


def give_back_memory() -> None:
    """Let the system have what is free: of each table, glibc would keep some 100 MB for threads that are gone."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim:
        trim(0)


def counts_of(records: Sequence[BatchRecord], images: Mapping[ImageKey, IndexedImage]) -> dict[ImageKey, Counter[str]]:
    """The rows that were taken of each image set, by table."""
    counts: dict[ImageKey, Counter[str]] = {key: Counter() for key in images}
    for record in records:
        for key, counted in record.counts.items():
            counts[key] += counted
    return counts


def _tables(
    records: Sequence[BatchRecord], text: frozenset[str], images: Mapping[ImageKey, IndexedImage]
) -> dict[str, Table]:
    found: dict[str, dict[tuple[str, ...], None]] = {}
    for record in records:
        for name, columns in record.columns.items():
            found.setdefault(name, {}).update(dict.fromkeys(columns))
    tables = {name: Table.of(name, columns, text) for name, columns in sorted(found.items())}
    has_wells = any(image.well for image in images.values())
    names = [PLATE, WELL] if has_wells else [PLATE]  # other tools go by them
    tables[IMAGE] = Table.of(IMAGE, found.get(IMAGE, {}), text).with_text_columns(names)
    return tables
