"""What results are made from, as the storage has it: enough to see whether anything changed since."""

from collections import defaultdict
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

from cellpainting.errors import MissingInput
from cellpainting.ledger.manifest import StoredFile
from cellpainting.storage import Sources, Storage

READERS = 32  # requests on their way at once, as many as S3Storage keeps connections


def list_images(storage: Storage, prefix: str) -> tuple[StoredFile, ...]:
    """Everything below an input folder.

    Raises
    ------
    MissingInput
        If there is nothing.
    """
    stored = tuple(StoredFile.of(item) for item in storage.list(prefix))
    if not stored:
        raise MissingInput(f"the input folder {storage.uri(prefix)} is empty; upload images there, or correct 'input'")
    return stored


def find_changed(sources: Sources, files: Iterable[StoredFile]) -> frozenset[str]:
    """The keys of the files that are not there any more as they were, one HEAD request each. A key that is given with
    two versions has changed for one of them.
    """
    versions = defaultdict(set)
    for file in files:
        versions[file.key].add(file)
    differing = frozenset(key for key, found in versions.items() if len(found) > 1)
    known = {key: next(iter(found)) for key, found in versions.items() if key not in differing}

    def is_changed(file: StoredFile) -> bool:
        with suppress(MissingInput):
            storage, key = sources.of(file.key)
            item = storage.stat(key)
            return StoredFile(file.key, item.size, item.etag) != file
        return True

    with ThreadPoolExecutor(READERS) as readers:
        changed = readers.map(is_changed, known.values())
        return differing.union(key for key, is_new in zip(known, changed, strict=True) if is_new)
