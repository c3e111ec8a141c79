"""What a storage can do. Keys are relative to its root, with `/` between folders."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol


@dataclass(frozen=True)
class StoredObject:
    """One object: its key, its size in bytes, and an ETag that changes when its content does."""

    key: str
    size: int
    etag: str


class Storage(Protocol):
    """The verbs that a bucket and a folder share.

    Every verb raises `MissingInput` for a key that is not there and `StorageUnavailable` when the storage
    itself fails.
    """

    def uri(self, key: str) -> str:
        """The full address of a key, for people and logs."""
        ...

    def list(self, prefix: str) -> Iterator[StoredObject]:
        """All objects below the folder `prefix`, in order of their keys."""
        ...

    def folders(self, prefix: str) -> Iterator[str]:
        """The names of the folders right below the folder `prefix`, sorted."""
        ...

    def stat(self, key: str) -> StoredObject:
        """Size and ETag of one object."""
        ...

    def read(self, key: str) -> bytes:
        """The whole of one object."""
        ...

    def fetch(self, key: str) -> tuple[bytes, StoredObject]:
        """The whole of one object, and what it is that was read."""
        ...

    def write(self, key: str, content: bytes) -> None:
        """Replace one object at once: a reader sees the old content or the new, never a part."""
        ...

    def create(self, key: str, content: bytes) -> bool:
        """Write one object unless it exists; False when it does. Of several callers exactly one gets True."""
        ...

    def download(self, key: str, path: Path) -> StoredObject:
        """Copy one object to a local file, whose folder is made if need be; returns the object that was copied."""
        ...

    def upload(self, path: Path, key: str) -> None:
        """Copy a local file to a key, replacing what is there."""
        ...

    def delete(self, key: str) -> None:
        """Remove one object; no error when it is not there."""
        ...
