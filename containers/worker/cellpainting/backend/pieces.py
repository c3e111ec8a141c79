"""The rows of a plate, kept aside batch by batch: a set is read once, also by an ingest that was interrupted."""

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import count
from pathlib import Path
from uuid import uuid4

import polars as pl

from cellpainting.backend.batch import BatchReader
from cellpainting.backend.batch_record import BatchRecord
from cellpainting.backend.csv_table import TextFound
from cellpainting.backend.image_index import IndexedSet
from cellpainting.backend.workplace import Workplace
from cellpainting.errors import StorageUnavailable

# Of CSVs, read and kept together: some ten sites. A table of 2,000 columns costs milliseconds whatever its rows are;
# several times as much as a batch is in memory while it is read.
BATCH_BYTES = 64 * 1024 * 1024

Tell = Callable[[int, int, int], None]  # bytes done, bytes in all, rows
MakeReader = Callable[[frozenset[str]], BatchReader]


class Pieces:
    """Reads batches, or recalls what an earlier attempt kept of them."""

    def __init__(self, workplace: Workplace, settings: str) -> None:
        self._workplace, self._settings = workplace, settings
        self.records: list[BatchRecord] = []

    def read(
        self, sets: Sequence[IndexedSet], text: frozenset[str], make_reader: MakeReader, tell: Tell
    ) -> frozenset[str]:
        """Read all sets, in order; returns the columns that are text, `text` among them.

        A column that turns out to be text is text from the first row on, so that all is read again.
        """
        known_as = f"{_digest(sets, text, self._settings)}-text.json"
        text |= self._known_text(known_as)
        while True:
            reader = make_reader(text)
            try:
                self.records = list(self._read_all(sets, text, reader, tell))
            except TextFound as found:
                if found.columns <= text:
                    raise  # to read again would bring the same
                text |= found.columns
                self._keep(known_as, partial(Path.write_text, data=json.dumps(sorted(text))))
            else:
                return text
            finally:
                reader.close()

    def load(self, name: str) -> pl.DataFrame:
        """The rows of one piece."""
        path = self._workplace.recall(name)
        if path is None:
            raise StorageUnavailable(f"{name}, which was kept aside, is gone; do the same again")
        return pl.read_ipc(path)

    def of_table(self, table: str) -> Iterator[pl.DataFrame]:
        """All rows of a table, piece by piece, in the backend's order."""
        for record in self.records:
            for name in record.pieces.get(table, ()):
                yield self.load(name)

    def _read_all(
        self, sets: Sequence[IndexedSet], text: frozenset[str], reader: BatchReader, tell: Tell
    ) -> Iterator[BatchRecord]:
        total, done, rows = sum(one.files.size for one in sets), 0, 0
        batches = list(_batches(sets))
        for batch, following in zip(batches, [*batches[1:], []], strict=True):
            digest = _digest(batch, text, self._settings)
            record = self._recalled(digest) or self._read_batch(digest, batch, following, reader)
            done, rows = done + record.size, rows + sum(record.rows_out.values())
            tell(done, total, rows)
            yield record

    def _recalled(self, digest: str) -> BatchRecord | None:
        path = self._workplace.recall(f"{digest}.json")
        if path is None:
            return None
        record = BatchRecord.from_json(path.read_bytes())
        is_whole = all(self._workplace.recall(name) for names in record.pieces.values() for name in names)
        return record if is_whole else None

    def _read_batch(
        self, digest: str, sets: Sequence[IndexedSet], following: Sequence[IndexedSet], reader: BatchReader
    ) -> BatchRecord:
        numbers = count()

        def save(rows: pl.DataFrame) -> str:
            name = f"{digest}-{next(numbers)}.arrow"
            self._keep(name, lambda path: rows.write_ipc(path))
            return name

        record = reader.read(sets, following, save)
        self._keep(f"{digest}.json", lambda path: path.write_bytes(record.to_json()))  # last: it vouches for the rest
        return record

    def _known_text(self, name: str) -> frozenset[str]:
        """What an earlier attempt found in just these files."""
        path = self._workplace.recall(name)
        return frozenset(json.loads(path.read_bytes())) if path else frozenset()

    def _keep(self, name: str, write: Callable[[Path], object]) -> None:
        path = self._workplace.local / f"{uuid4().hex}.partial"
        write(path)
        self._workplace.keep(name, path)


def _batches(sets: Sequence[IndexedSet]) -> Iterator[list[IndexedSet]]:
    batch: list[IndexedSet] = []
    for one in sets:
        if batch and sum(member.files.size for member in batch) + one.files.size > BATCH_BYTES:
            yield batch
            batch = []
        batch.append(one)
    if batch:
        yield batch


def _digest(sets: Sequence[IndexedSet], text: frozenset[str], settings: str) -> str:
    """What the rows of a batch are made from: its files, as they are now, and how they are read."""
    told = [
        settings,
        sorted(text),
        [
            (
                one.table_number,
                sorted(image.number for image in one.images),
                [(file.key, file.size, file.etag) for file in one.files.files],
            )
            for one in sets
        ],
    ]
    return hashlib.sha256(json.dumps(told).encode()).hexdigest()[:24]
