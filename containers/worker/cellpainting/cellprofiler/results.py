"""A group's results on their way to the bucket."""

import hashlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from cellpainting.ledger import StoredFile
from cellpainting.storage import Storage

UPLOADERS = 8  # results are few and small; SaveImages may make many


def publish(storage: Storage, folder: Path, prefix: str) -> tuple[StoredFile, ...]:
    """Upload all files of a folder below a prefix.

    Nothing counts until the manifest lists it, so the order of uploads does not matter.
    """
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    keys = [f"{prefix}/{path.relative_to(folder).as_posix()}" for path in files]
    with ThreadPoolExecutor(UPLOADERS) as uploaders:
        return tuple(uploaders.map(_upload, [storage] * len(files), files, keys))


def _upload(storage: Storage, path: Path, key: str) -> StoredFile:
    storage.upload(path, key)
    with path.open("rb") as file:
        return StoredFile(key, path.stat().st_size, hashlib.file_digest(file, "sha256").hexdigest())
