"""The runs of a bucket, and the requests that they came from."""

import json
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from cellpainting.errors import InvalidField, InvalidRequest, MissingInput
from cellpainting.jobs import RunRecord, is_same_run, parse_job
from cellpainting.jobs.fields import STAGE_MARK
from cellpainting.jobs.run_record import RUNS, RunKeys
from cellpainting.storage import Storage

READERS = 32  # requests on their way at once, as many as S3Storage keeps connections


@dataclass(frozen=True)
class ListedRun:
    """A run, and its summary as it was last written; None before anybody counted."""

    run_id: str
    summary: Mapping[str, Any] | None


def list_runs(storage: Storage) -> list[ListedRun]:
    """All runs by name; those of stages are part of the run that they are of.

    Raises
    ------
    StorageUnavailable
        If the storage cannot be read.
    """
    with ThreadPoolExecutor(READERS) as readers:
        whole = [run_id for run_id in storage.folders(RUNS) if STAGE_MARK not in run_id]
        listed = readers.map(lambda run_id: _listed(storage, run_id), whole)
        return [run for run in listed if run is not None]


def read_request(storage: Storage, run_id: str) -> Mapping[str, Any]:
    """The request of a run, as it was received.

    Raises
    ------
    InvalidRequest
        If there is no such run.
    """
    try:
        document: Mapping[str, Any] = json.loads(storage.read(RunKeys(run_id).request))
    except MissingInput as error:
        raise InvalidRequest(
            f"there is no run {run_id!r} below {storage.uri(RUNS)}; 'cpb status' without a name lists the runs"
        ) from error
    return document


def read_whole_request(storage: Storage, run_id: str) -> Mapping[str, Any]:
    """The request of a run that is no stage: what may be sent again.

    Raises
    ------
    InvalidRequest
        If there is no such run, or it is a stage of another.
    """
    document = read_request(storage, run_id)
    if stage := parse_job(document).stage:
        raise InvalidRequest(f"run {run_id!r} is a stage of the run {stage.of!r}; name that")
    return document


def record_request(storage: Storage, run: RunRecord) -> None:
    """Put a request where its workers find it.

    Raises
    ------
    InvalidField
        If the run's name already stands for other work.
    """
    try:
        earlier = parse_job(json.loads(storage.read(run.keys.request)))
    except MissingInput:
        earlier = run.job
    if not is_same_run(earlier, run.job):
        raise InvalidField("run", run.run_id, "a run of this name did something else; choose another name")
    storage.write(run.keys.request, json.dumps(dict(run.document)).encode())


def _listed(storage: Storage, run_id: str) -> ListedRun | None:
    """The folder of a run, or None for one that is none, such as that of refused messages."""
    keys = RunKeys(run_id)
    try:
        return ListedRun(run_id, json.loads(storage.read(keys.summary)))
    except MissingInput:
        return ListedRun(run_id, None) if _exists(storage, keys.request) else None


def _exists(storage: Storage, key: str) -> bool:
    try:
        storage.stat(key)
    except MissingInput:
        return False
    return True
