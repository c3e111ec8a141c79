"""A file that code of users has made, on its way to the bucket."""

import hashlib
import os
import shutil
from pathlib import Path

from cellpainting.ledger import StoredFile
from cellpainting.starfish.confined import open_result
from cellpainting.storage import Storage


def take_result(made: Path, kept: Path) -> None:
    """Make a copy that nobody else can change, of the file itself and not of what it may be a link to.

    Raises
    ------
    OSError
        If there is no such file.
    """
    with os.fdopen(open_result(made), "rb") as source, kept.open("wb") as copy:
        shutil.copyfileobj(source, copy)


def publish(bucket: Storage, path: Path, key: str) -> StoredFile:
    """Upload a file.

    Raises
    ------
    StorageUnavailable
        If the bucket fails.
    """
    bucket.upload(path, key)
    return StoredFile(key, path.stat().st_size, sha256_of(path))


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file, as manifests and experiments have it."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
