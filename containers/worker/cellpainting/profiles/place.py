"""A folder of a storage, as profiles know it: keys are relative to it."""

from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from cellpainting.errors import MissingInput
from cellpainting.storage import FolderStorage, Storage


@dataclass(frozen=True)
class Place:
    """`prefix` is a key of the storage, or empty for all of it."""

    storage: Storage
    prefix: str = ""

    @property
    def name(self) -> str:
        """The last part of the prefix."""
        return PurePosixPath(self.prefix).name

    def above(self, levels: int) -> "Place":
        """The folder so many levels up, or all of the storage where there are not so many."""
        return Place(self.storage, "/".join(PurePosixPath(self.prefix).parts[:-levels]))

    def key(self, name: str) -> str:
        """The storage's key of a name in this place."""
        return f"{self.prefix}/{name}" if self.prefix else name

    def uri(self, name: str) -> str:
        """The full address, for people."""
        return self.storage.uri(self.key(name))

    def read(self, name: str) -> bytes:
        """The whole of one file.

        Raises
        ------
        MissingInput
            If it is not there.
        """
        return self.storage.read(self.key(name))

    def exists(self, name: str) -> bool:
        """Whether there is such a file."""
        try:
            self.storage.stat(self.key(name))
        except MissingInput:
            return False
        return True

    def local(self, name: str, scratch: Path) -> Path:
        """A file to read, where it is or as a copy in `scratch`."""
        if isinstance(self.storage, FolderStorage):
            return self.storage.path(self.key(name))
        path = scratch / name.replace("/", "_")
        self.storage.download(self.key(name), path)
        return path


@dataclass(frozen=True)
class PlacedFile:
    """One file, wherever it is."""

    place: Place
    name: str

    @property
    def uri(self) -> str:
        """The full address, for people."""
        return self.place.uri(self.name)

    def read(self) -> bytes:
        """The whole of it.

        Raises
        ------
        MissingInput
            If it is not there.
        """
        return self.place.read(self.name)
