"""A shard's results on their way to the bucket."""

import hashlib
from collections.abc import Sequence
from pathlib import Path

from cellpainting.ledger import Manifest, StoredFile
from cellpainting.storage import Storage


def publish(storage: Storage, folder: Path, prefix: str, earlier: Manifest | None) -> tuple[StoredFile, ...]:
    """Upload all files of a folder below a prefix, then delete what an earlier attempt left and this one did not make.

    Nothing counts until the manifest lists it, so the order of uploads does not matter.
    """
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    published = tuple(_upload(storage, path, f"{prefix}/{path.relative_to(folder).as_posix()}") for path in files)
    _delete_stale(storage, published, earlier)
    return published


def _upload(storage: Storage, path: Path, key: str) -> StoredFile:
    storage.upload(path, key)
    with path.open("rb") as file:
        return StoredFile(key, path.stat().st_size, hashlib.file_digest(file, "sha256").hexdigest())


def _delete_stale(storage: Storage, published: Sequence[StoredFile], earlier: Manifest | None) -> None:
    kept = {file.key for file in published}
    for file in earlier.outputs if earlier else ():
        if file.key not in kept:
            storage.delete(file.key)
