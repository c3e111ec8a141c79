"""A CSV in blocks of whole lines, each with the header before it: some labs export a whole plate into one file."""

import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

from cellpainting.errors import DamagedTable
from cellpainting.storage import Storage, StoredObject

BLOCK = 64 * 1024 * 1024  # bytes of text, which are some 30 MB of numbers
BYTE_ORDER_MARK = b"\xef\xbb\xbf"  # before texts that went through a spreadsheet


@dataclass(frozen=True)
class CsvFile:
    """A CSV that can be read in blocks, again and again; a small one is one block."""

    content: bytes | None
    path: Path | None
    header_lines: int

    def blocks(self) -> Iterator[bytes]:
        """The blocks in order. One with nothing but the header is the only one."""
        if self.path is None:
            yield (self.content or b"").removeprefix(BYTE_ORDER_MARK)
            return
        with self.path.open("rb") as file:
            header = b"".join(file.readline() for _ in range(self.header_lines)).removeprefix(BYTE_ORDER_MARK)
            yield header + file.read(BLOCK) + file.readline()
            while block := file.read(BLOCK):
                yield header + block + file.readline()

    def crc32(self) -> int:
        """The CRC-32 of the whole file, as it is."""
        if self.path is None:
            return zlib.crc32(self.content or b"")
        crc = 0
        with self.path.open("rb") as file:
            while block := file.read(BLOCK):
                crc = zlib.crc32(block, crc)
        return crc


@contextmanager
def open_csv(storage: Storage, file: StoredObject, scratch: Path, header_lines: int = 1) -> Iterator[CsvFile]:
    """Open a CSV: in memory, or by way of a scratch file if it is larger than a block.

    Raises
    ------
    DamagedTable
        If it is not what was listed.
    StorageUnavailable
        If the storage fails.
    """
    if file.size <= BLOCK:
        content = storage.read(file.key)
        _require_size(len(content), file)
        yield CsvFile(content, None, header_lines)
        return
    path = scratch / f"{uuid4().hex}.csv"
    try:
        _require_size(storage.download(file.key, path).size, file)
        yield CsvFile(None, path, header_lines)
    finally:
        path.unlink(missing_ok=True)


def _require_size(size: int, file: StoredObject) -> None:
    if size != file.size:
        raise DamagedTable(f"it has {size} bytes, and had {file.size} when it was listed")
