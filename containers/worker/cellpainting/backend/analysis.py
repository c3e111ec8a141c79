"""Where the CSVs of an ingest come from: everything below a prefix, or just what the manifests of a run list."""

from collections.abc import Iterator, Set
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import PurePosixPath

from cellpainting.backend.report import REPORT
from cellpainting.backend.workplace import ASIDE
from cellpainting.errors import InvalidRequest
from cellpainting.jobs.run_record import RUNS, RunKeys
from cellpainting.ledger import ImageSet, Manifest, Outcome, StoredFile, read_ledger
from cellpainting.ledger.runs import read_request
from cellpainting.storage import Storage, StoredObject

READERS = 32  # requests on their way at once, as many as S3Storage keeps connections


@dataclass(frozen=True)
class Analysis:
    """CSVs in a storage; `name` is what they are called in messages. `planned` is the ledger of the run they are of."""

    storage: Storage
    name: str
    files: tuple[StoredObject, ...]
    planned: tuple[Outcome, ...] = ()


def open_analysis(storage: Storage, key: str, plate: str | None = None) -> Analysis:
    """The analysis at a prefix, without backends that lie there, too; or that of `plate` in the run `runs/<run id>`.

    Raises
    ------
    InvalidRequest
        If there is nothing, or no such run.
    StorageUnavailable
        If the storage fails.
    """
    if key.startswith(RUNS):
        return _of_run(storage, key.removeprefix(RUNS).strip("/"), plate)
    listed = list(storage.list(key))
    paths = {file.key: PurePosixPath(file.key) for file in listed}
    # Those that are made, and those that are being made or were when the power went.
    backends = {path.parent for key, path in paths.items() if key.endswith(REPORT)}
    backends |= {path.parent.parent for path in paths.values() if path.parent.name == ASIDE}
    files = tuple(file for file in listed if not _is_of_backend(paths[file.key], backends))
    if not any(file.key.casefold().endswith(".csv") for file in files):
        raise InvalidRequest(f"there is no CSV below {storage.uri(key)}; name the folder that CellProfiler wrote to")
    return Analysis(storage, storage.uri(key), files)


def _of_run(storage: Storage, run_id: str, plate: str | None) -> Analysis:
    read_request(storage, run_id)
    outcomes = [one for one in read_ledger(storage, run_id).outcomes if plate in (None, one.image_set.plate)]
    if not outcomes:
        raise InvalidRequest(
            f"the run {run_id} has no image set of plate {plate!r}; 'cpb status {run_id}' lists plates"
        )
    measured = {one.image_set for one in outcomes if one.state.is_success}
    files = tuple(StoredObject(file.key, file.size, file.checksum) for file in _outputs(storage, run_id, measured))
    if not files:
        raise InvalidRequest(f"the run {run_id} has no results yet; 'cpb status {run_id}' tells how far it is")
    return Analysis(storage, f"run {run_id}", files, tuple(outcomes))


def _outputs(storage: Storage, run_id: str, measured: Set[ImageSet]) -> Iterator[StoredFile]:
    """What the manifests list of groups with an image set that counts."""
    keys = [item.key for item in storage.list(RunKeys(run_id).shards)]
    with ThreadPoolExecutor(READERS) as readers:
        for content in readers.map(storage.read, keys):
            for group in Manifest.from_json(content).groups:
                if any(outcome.image_set in measured for outcome in group.outcomes):
                    yield from group.outputs


def _is_of_backend(path: PurePosixPath, backends: Set[PurePosixPath]) -> bool:
    return ASIDE in path.parts or path.parent in backends
