"""A folder that stands for a bucket: FSx for Lustre's /fsx, or the local cloud's bucket on disk."""

import errno
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath
from uuid import uuid4

from cellpainting.errors import InvalidRequest, MissingInput, StorageFull
from cellpainting.storage.base import StoredObject

PARTIAL = ".partial-"  # prefix of files that are being written; never listed


class FolderStorage:
    """Keys are paths below `root`. `mounts` shows other folders below a prefix, without copying them.

    A key never leads out of the root or of a mount, be it by `..`, as an absolute path, or through a
    symbolic link.
    """

    def __init__(self, root: Path, mounts: Mapping[str, Path] | None = None) -> None:
        self.root = root.resolve()
        self.mounts = {prefix.strip("/"): folder.resolve() for prefix, folder in (mounts or {}).items()}

    def uri(self, key: str) -> str:
        return self.path(key).as_uri()

    def path(self, key: str) -> Path:
        """The local path of a key.

        Raises
        ------
        InvalidRequest
            If the path would leave the folder.
        """
        base, rest = self._place(key)
        resolved = (base / rest).resolve()
        if ".." in PurePosixPath(key).parts or not resolved.is_relative_to(base):
            raise InvalidRequest(f"key {key!r} leads out of {base}; remove the '..' or the symbolic link")
        return base / rest

    def list(self, prefix: str) -> Iterator[StoredObject]:
        for key in sorted(self._keys(prefix.strip("/"))):
            yield self.stat(key)

    def folders(self, prefix: str) -> Iterator[str]:
        folder = self.path(prefix)
        if folder.is_dir():
            yield from sorted(entry.name for entry in folder.iterdir() if entry.is_dir())

    def stat(self, key: str) -> StoredObject:
        path = self._existing(key)
        status = path.stat()
        return StoredObject(key, status.st_size, f"{status.st_size:x}-{status.st_mtime_ns:x}")

    def read(self, key: str) -> bytes:
        return self._existing(key).read_bytes()

    def fetch(self, key: str) -> tuple[bytes, StoredObject]:
        stored = self.stat(key)
        return self.path(key).read_bytes(), stored

    def write(self, key: str, content: bytes) -> None:
        with self._partial(key) as partial:
            partial.write_bytes(content)
            partial.replace(self.path(key))

    def create(self, key: str, content: bytes) -> bool:
        with self._partial(key) as partial:
            partial.write_bytes(content)
            try:
                os.link(partial, self.path(key))  # a hard link fails when the name exists: one winner
            except FileExistsError:
                return False
        return True

    def download(self, key: str, path: Path) -> StoredObject:
        stored = self.stat(key)
        with room_for(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(self.path(key), path)
        return stored

    def upload(self, path: Path, key: str) -> None:
        with self._partial(key) as partial:
            shutil.copyfile(path, partial)
            partial.replace(self.path(key))

    def delete(self, key: str) -> None:
        self.path(key).unlink(missing_ok=True)
        for folder in self.path(key).parents:
            if folder == self.root or not folder.is_relative_to(self.root):
                return
            with suppress(OSError):  # a folder with other objects in it stays
                folder.rmdir()

    def _place(self, key: str) -> tuple[Path, str]:
        for prefix, folder in self.mounts.items():
            if key == prefix or key.startswith(prefix + "/"):
                return folder, key[len(prefix) :].lstrip("/")
        return self.root, key.lstrip("/")

    def _existing(self, key: str) -> Path:
        path = self.path(key)
        if not path.is_file():
            raise MissingInput(f"{self.uri(key)} is not there; upload it, or correct the key")
        return path

    @contextmanager
    def _partial(self, key: str) -> Iterator[Path]:
        """A file to write to before it gets its name; what is left of it is removed."""
        folder = self.path(key).parent
        with room_for(folder):
            folder.mkdir(parents=True, exist_ok=True)
            partial = folder / f"{PARTIAL}{uuid4().hex}"
            partial.touch(exist_ok=False)  # others may read it, as far as the umask lets them: not so a temporary file
            try:
                yield partial
            finally:
                partial.unlink(missing_ok=True)

    def _keys(self, prefix: str) -> Iterator[str]:
        for key in _files_below(self.path(prefix), prefix):
            if self._place(key)[0] == self._place(prefix)[0]:  # what lies below a mount is covered by it
                yield key
        for mount, folder in self.mounts.items():
            if not prefix or mount.startswith(prefix + "/"):
                yield from _files_below(folder, mount)


@contextmanager
def room_for(path: Path) -> Iterator[None]:
    """Write below a path; that its disk is full is told as such.

    Raises
    ------
    StorageFull
        If it is.
    """
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise StorageFull(
            f"{path}: {error.strerror}; free some space and do the same again: it goes on where it was"
        ) from error


def _files_below(folder: Path, prefix: str) -> Iterator[str]:
    for parent, _, names in os.walk(folder):
        for name in names:
            if not name.startswith(PARTIAL):
                relative = Path(parent, name).relative_to(folder).as_posix()
                yield f"{prefix}/{relative}" if prefix else relative
