"""A bucket whose objects are files: in step with its folder, small in memory, and still there after a restart."""

import hashlib
import os
import tempfile
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from moto.s3.exceptions import S3ClientError
from moto.s3.models import FakeBucket, FakeKey
from moto.s3.utils import _VersionedKeyStore

from cellpainting.storage.folder import PARTIAL, FolderStorage


class KeyRefused(S3ClientError):  # type: ignore[misc]
    """A key that a folder cannot hold, or that lies in a mounted folder, which is read only."""

    code = 400

    def __init__(self, reason: str) -> None:
        super().__init__("InvalidArgument", reason)


class FileKey(FakeKey):  # type: ignore[misc]
    """An object of moto's whose bytes lie in a file, read when asked for."""

    path: Path

    @property
    def value(self) -> bytes:
        """The file's content."""
        return self.path.read_bytes()

    @value.setter
    def value(self, new_value: bytes) -> None:
        self._value_buffer.close()  # moto sets the value once, when it makes the key; the bytes go to the file

    def show(self, path: Path) -> None:
        """Take size, date and ETag from a file. The ETag is not an MD5: nothing is read until it is asked for."""
        status = path.stat()
        self.path = path
        self.contentsize = status.st_size
        self.last_modified = datetime.fromtimestamp(int(status.st_mtime), UTC).replace(tzinfo=None)
        identity = f"{self.name}\0{status.st_size}\0{status.st_mtime_ns}"
        self._etag = hashlib.md5(identity.encode(), usedforsecurity=False).hexdigest()


class FolderKeys(_VersionedKeyStore):  # type: ignore[misc]
    """moto's index of a bucket's keys, which keeps every object it is given as a file."""

    def __init__(self, storage: FolderStorage) -> None:
        super().__init__()
        self._storage = storage

    def setlist(self, key: Any, list_: Any) -> None:
        """Called for each PUT, copy and finished multipart upload, with the object last in the list."""
        self._keep(list_[-1])
        super().setlist(key, list_)

    def pop(self, key: str) -> None:
        """Called for each DELETE."""
        self._refuse_mounted(key)
        self._storage.delete(key)
        super().pop(key)

    def _keep(self, key: FakeKey) -> None:
        if isinstance(key, FileKey):
            return
        self._refuse_mounted(key.name)
        if any(part in ("", ".", "..") for part in key.name.removesuffix("/").split("/")):
            raise KeyRefused(f"the local cloud keeps objects as files and cannot keep the key {key.name!r}")
        if not key.name.endswith("/"):  # the console's marker of an empty folder has no file
            self._write(key)

    def _write(self, key: FakeKey) -> None:
        path = self._storage.path(key.name)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            handle, partial = tempfile.mkstemp(prefix=PARTIAL, dir=path.parent)
            with os.fdopen(handle, "wb") as file:
                file.write(key.value)
                os.fchmod(file.fileno(), 0o644)  # a job in a container reads it in place, as another user
            Path(partial).replace(path)
        except (FileExistsError, NotADirectoryError, IsADirectoryError) as error:
            raise KeyRefused(
                f"{key.name!r} is a folder and an object at once; the local cloud cannot keep both"
            ) from error
        key._value_buffer.close()
        key.__class__ = FileKey
        key.show(path)

    def _refuse_mounted(self, name: str) -> None:
        for prefix in self._storage.mounts:
            if name == prefix or name.startswith(prefix + "/"):
                raise KeyRefused(
                    f"{prefix!r} shows your own folder {self._storage.mounts[prefix]}, which is read only here"
                )


def keep_in_folder(bucket: FakeBucket, folder: Path, mounts: Mapping[str, Path]) -> None:
    """Make `folder` the content of a bucket, with what lies there now; `mounts` shows more folders, read only."""
    storage = FolderStorage(folder, mounts)
    keys = FolderKeys(storage)
    for item in storage.list(""):
        key = FileKey(
            name=item.key,
            value=b"",
            account_id=bucket.account_id,
            region_name=bucket.region_name,
            version_id="null",
            bucket_name=bucket.name,
        )
        key.show(storage.path(item.key))
        _VersionedKeyStore.setlist(keys, item.key, [key])
    bucket.keys = keys
