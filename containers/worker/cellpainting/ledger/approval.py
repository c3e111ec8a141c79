"""A person's word that a plate may go on: it holds for the illumination and the quality control that they looked at."""

import hashlib
import json
import time
from contextlib import suppress
from dataclasses import astuple

from cellpainting.errors import MissingInput
from cellpainting.jobs.run_record import RunKeys
from cellpainting.jobs.stage import Stage
from cellpainting.ledger.readiness import why_not_ready
from cellpainting.ledger.staged_ledger import StagedLedger, StageState
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


def why_not_approved(stage: Stage, storage: Storage) -> str:
    """Why a stage cannot start for want of a person's word; empty if it needs none, or has it."""
    if not stage.is_gated or is_approved(stage, storage):
        return ""
    return f"it waits for approval: look at what {' and '.join(stage.after)} made, then 'cpb approve {stage.of}'"


def why_not_waiting(stage: Stage, ledger: StagedLedger, storage: Storage) -> str:
    """Why there is nothing to approve of before a gated stage of a run; empty if it waits for a person's word."""
    before = (one for one in ledger.stages if one.ledger.run_id in stage.after)
    at_work = [one.stage.label for one in before if one.state is StageState.UNDER_WAY]
    if at_work:
        return f"not over yet: {', '.join(at_work)}"
    if reason := why_not_ready(stage, ledger.ledger_of):
        return reason
    if ledger.ledger_of(stage.run_id).is_complete:
        return f"{stage.label} is complete"
    return f"{stage.label} was approved of before" if is_approved(stage, storage) else ""


def _key(stage: Stage) -> str:
    return RunKeys(stage.of).approval(stage.run_id)


def _digest(stage: Stage, storage: Storage) -> str:
    """SHA-256 of the manifests of the stages before, by name, size and ETag."""
    manifests = [astuple(item) for run_id in stage.after for item in storage.list(RunKeys(run_id).shards)]
    return hashlib.sha256(json.dumps(manifests).encode()).hexdigest()
