"""Places as commands take them: folders and files of this machine, and s3:// addresses."""

import os
from pathlib import Path

from cellpainting.jobs.run_record import RUNS
from cellpainting.storage import FolderStorage, S3Storage, Storage, split_public_uri

S3 = "s3://"


def is_s3(place: str) -> bool:
    """Whether it is an address, and no path."""
    return place.startswith(S3)


def open_place(place: str, *, is_public: bool = False) -> tuple[Storage, str]:
    """The storage of a folder, a run's record or an s3:// address, and the key there."""
    if is_s3(place):
        return _open_bucket(place, is_public=is_public)
    folder = Path(place).expanduser().resolve()
    if folder.parent.name == RUNS.rstrip("/") and (folder / "request.json").is_file():
        return FolderStorage(folder.parent.parent), f"{RUNS}{folder.name}"
    return FolderStorage(folder), ""


def open_anywhere(place: str) -> tuple[Storage, str]:
    """The same where folders above the place, and what its symbolic links lead to, may be needed as well: the storage
    is all of this machine, or the bucket.
    """
    if is_s3(place):
        return _open_bucket(place)
    path = Path(os.path.abspath(Path(place).expanduser()))  # noqa: PTH100 (a plate is named as its link is)
    return FolderStorage(Path(path.anchor)), "/".join(path.parts[1:])


def _open_bucket(place: str, *, is_public: bool = False) -> tuple[Storage, str]:
    bucket, key = split_public_uri(place)
    return (S3Storage.public(bucket) if is_public else S3Storage(bucket)), key.rstrip("/")
