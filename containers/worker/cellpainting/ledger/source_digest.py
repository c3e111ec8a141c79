"""What a job that is done whole was made from, as one text: it tells whether the same request would give the same."""

import hashlib
import json
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import astuple

from cellpainting.errors import MissingInput
from cellpainting.jobs import WholeJob
from cellpainting.ledger.manifest import StoredFile
from cellpainting.storage import Storage


def source_digest(job: WholeJob, storage: Storage) -> str:
    """SHA-256 of what is asked for, and of the names, sizes and ETags of all files that it is made from.

    Raises
    ------
    StorageUnavailable
        If the storage fails.
    """
    told = [job.work, [astuple(file) for file in _sources(job, storage)]]
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()


def _sources(job: WholeJob, storage: Storage) -> Iterator[StoredFile]:
    for key in job.named_files:
        with suppress(MissingInput):  # what is not there is the worker's to tell
            yield StoredFile.of(storage.stat(key))
    for prefix in job.read_prefixes:
        yield from map(StoredFile.of, storage.list(prefix))
