"""A shard's images: fetched into scratch, or read where they lie when the storage is a folder."""

from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from cellpainting.errors import CellProfilerFailed, StorageUnavailable
from cellpainting.images.damage import find_damage
from cellpainting.ledger import StoredFile
from cellpainting.storage import FolderStorage, Storage

FETCHERS = 8  # more threads gain one process nothing: its own Python code is the limit then


@dataclass(frozen=True)
class Images:
    """The input folder of a shard as local files. `paths` maps each local path to its key."""

    folder: Path
    paths: dict[Path, str]


def require_visible(folder: Path) -> None:
    """Check that CellProfiler will look into a folder.

    Raises
    ------
    CellProfilerFailed
        If it, or one that it lies in, has a name that begins with a dot: CellProfiler leaves out what is below.
    """
    if any(part.startswith(".") for part in folder.parts):
        raise CellProfilerFailed(
            f"CellProfiler leaves out folders whose names begin with a dot, and the images would lie in {folder}; "
            "choose another folder"
        )


def place_images(storage: Storage, prefix: str, stored: Sequence[StoredFile], scratch: Path) -> Images:
    """Make the images local: downloaded, or left in place in a folder; either way of the sizes that were listed.

    Raises
    ------
    StorageUnavailable
        If a download ended short, or a file system has not imported the bucket's latest content yet.
    """
    if isinstance(storage, FolderStorage):
        paths = {storage.path(item.key): item.key for item in stored}
        _require_sizes(paths, stored)
        return Images(storage.path(prefix), paths)
    # Below their whole key: pipelines read plate and well from the names of folders.
    folder = scratch / "bucket"
    paths = {folder / item.key: item.key for item in stored}
    with ThreadPoolExecutor(FETCHERS) as fetchers:
        list(fetchers.map(storage.download, paths.values(), paths.keys()))
    _require_sizes(paths, stored)
    return Images(folder / prefix, paths)


def _require_sizes(paths: Iterable[Path], stored: Sequence[StoredFile]) -> None:
    for path, item in zip(paths, stored, strict=True):
        size = path.stat().st_size if path.exists() else None
        if size != item.size:
            raise StorageUnavailable(
                f"{path}: {size} bytes are here, the bucket has {item.size}; the copy is not whole"
            )


def find_damaged(images: Images) -> dict[Path, str]:
    """The files that are damaged, each with what is wrong with it."""
    with ThreadPoolExecutor(FETCHERS) as readers:
        damage = dict(zip(images.paths, readers.map(find_damage, images.paths), strict=True))
    return {path: reason for path, reason in damage.items() if reason}
