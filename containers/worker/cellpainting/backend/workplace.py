"""Where a backend is built, aside from the one that is there: kept when an ingest is interrupted, published at its end.

In a folder, that is `.ingest/` below the backend's own, locked by whoever builds there; files are published by rename.
For a bucket, it is scratch, and what a later attempt can go on from is kept below `.ingest/` in the bucket, too.
"""

import fcntl
import os
import random
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Protocol, TextIO

from cellpainting.errors import MissingInput, StorageUnavailable
from cellpainting.scratch import scratch_folder
from cellpainting.storage import FolderStorage, Storage, StoredObject
from cellpainting.storage.folder import room_for

ASIDE = ".ingest"
LOCK = "lock"
TRIES = 5  # of publishing while another ingest of the plate publishes, too

Tell = Callable[[str], None]


class Workplace(Protocol):
    """`local` is a folder for files that are being made."""

    local: Path

    def keep(self, name: str, path: Path) -> None:
        """Keep a file of this attempt for the next."""
        ...

    def recall(self, name: str) -> Path | None:
        """A file that was kept by this attempt or by an earlier one."""
        ...

    def publish(self, files: Mapping[str, Path], last: Callable[[Mapping[str, StoredObject]], bytes], key: str) -> None:
        """Put files at their keys, and then, at `key`, what `last` tells of them."""
        ...

    def clear(self) -> None:
        """Forget all that was kept."""
        ...


@contextmanager
def open_workplace(storage: Storage, folder: str, tell: Tell) -> Iterator[Workplace]:
    """The workplace for the backend of one plate, which is `folder`."""
    if isinstance(storage, FolderStorage):
        aside = storage.path(f"{folder}/{ASIDE}")
        with _locked(aside, tell):
            yield FolderWorkplace(storage, aside)
    else:
        with scratch_folder() as local:
            yield BucketWorkplace(storage, f"{folder}/{ASIDE}", local)


class FolderWorkplace:
    """In the folder that the backend is for: nothing is copied."""

    def __init__(self, storage: FolderStorage, aside: Path) -> None:
        self._storage, self.local = storage, aside

    def keep(self, name: str, path: Path) -> None:
        path.replace(self.local / name)

    def recall(self, name: str) -> Path | None:
        path = self.local / name
        return path if path.is_file() else None

    def publish(self, files: Mapping[str, Path], last: Callable[[Mapping[str, StoredObject]], bytes], key: str) -> None:
        for file_key, path in files.items():
            target = self._storage.path(file_key)
            target.parent.mkdir(parents=True, exist_ok=True)
            path.replace(target)
        self._storage.write(key, last({file_key: self._storage.stat(file_key) for file_key in files}))

    def clear(self) -> None:
        shutil.rmtree(self.local, ignore_errors=True)


class BucketWorkplace:
    """In scratch, with copies in the bucket of what is to be kept."""

    def __init__(self, storage: Storage, prefix: str, local: Path) -> None:
        self._storage, self._prefix, self.local = storage, prefix, local

    def keep(self, name: str, path: Path) -> None:
        kept = path.replace(self.local / name)
        self._storage.upload(kept, f"{self._prefix}/{name}")

    def recall(self, name: str) -> Path | None:
        path = self.local / name
        if not path.is_file():
            with suppress(MissingInput):
                self._storage.download(f"{self._prefix}/{name}", path)
        return path if path.is_file() else None

    def publish(self, files: Mapping[str, Path], last: Callable[[Mapping[str, StoredObject]], bytes], key: str) -> None:
        for _ in range(TRIES):
            for file_key, path in files.items():
                self._storage.upload(path, file_key)
            stored = {file_key: self._storage.stat(file_key) for file_key in files}
            told = last(stored)
            self._storage.write(key, told)
            if self._is_ours(stored, key, told):
                return
            time.sleep(random.uniform(1, 5))  # noqa: S311 (no secret)
        raise StorageUnavailable(
            f"{self._storage.uri(key)} is written over by another ingest again and again; wait for it"
        )

    def clear(self) -> None:
        for item in list(self._storage.list(self._prefix)):
            self._storage.delete(item.key)

    def _is_ours(self, stored: Mapping[str, StoredObject], key: str, told: bytes) -> bool:
        """Whether no other ingest has put files of its own among ours: the last to see this has all of them."""
        with suppress(MissingInput):
            is_same = all(self._storage.stat(file_key).etag == item.etag for file_key, item in stored.items())
            return is_same and self._storage.read(key) == told
        return False


@contextmanager
def _locked(folder: Path, tell: Tell) -> Iterator[None]:
    """Hold a lock that the system lets go of with the process, however that ends."""
    lock = _lock(folder, tell)
    try:
        yield
    finally:
        lock.close()


def _lock(folder: Path, tell: Tell) -> TextIO:
    while True:
        with room_for(folder):
            folder.mkdir(parents=True, exist_ok=True)
            file = (folder / LOCK).open("a")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            tell(f"another ingest is at work in {folder.parent}; waiting until it ends")
            fcntl.flock(file, fcntl.LOCK_EX)
        if _is_at(folder / LOCK, file):
            return file
        file.close()  # whoever held it before has removed the folder


def _is_at(path: Path, file: TextIO) -> bool:
    try:
        return os.path.samestat(path.stat(), os.fstat(file.fileno()))
    except FileNotFoundError:
        return False
