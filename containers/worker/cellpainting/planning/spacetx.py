"""SpaceTx experiments: JSON files that name each other, from `experiment.json` down to the tiles of a field of view.

A name is a path relative to the file that it stands in. It may lead down only, so that everything lies below the folder
of `experiment.json`, here and where a worker keeps its copy.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import PurePosixPath
from typing import Any

from cellpainting.errors import InvalidRequest
from cellpainting.ledger.manifest import StoredFile
from cellpainting.storage.sources import Sources

PRIMARY = "primary"
# What the path of a URL would not take as it is: starfish reads names as such.
UNUSABLE = re.compile(r"[\x00-\x1f\x7f%?#;:\\]")
FIELD_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
IMAGE_TYPE = re.compile(r"[A-Za-z0-9_-]{1,100}")
DIGITS = re.compile(r"(\d+)")
FORMAT = "the experiment is not in SpaceTx format"


@dataclass(frozen=True)
class Tile:
    """One image of a field of view: its name from the experiment's folder and its SHA-256, empty if none is told."""

    name: str
    sha256: str


@dataclass(frozen=True)
class Document:
    """One JSON object of an experiment. `name` is its path from the experiment's folder."""

    name: str
    content: Mapping[str, Any]
    stored: StoredFile

    def named(self, value: Any) -> str:
        """The path, from the experiment's folder, of a file that this one names.

        Raises
        ------
        InvalidRequest
            If it is no relative path that leads down.
        """
        if isinstance(value, str) and "://" in value:
            raise self.refusal(f"names {value!r}", "copy that file beside it and name it by its path")
        if not isinstance(value, str) or not _leads_down(value):
            remedy = "files are named by a path below their own folder, without '..', '%', '?', '#', ';', ':' and '\\'"
            raise self.refusal(f"names {value!r}", remedy)
        return str(PurePosixPath(self.name).parent / value)

    def member(self, name: str, kind: type) -> Any:
        """A value of the object.

        Raises
        ------
        InvalidRequest
            If it is not there, or of another kind.
        """
        value = self.content.get(name)
        if not isinstance(value, kind):
            raise self.refusal(f"has {name}={value!r:.80}", FORMAT)
        return value

    def refusal(self, what: str, remedy: str) -> InvalidRequest:
        """Why this file cannot be used."""
        return InvalidRequest(f"{self.stored.key} {what}; {remedy}")


class Experiment:
    """A SpaceTx experiment whose `experiment.json` is at `place`: a key of the bucket, or `s3://bucket/key`.

    Raises
    ------
    InvalidRequest
        If it cannot be read, or is not in SpaceTx format.
    MissingInput
        If it is not there.
    """

    def __init__(self, sources: Sources, place: str) -> None:
        self._sources = sources
        self._folder, _, name = place.rpartition("/")
        self.document = self.read(name)
        self.codebook = self.document.named(self.document.member("codebook", str))

    def place(self, name: str) -> str:
        """Where a file of the experiment is: a key of the bucket, or `s3://bucket/key`."""
        return f"{self._folder}/{name}" if self._folder else name

    def read(self, name: str) -> Document:
        """One of its JSON files.

        Raises
        ------
        InvalidRequest
            If it is no JSON object.
        MissingInput
            If it is not there.
        """
        storage, key = self._sources.of(self.place(name))
        text, item = storage.fetch(key)
        stored = StoredFile(self.place(name), item.size, item.etag)
        try:
            content = json.loads(text)
        except ValueError as error:
            raise InvalidRequest(f"{stored.key} is not JSON ({error}); correct it") from error
        if not isinstance(content, Mapping):
            raise InvalidRequest(f"{stored.key} holds {type(content).__name__}; {FORMAT}")
        return Document(name, content, stored)

    @cached_property
    def manifests(self) -> dict[str, Document]:
        """The file that lists the fields of view, of each type of images; the primary ones are first."""
        images = self.document.content.get("images")
        if images is None and "primary_images" in self.document.content:  # version 4
            images = {
                PRIMARY: self.document.content["primary_images"],
                **self.document.content.get("auxiliary_images", {}),
            }
        if not isinstance(images, Mapping) or PRIMARY not in images:
            raise self.document.refusal(f"names no {PRIMARY} images", FORMAT)
        if unusable := [kind for kind in images if not IMAGE_TYPE.fullmatch(kind)]:
            raise self.document.refusal(f"has images of the type {unusable[0]!r}", "use letters, digits, '_' and '-'")
        kinds = sorted(images, key=lambda kind: kind != PRIMARY)
        return {kind: self.read(self.document.named(images[kind])) for kind in kinds}

    @cached_property
    def fields(self) -> dict[str, dict[str, str]]:
        """By field of view, in the order of their numbers: by type of images, the name of the file with its tiles."""
        contents = {kind: document.member("contents", dict) for kind, document in self.manifests.items()}
        primary = self.manifests[PRIMARY]
        for field in contents[PRIMARY]:
            if not FIELD_NAME.fullmatch(field):
                raise primary.refusal(
                    f"has a field of view {field!r}", "it names a file: use letters, digits, '.', '_' and '-'"
                )
        if not contents[PRIMARY]:
            raise primary.refusal("lists no field of view", "an experiment has at least one")
        return {
            field: {
                kind: document.named(contents[kind][field])
                for kind, document in self.manifests.items()
                if field in contents[kind]
            }
            for field in sorted(contents[PRIMARY], key=_by_number)
        }


def tiles(document: Document) -> Iterator[Tile]:
    """The tiles that the file of one field of view names.

    Raises
    ------
    InvalidRequest
        If it has none, or one is not as SpaceTx has it.
    """
    for tile in document.member("tiles", list):
        if not isinstance(tile, Mapping) or "file" not in tile:
            raise document.refusal(f"has the tile {tile!r:.80}", FORMAT)
        sha256 = tile.get("sha256")
        yield Tile(document.named(tile["file"]), sha256 if isinstance(sha256, str) else "")


def _leads_down(name: str) -> bool:
    return not UNUSABLE.search(name) and all(part not in ("", "..") for part in name.split("/"))


def _by_number(field: str) -> list[tuple[int, int | str]]:
    """`fov_2` before `fov_10`."""
    return [(0, int(part)) if part.isdigit() else (1, part) for part in DIGITS.split(field) if part]
