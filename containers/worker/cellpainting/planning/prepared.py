"""A storage as it will be once some files are written: planning and preflight read what nobody has put there yet."""

import hashlib
from collections.abc import Iterator, Mapping
from pathlib import Path

from cellpainting.storage.base import Storage, StoredObject


class Prepared:
    """`storage` as if the contents of `files` were there, by key. What is written goes to the storage itself."""

    def __init__(self, storage: Storage, files: Mapping[str, bytes]) -> None:
        self._storage = storage
        self._files = files

    def uri(self, key: str) -> str:
        return self._storage.uri(key)

    def list(self, prefix: str) -> Iterator[StoredObject]:
        yield from self._storage.list(prefix)

    def folders(self, prefix: str) -> Iterator[str]:
        yield from self._storage.folders(prefix)

    def stat(self, key: str) -> StoredObject:
        if key in self._files:
            return _object(key, self._files[key])
        return self._storage.stat(key)

    def read(self, key: str) -> bytes:
        return self._files[key] if key in self._files else self._storage.read(key)

    def fetch(self, key: str) -> tuple[bytes, StoredObject]:
        return self.read(key), self.stat(key)

    def download(self, key: str, path: Path) -> StoredObject:
        return self._storage.download(key, path)

    def write(self, key: str, content: bytes) -> None:
        self._storage.write(key, content)

    def create(self, key: str, content: bytes) -> bool:
        return self._storage.create(key, content)

    def upload(self, path: Path, key: str) -> None:
        self._storage.upload(path, key)

    def delete(self, key: str) -> None:
        self._storage.delete(key)


def _object(key: str, content: bytes) -> StoredObject:
    return StoredObject(key, len(content), hashlib.sha256(content).hexdigest())
