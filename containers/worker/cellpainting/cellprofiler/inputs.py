"""A shard's images: fetched into scratch, or read where they lie when the storage is a folder."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from cellpainting.errors import MissingInput, StorageUnavailable
from cellpainting.images.damage import find_damage
from cellpainting.ledger import StoredFile
from cellpainting.storage import FolderStorage, Storage

FETCHERS = 8  # loopback and EC2 both peak near eight concurrent GETs per process (local_cloud.md)


@dataclass(frozen=True)
class Images:
    """The input folder of a shard as local files. `paths` maps each local path to its key."""

    folder: Path
    stored: tuple[StoredFile, ...]
    paths: dict[Path, str]


def list_images(storage: Storage, prefix: str) -> tuple[StoredFile, ...]:
    """Everything below an input folder.

    Raises
    ------
    MissingInput
        If there is nothing.
    """
    stored = tuple(StoredFile(item.key, item.size, item.etag) for item in storage.list(prefix))
    if not stored:
        raise MissingInput(f"the input folder {storage.uri(prefix)} is empty; upload images there, or correct 'input'")
    return stored


def place_images(storage: Storage, prefix: str, stored: Sequence[StoredFile], scratch: Path) -> Images:
    """Make the images local: downloaded and checked for size, or left in place in a folder.

    Raises
    ------
    StorageUnavailable
        If a download ends short of the size that the storage listed.
    """
    if isinstance(storage, FolderStorage):
        paths = {storage.path(item.key): item.key for item in stored}
        return Images(storage.path(prefix), tuple(stored), paths)
    # Below their whole key: pipelines read plate and well from the names of folders.
    folder = scratch / "bucket"
    paths = {folder / item.key: item.key for item in stored}
    with ThreadPoolExecutor(FETCHERS) as fetchers:
        list(fetchers.map(storage.download, paths.values(), paths.keys()))
    for path, item in zip(paths, stored, strict=True):
        if path.stat().st_size != item.size:
            raise StorageUnavailable(
                f"{storage.uri(item.key)}: {path.stat().st_size} bytes came, {item.size} are stored"
            )
    return Images(folder / prefix, tuple(stored), paths)


def find_damaged(images: Images) -> dict[Path, str]:
    """The files that are damaged, each with what is wrong with it."""
    with ThreadPoolExecutor(FETCHERS) as readers:
        damage = dict(zip(images.paths, readers.map(find_damage, images.paths), strict=True))
    return {path: reason for path, reason in damage.items() if reason}
