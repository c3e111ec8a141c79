"""The mark of a stage that could not start: why; empty once it could, as not all who write it may delete."""

from contextlib import suppress

from cellpainting.errors import MissingInput
from cellpainting.jobs.run_record import RunKeys
from cellpainting.storage import Storage


def why_blocked(keys: RunKeys, storage: Storage) -> str:
    """Why a stage could not start when that was last tried; empty if it could."""
    with suppress(MissingInput):
        return storage.read(keys.blocked).decode()
    return ""


def mark_blocked(keys: RunKeys, reason: str, storage: Storage) -> None:
    """Leave why a stage cannot start; with an empty reason, that it can."""
    if reason or why_blocked(keys, storage):
        storage.write(keys.blocked, reason.encode())
