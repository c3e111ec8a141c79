"""A shard's images: fetched when the first group needs them, removed after the last; or read in place from a folder."""

from collections import Counter
from collections.abc import Iterable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from threading import Lock

from cellpainting.errors import CellProfilerFailed, InvalidRequest, MissingInput, StorageUnavailable
from cellpainting.images.damage import find_damage
from cellpainting.ledger import StoredFile
from cellpainting.storage import FolderStorage, Sources, Storage, split_public_uri

FETCHERS = 16  # more threads gain nothing: Python code is the limit then
NOTHING_KNOWN: Mapping[str, StoredFile] = {}


@dataclass(frozen=True)
class Input:
    """One image on this machine. `missing` or `damage` say why it is of no use; both are empty if it is whole."""

    path: Path
    stored: StoredFile | None = None
    missing: str = ""
    damage: str = ""


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


def local_path(folder: Path, place: str) -> Path:
    """Where an image lies below a folder: below its whole key, for pipelines read plate and well from folders' names.

    Raises
    ------
    InvalidRequest
        If it would lie outside.
    """
    parts = ("other", *split_public_uri(place)) if place.startswith("s3://") else ("bucket", place.lstrip("/"))
    if ".." in PurePosixPath(*parts).parts:
        raise InvalidRequest(f"the image {place!r} would lie outside of its folder; remove the '..'")
    return folder.joinpath(*parts)


class Inputs:
    """The images of all groups of a shard, by place: a key of the bucket, or `s3://bucket/key` in a public one."""

    def __init__(self, bucket: Storage, images_from: Storage, scratch: Path, groups: Iterable[Iterable[str]]) -> None:
        self._bucket, self._images_from, self._scratch = bucket, images_from, scratch
        self._uses = Counter(place for places in groups for place in set(places))
        self._fetched: dict[str, Future[Input]] = {}
        self._sources = Sources(images_from)
        self._lock = Lock()
        self._fetchers = ThreadPoolExecutor(FETCHERS)

    def folder(self, prefix: str) -> Path:
        """Where the images below a prefix are."""
        if isinstance(self._images_from, FolderStorage):
            return self._images_from.path(prefix)
        return local_path(self._scratch, prefix)

    def fetch(self, places: Iterable[str], known: Mapping[str, StoredFile] = NOTHING_KNOWN) -> dict[str, Input]:
        """Have these images here, each fetched once for all groups; `known` are those that a listing told of.

        Raises
        ------
        StorageUnavailable
            If a file cannot be read, or a file system has not imported the bucket's latest content yet.
        """
        with self._lock:
            futures = {}
            for place in dict.fromkeys(places):
                if place not in self._fetched:
                    self._fetched[place] = self._fetchers.submit(self._fetch, place, known.get(place))
                futures[place] = self._fetched[place]
        return {place: future.result() for place, future in futures.items()}

    def release(self, places: Iterable[str]) -> None:
        """Remove what no other group needs."""
        for place in set(places):
            with self._lock:
                self._uses[place] -= 1
                done = self._fetched.pop(place, None) if self._uses[place] <= 0 else None
            if done and (path := done.result().path).is_relative_to(self._scratch):
                path.unlink(missing_ok=True)

    def close(self) -> None:
        """Give up what is not fetched yet."""
        self._fetchers.shutdown(cancel_futures=True)

    def _fetch(self, place: str, known: StoredFile | None) -> Input:
        try:
            path, stored = self._placed(place, known)
        except MissingInput as error:
            return Input(self._scratch / "missing", missing=str(error))
        return Input(path, stored, damage=find_damage(path) or "")

    def _placed(self, place: str, known: StoredFile | None) -> tuple[Path, StoredFile]:
        storage, key = self._sources.of(place)
        if storage is self._images_from and isinstance(self._images_from, FolderStorage):
            path = self._images_from.path(place)
            stored = known or StoredFile.of(self._bucket.stat(place))
            _require_size(path, stored)
            return path, stored
        path = local_path(self._scratch, place)
        item = storage.download(key, path)
        return path, StoredFile(place, item.size, item.etag)


def _require_size(path: Path, stored: StoredFile) -> None:
    size = path.stat().st_size if path.exists() else None
    if size != stored.size:
        raise StorageUnavailable(f"{path}: {size} bytes are here, the bucket has {stored.size}; the copy is not whole")
