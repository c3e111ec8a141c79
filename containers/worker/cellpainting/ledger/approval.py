"""A person's word that a plate may go on: it holds for the illumination and the quality control that they looked at."""

import hashlib
import json
import time
from contextlib import suppress
from dataclasses import astuple

from cellpainting.errors import MissingInput
from cellpainting.jobs.run_record import RunKeys
from cellpainting.jobs.stage import Stage
from cellpainting.storage import Storage


def approve(stage: Stage, storage: Storage) -> None:
    """Take down that what a gated stage comes after has been approved of, as it is now."""
    document = {"plate": stage.plate, "approved_at": time.time(), "of": _digest(stage, storage)}
    storage.write(_key(stage), json.dumps(document).encode())


def is_approved(stage: Stage, storage: Storage) -> bool:
    """Whether somebody has approved, and nothing of it was done again since."""
    with suppress(MissingInput):
        return bool(json.loads(storage.read(_key(stage)))["of"] == _digest(stage, storage))
    return False


def _key(stage: Stage) -> str:
    return RunKeys(stage.of).approval(stage.run_id)


def _digest(stage: Stage, storage: Storage) -> str:
    """SHA-256 of the manifests of the stages before, by name, size and ETag."""
    manifests = [astuple(item) for run_id in stage.after for item in storage.list(RunKeys(run_id).shards)]
    return hashlib.sha256(json.dumps(manifests).encode()).hexdigest()
