"""A group's results on their way to the bucket."""

import hashlib
from collections.abc import Sequence
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


def delete_stale(storage: Storage, earlier: Sequence[StoredFile], published: Sequence[StoredFile]) -> None:
    """Delete what an earlier attempt left and this one did not make."""
    kept = {file.key for file in published}
    for file in earlier:
        if file.key not in kept:
            storage.delete(file.key)


def _upload(storage: Storage, path: Path, key: str) -> StoredFile:
    storage.upload(path, key)
    with path.open("rb") as file:
        return StoredFile(key, path.stat().st_size, hashlib.file_digest(file, "sha256").hexdigest())
