"""From what a user names, runs and folders, to the plates in them."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace

from cellpainting.backend.report import REPORT as INGEST_REPORT
from cellpainting.errors import InvalidRequest
from cellpainting.jobs import BuildBackend, MakeProfiles, RunCellProfiler, parse_job
from cellpainting.jobs.run_record import RUNS, RunKeys
from cellpainting.ledger import Manifest, read_ledger
from cellpainting.ledger.reader import READERS
from cellpainting.ledger.runs import read_request
from cellpainting.profiles.place import Place
from cellpainting.profiles.request import open_request, usual_backend
from cellpainting.profiles.write_profiles import PARQUET
from cellpainting.report.sources import PlateFolders, PlateSources, RunSource
from cellpainting.storage import FolderStorage, Storage

PROFILES = "profiles"
DEEPEST = 3  # folders from one that is named to those of plates: backend, batch, plate
OF_RUN = "run "  # what the name of an analysis begins with that is a run


class Targets:
    """Collects what targets name, each plate once. Names of runs are looked up in `bucket`."""

    def __init__(self, bucket: Storage | None) -> None:
        self._bucket = bucket
        self._runs: dict[str, RunSource] = {}
        self._folders: dict[tuple[str, str], PlateFolders] = {}

    def add_run(self, run_id: str) -> None:
        """Take a run of the bucket.

        Raises
        ------
        InvalidRequest
            If there is none, or nobody said in which bucket.
        """
        if self._bucket is None:
            raise InvalidRequest(f"{run_id!r} is no folder; to name a run, say with --bucket in which bucket it is")
        self._add_run(self._bucket, run_id)

    def add_folder(self, place: Place) -> None:
        """Take a folder: of a run, of a plate, or of several plates.

        Raises
        ------
        InvalidRequest
            If it is none of these.
        """
        if _is_run(place):
            bucket = place.above(2)
            self._add_run(_below_prefix(bucket.storage, bucket.prefix), place.name)
            return
        found = [folders for one in _below(place) if (folders := _plate_at(one))]
        if not found:
            raise InvalidRequest(
                f"{place.storage.uri(place.prefix)} is neither the folder of a run, nor one with backends or profiles; "
                "name a plate's folder, such as backend/<batch>/<plate>, or one above it"
            )
        for folders in found:
            self._add_plate(folders)

    def add_backend(self, place: Place) -> None:
        """Take the plate whose backend, which need not be there, is at `<...>/<batch>/<plate>`."""
        self._add_plate(_with_siblings(place))

    def plates(self) -> list[PlateSources]:
        """All plates that were named, with everything of them.

        Raises
        ------
        InvalidRequest
            If there is none.
        """
        found = self._found()
        if not found:
            raise InvalidRequest("there is no image set yet in what was named; 'cpb status' tells how far a run is")
        return found

    def plate(self, name: str) -> PlateSources:
        """The plate of that name, with everything of it that was named; there may be nothing.

        Raises
        ------
        InvalidRequest
            If there is one in several batches.
        """
        found = [one for one in self._found() if one.plate == name]
        if len(found) > 1:
            batches = ", ".join(repr(one.batch) for one in found)
            raise InvalidRequest(
                f"there is a plate {name!r} in several batches, {batches}; name what is of one of them"
            )
        return found[0] if found else PlateSources(PlateFolders("", name), ())

    def _found(self) -> list[PlateSources]:
        self._add_analysed_runs()
        runs = tuple(self._runs.values())
        for run in runs:
            for one in run.ledger.outcomes:
                self._folders.setdefault(*_unplaced(self._folders, one.image_set.batch, one.image_set.plate))
        return [PlateSources(folders, runs) for folders in self._folders.values()]

    def _add_run(self, bucket: Storage, run_id: str) -> None:
        job = parse_job(read_request(bucket, run_id))
        if isinstance(job, BuildBackend):
            self._add_plate(_with_siblings(Place(bucket, job.folder)))
            if job.analysed_run:
                self._add_run(bucket, job.analysed_run)
        elif isinstance(job, MakeProfiles):
            self._add_profiles(job, bucket)
        elif isinstance(job, RunCellProfiler):
            self._runs[run_id] = RunSource(bucket, run_id, job, read_ledger(bucket, run_id), _manifests(bucket, run_id))
        else:
            raise InvalidRequest(f"run {run_id} is a {job.job_type} job, which measures no plate; name another run")

    def _add_profiles(self, job: MakeProfiles, bucket: Storage) -> None:
        config, places = open_request(job.wanted, bucket)
        for batch in config.batches:
            for plate in batch.plates:
                self._add_plate(
                    PlateFolders(
                        batch.name,
                        plate,
                        backend=Place(bucket, places.backend.key(f"{batch.name}/{plate}")),
                        profiles=Place(bucket, places.output.key(f"{config.output_dir}/{batch.name}/{plate}")),
                        root=places.output,
                    )
                )

    def _add_plate(self, folders: PlateFolders) -> None:
        key = folders.batch, folders.plate
        known = self._folders.get(key, folders)
        self._folders[key] = replace(
            known,
            backend=known.backend or folders.backend,
            profiles=known.profiles or folders.profiles,
            root=known.root or folders.root,
        )

    def _add_analysed_runs(self) -> None:
        """The runs that backends were made of, where they can be seen."""
        for folders in list(self._folders.values()):
            ingest = PlateSources(folders, ()).ingest
            if self._bucket and ingest and ingest.analysis.startswith(OF_RUN):
                run_id = ingest.analysis.removeprefix(OF_RUN)
                if run_id not in self._runs:
                    with suppress(InvalidRequest):  # a run of another bucket
                        self._add_run(self._bucket, run_id)


def _manifests(bucket: Storage, run_id: str) -> tuple[Manifest, ...]:
    keys = [item.key for item in bucket.list(RunKeys(run_id).shards)]
    with ThreadPoolExecutor(READERS) as readers:
        return tuple(map(Manifest.from_json, readers.map(bucket.read, keys)))


def _unplaced(
    known: dict[tuple[str, str], PlateFolders], batch: str, plate: str
) -> tuple[tuple[str, str], PlateFolders]:
    """Where a plate of a ledger belongs, which need not know the batch: to the only plate of that name, if any."""
    named = [key for key in known if key[1] == plate]
    key = named[0] if len(named) == 1 else (batch, plate)
    return key, PlateFolders(*key)


def _is_run(place: Place) -> bool:
    return place.above(1).name == RUNS.rstrip("/") and place.exists("request.json")


def _below_prefix(bucket: Storage, prefix: str) -> Storage:
    """A bucket that is a folder somewhere in a storage."""
    if prefix in ("", ".") or not isinstance(bucket, FolderStorage):
        return bucket
    return FolderStorage(bucket.path(prefix))


def _below(place: Place, deepest: int = DEEPEST) -> Iterator[Place]:
    """A folder and those in it, as deep as plates can be."""
    yield place
    if deepest:
        for name in place.storage.folders(place.prefix):
            if not name.startswith("."):
                yield from _below(Place(place.storage, place.key(name)), deepest - 1)


def _plate_at(place: Place) -> PlateFolders | None:
    """The plate whose backend or profiles a folder has."""
    name = place.name
    if place.exists(f"{name}{INGEST_REPORT}"):
        return _with_siblings(place)
    if place.exists(f"{name}.{PARQUET}"):
        return _of_profiles(place)
    return None


def _with_siblings(backend: Place) -> PlateFolders:
    """A backend's plate, with the profiles that lie beside: `<workspace>/backend` and `<workspace>/profiles`."""
    batch, plate, root = backend.above(1).name, backend.name, backend.above(3)
    profiles = Place(backend.storage, root.key(f"{PROFILES}/{batch}/{plate}"))
    return PlateFolders(batch, plate, backend, profiles, root)


def _of_profiles(profiles: Place) -> PlateFolders:
    batch, plate, root = profiles.above(1).name, profiles.name, profiles.above(3)
    backend = Place(profiles.storage, usual_backend(root).key(f"{batch}/{plate}"))
    return PlateFolders(batch, plate, backend, profiles, root)
