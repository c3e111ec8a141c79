"""Puts the stages of a run where the dispatcher and the workers find them; `stages.json` is written last."""

import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from cellpainting.dispatch.planned_stages import PlannedStage
from cellpainting.dispatch.store_plan import store_plan
from cellpainting.jobs.run_record import RunKeys
from cellpainting.ledger.stage_record import StageRecord, read_stage_record
from cellpainting.storage.base import Storage

WRITERS = 4  # stages at a time; the shards of each are written side by side, too


def store_stages(keys: RunKeys, planned: Sequence[PlannedStage], storage: Storage) -> StageRecord:
    """Write the request, the table of image sets and the plan of each stage, and add them to the run's stages.

    Raises
    ------
    StorageUnavailable
        If the storage fails.
    """
    with ThreadPoolExecutor(WRITERS) as writers:
        for _ in writers.map(lambda one: _store(one, storage), planned):
            pass  # raises what a write has raised
    record = (read_stage_record(keys, storage) or StageRecord(())).with_stages(one.stage for one in planned)
    storage.write(keys.stages, record.to_json())
    return record


def _store(one: PlannedStage, storage: Storage) -> None:
    if one.load_data is not None and one.run.job.load_data:
        storage.write(one.run.job.load_data, one.load_data)
    storage.write(one.run.keys.request, json.dumps(dict(one.run.document)).encode())
    store_plan(one.run.keys, one.plan, one.pending, storage)
