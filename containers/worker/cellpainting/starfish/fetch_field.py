"""One field of view of an experiment on this machine: a copy that has this field only, under its own relative names."""

import json
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path, PurePosixPath

from cellpainting.errors import DamagedFieldOfView
from cellpainting.ledger import StoredFile
from cellpainting.planning.spacetx import Document, Experiment, Tile, tiles
from cellpainting.starfish.publish import sha256_of
from cellpainting.storage import Sources

FETCHERS = 16  # more threads gain nothing: Python code is the limit then


def fetch_field(
    sources: Sources, experiment: Experiment, field: str, folder: Path
) -> tuple[Path, tuple[StoredFile, ...]]:
    """Copy what a field is decoded from to a folder.

    Returns the copy's experiment.json, in which there is no other field, and what was copied.

    Raises
    ------
    MissingInput
        If a file is not there.
    InvalidRequest
        If a file is not in SpaceTx format, or names one that would lie outside.
    DamagedFieldOfView
        If a tile has not the checksum that is told of it.
    StorageUnavailable
        If the storage fails.
    """
    documents = {kind: experiment.read(name) for kind, name in experiment.fields[field].items()}
    named = dict.fromkeys(tile for document in documents.values() for tile in tiles(document))
    for document in (experiment.document, *documents.values()):
        _write(folder / document.name, document.content)
    for kind, manifest in experiment.manifests.items():
        _write(folder / manifest.name, _only(field, manifest, documents.get(kind)))
    files = _fetch_all(sources, experiment, (Tile(experiment.codebook, ""), *named), folder)
    stored = (experiment.document.stored, *(document.stored for document in documents.values()), *files)
    return folder / experiment.document.name, stored


def _only(field: str, manifest: Document, document: Document | None) -> dict[str, object]:
    """The list of fields with one of them; or none, where it has no images of the type."""
    parent = PurePosixPath(manifest.name).parent
    contents = {field: str(PurePosixPath(document.name).relative_to(parent))} if document else {}
    return {**manifest.content, "contents": contents}


def _fetch_all(sources: Sources, experiment: Experiment, files: Iterable[Tile], folder: Path) -> tuple[StoredFile, ...]:
    def fetch(file: Tile) -> StoredFile:
        place = experiment.place(file.name)
        storage, key = sources.of(place)
        path = folder / file.name
        item = storage.download(key, path)
        if file.sha256 and sha256_of(path) != file.sha256:
            raise DamagedFieldOfView(f"{place} has not the sha256 that the experiment tells of it; upload it again")
        return StoredFile(place, item.size, item.etag)

    with ThreadPoolExecutor(FETCHERS) as fetchers:
        return tuple(fetchers.map(fetch, files))


def _write(path: Path, content: Mapping[str, object]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))
