"""The two forms that images are published in: the published tree of PNG files, and WebDataset tar files."""

import hashlib
import io
import json
import re
import tarfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Protocol

from cellpainting.download.image_set import Made
from cellpainting.download.index import PublishedImage
from cellpainting.download.provenance import Provenance
from cellpainting.errors import DamagedImage, MissingInput
from cellpainting.ledger import GroupResult, StoredFile
from cellpainting.storage import Storage
from cellpainting.storage.folder import room_for

Images = dict[str, dict[str, PublishedImage]]  # by the name of the image set and the channel
NOT_IN_KEYS = re.compile(r"[./]")  # a reader of WebDataset takes the name up to the first dot for the sample's key


class Form(Protocol):
    """How the files of image sets get into the bucket, below the request's output."""

    images: Images

    def earlier(self, name: str, channel: str) -> bytes | None:
        """What an interrupted attempt may have left of one image."""
        ...

    def put(self, made: Made) -> None:
        """Publish an image set at once, as far as the form allows it; several threads do so."""
        ...

    def put_group(self, folder: str, members: Sequence[Made]) -> tuple[StoredFile, ...]:
        """Publish what is left of a group whose members are all made; returns all of its files."""
        ...

    def read(self, name: str) -> Mapping[str, bytes]:
        """The published files of a whole image set, by channel."""
        ...

    def is_intact(self, result: GroupResult) -> bool:
        """Whether all files of an earlier result are there as they were published; takes down what they are."""
        ...


class PngTree:
    """`<source>/<batch>/<plate>/<source>__<plate>__<well>__<site>__<channel>.png`, as jump_download writes it."""

    def __init__(self, bucket: Storage, output: str) -> None:
        self.images: Images = {}
        self._bucket, self._output = bucket, output
        self._stored: dict[str, StoredFile] = {}
        self._changed: set[str] = set()  # files that are not what was published, whatever their notes say

    def earlier(self, name: str, channel: str) -> bytes | None:
        key = self._key(name, channel)
        with suppress(MissingInput):
            return None if key in self._changed else self._bucket.read(key)
        return None

    def put(self, made: Made) -> None:
        images = {}
        for channel, file in made.files.items():
            key = self._key(made.task.name, channel)
            sha256 = hashlib.sha256(file.content).hexdigest()
            if not file.is_there:
                self._bucket.write(key, file.content)
            self._stored[key] = StoredFile(key, len(file.content), sha256)
            images[channel] = PublishedImage(key.removeprefix(f"{self._output}/"), sha256, file.provenance)
        self.images[made.task.name] = images
        made.files.clear()

    def put_group(self, folder: str, members: Sequence[Made]) -> tuple[StoredFile, ...]:
        names = [(made.task.name, channel) for made in members for channel in self.images[made.task.name]]
        return tuple(self._stored[self._key(name, channel)] for name, channel in names)

    def is_intact(self, result: GroupResult) -> bool:
        found = {file.key: self._find(file) for file in result.outputs}
        images = {
            key.removeprefix(f"{self._output}/{result.folder}__").removesuffix(".png"): image
            for key, image in found.items()
            if image
        }
        self._changed.update(key for key, image in found.items() if not image)
        if len(images) < len(found):
            return False
        self.images[result.folder] = images
        return True

    def _find(self, file: StoredFile) -> PublishedImage | None:
        """An image that an earlier attempt published, if its file is what it was."""
        with suppress(MissingInput, DamagedImage):
            content = self._bucket.read(file.key)
            if hashlib.sha256(content).hexdigest() == file.checksum:
                path = file.key.removeprefix(f"{self._output}/")
                return PublishedImage(path, file.checksum, Provenance.of_file(content))
        return None

    def read(self, name: str) -> Mapping[str, bytes]:
        return {channel: self._bucket.read(self._key(name, channel)) for channel in self.images[name]}

    def _key(self, name: str, channel: str) -> str:
        return f"{self._output}/{name}__{channel}.png"


class TarFiles:
    """A tar file per group, `<source>/<batch>/<plate>/<source>__<plate>-<number>.tar`: for each image set `<key>.json`
    with its metadata and `<key>.<channel>.png`, key being the name of its PNG files. Only whole image sets are in it.
    """

    def __init__(self, bucket: Storage, output: str, metadata: Mapping[str, Mapping[str, str]], scratch: Path) -> None:
        self.images: Images = {}
        self._bucket, self._output, self._metadata, self._scratch = bucket, output, metadata, scratch
        self._opened, self._content = "", b""  # the tar file that was read last

    def earlier(self, name: str, channel: str) -> bytes | None:
        """Nothing: a tar file is published whole or not at all."""
        return None

    def put(self, made: Made) -> None:
        """Nothing yet: the others of its tar file are not made."""

    def put_group(self, folder: str, members: Sequence[Made]) -> tuple[StoredFile, ...]:
        whole = [made for made in members if not made.errors]
        if not whole:
            return ()
        key = self._key(folder)
        path = self._scratch / Path(key).name
        with room_for(path), tarfile.open(path, "w") as tar:
            for made in whole:
                self._add(tar, made, key.removeprefix(f"{self._output}/"))
        with path.open("rb") as file:
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        self._bucket.upload(path, key)
        stored = StoredFile(key, path.stat().st_size, sha256)
        path.unlink()
        return (stored,)

    def is_intact(self, result: GroupResult) -> bool:
        for file in result.outputs:
            try:
                content = self._bucket.read(file.key)
            except MissingInput:
                return False
            if hashlib.sha256(content).hexdigest() != file.checksum:
                return False
            self._read(content, file.key.removeprefix(f"{self._output}/"))
        return True

    def _add(self, tar: tarfile.TarFile, made: Made, tar_file: str) -> None:
        name = made.task.name
        sample = NOT_IN_KEYS.sub("_", Path(name).name)
        images = {}
        _add_member(tar, f"{sample}.json", json.dumps({**self._metadata[name], "__name__": name}).encode())
        for channel, file in made.files.items():
            member = f"{sample}.{channel}.png"
            _add_member(tar, member, file.content)
            sha256 = hashlib.sha256(file.content).hexdigest()
            images[channel] = PublishedImage(member, sha256, file.provenance, tar_file)
        self.images[name] = images
        made.files.clear()

    def _read(self, content: bytes, tar_file: str) -> None:
        name = ""
        with tarfile.open(fileobj=io.BytesIO(content)) as tar:
            for member in tar:
                data = _member(tar, member.name)
                if member.name.endswith(".json"):
                    name = json.loads(data)["__name__"]
                    self.images[name] = {}
                    continue
                channel = member.name.removesuffix(".png").partition(".")[2]
                sha256 = hashlib.sha256(data).hexdigest()
                self.images[name][channel] = PublishedImage(member.name, sha256, Provenance.of_file(data), tar_file)

    def read(self, name: str) -> Mapping[str, bytes]:
        tar_file = next(iter(self.images[name].values())).tar_file
        if self._opened != tar_file:
            self._content, self._opened = self._bucket.read(f"{self._output}/{tar_file}"), tar_file
        with tarfile.open(fileobj=io.BytesIO(self._content)) as tar:
            return {channel: _member(tar, image.path) for channel, image in self.images[name].items()}

    def _key(self, folder: str) -> str:
        return f"{self._output}/{folder}.tar"


def _member(tar: tarfile.TarFile, name: str) -> bytes:
    file = tar.extractfile(name)
    return file.read() if file else b""


def _add_member(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    """Add a member that is the same whenever and by whomever it is made."""
    member = tarfile.TarInfo(name)
    member.size, member.mode = len(content), 0o644
    tar.addfile(member, io.BytesIO(content))
