"""What results are made from, as the storage has it: enough to see whether anything changed since."""

from collections import defaultdict
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

from cellpainting.errors import MissingInput
from cellpainting.ledger.manifest import StoredFile
from cellpainting.storage import S3Storage, Storage, split_public_uri

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


def find_changed(storage: Storage, files: Iterable[StoredFile]) -> frozenset[str]:
    """The keys of the files that are not there any more as they were, one HEAD request each. A key that is given with
    two versions has changed for one of them.
    """
    versions = defaultdict(set)
    for file in files:
        versions[file.key].add(file)
    differing = frozenset(key for key, found in versions.items() if len(found) > 1)
    known = {key: next(iter(found)) for key, found in versions.items() if key not in differing}
    public = {bucket: S3Storage.public(bucket) for bucket in {_bucket(key) for key in known} if bucket}

    def is_changed(file: StoredFile) -> bool:
        with suppress(MissingInput):
            bucket, key = split_public_uri(file.key) if _bucket(file.key) else ("", file.key)
            item = (public[bucket] if bucket else storage).stat(key)
            return StoredFile(file.key, item.size, item.etag) != file
        return True

    with ThreadPoolExecutor(READERS) as readers:
        changed = readers.map(is_changed, known.values())
        return differing.union(key for key, is_new in zip(known, changed, strict=True) if is_new)


def _bucket(key: str) -> str:
    """The public bucket of a key that has its whole address; empty for a key of our own."""
    return split_public_uri(key)[0] if key.startswith("s3://") else ""
