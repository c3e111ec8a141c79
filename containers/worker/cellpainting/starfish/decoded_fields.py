"""Which fields of view of a run can be merged: those that its plan names and whose manifest vouches for a file."""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from cellpainting.errors import DamagedFieldOfView, InvalidRequest, MissingInput
from cellpainting.jobs import DecodeFovs, parse_job
from cellpainting.jobs.run_record import RunKeys
from cellpainting.ledger import Manifest, Outcome, StoredFile, read_ledger
from cellpainting.ledger.runs import read_request
from cellpainting.starfish.decode import DECODED
from cellpainting.starfish.publish import sha256_of
from cellpainting.storage import Storage

READERS = 32  # requests on their way at once, as many as S3Storage keeps connections
TOLD = 10


@dataclass(frozen=True)
class DecodedFields:
    """The fields of a run in the order of their numbers: the files of those that were decoded, and why others are
    `missing`. `stale` are keys beside them of which this run knows nothing.
    """

    run_id: str
    files: Mapping[str, StoredFile]
    missing: Mapping[str, str]
    stale: tuple[str, ...]

    def require_enough(self, allow_missing: float) -> None:
        """Refuse if more than this fraction of the fields is missing, or nothing is there.

        Raises
        ------
        MissingInput
            Naming those that are missing.
        """
        count = len(self.files) + len(self.missing)
        if self.files and len(self.missing) <= allow_missing * count:
            return
        told = [f"{field} ({reason})" for field, reason in list(self.missing.items())[:TOLD]]
        more = f" and {len(self.missing) - TOLD} more" if len(self.missing) > TOLD else ""
        raise MissingInput(
            f"{len(self.missing)} of {count} fields of view are missing: {', '.join(told)}{more}; "
            f"decode them ('cpb redrive {self.run_id}'), or say in 'allow_missing' which fraction may be missing"
        )


def find_decoded(bucket: Storage, run_id: str) -> DecodedFields:
    """Look at a run's plan, its manifests and the folder of its results.

    Raises
    ------
    InvalidRequest
        If there is no such run, or it decodes nothing.
    """
    job = parse_job(read_request(bucket, run_id))
    if not isinstance(job, DecodeFovs):
        raise InvalidRequest(f"run {run_id!r} is of the type {job.job_type}; name one of {DecodeFovs.job_type}")
    outcomes = read_ledger(bucket, run_id).outcomes
    if not outcomes:
        raise InvalidRequest(f"run {run_id!r} has no plan yet; wait for it, or look at 'cpb status {run_id}'")
    stored = {item.key for item in bucket.list(job.output) if item.key.endswith(DECODED)}
    with ThreadPoolExecutor(READERS) as readers:
        found = readers.map(lambda outcome: _file(bucket, run_id, outcome), outcomes)
    files: dict[str, StoredFile] = {}
    missing: dict[str, str] = {}
    for outcome, file in zip(outcomes, found, strict=True):
        field = outcome.image_set.folder
        if file is None:
            missing[field] = outcome.reason or "its manifest lists no table"
        elif file.key not in stored:
            missing[field] = f"{file.key} is not there any more"
        else:
            files[field] = file
    known = {file.key for file in files.values()}
    return DecodedFields(run_id, files, missing, tuple(sorted(stored - known)))


def fetch_decoded(bucket: Storage, fields: DecodedFields, folder: Path) -> dict[str, str]:
    """Copy the files to a folder; returns the name of each field's.

    Raises
    ------
    DamagedFieldOfView
        If one is not the file that the manifest vouches for, by size and SHA-256.
    """

    def fetch(file: StoredFile) -> str:
        path = folder / PurePosixPath(file.key).name
        bucket.download(file.key, path)
        if (path.stat().st_size, sha256_of(path)) != (file.size, file.checksum):
            raise DamagedFieldOfView(
                f"{bucket.uri(file.key)} was changed after run {fields.run_id} had written it; decode the field again, "
                "with 'force'"
            )
        return path.name

    with ThreadPoolExecutor(READERS) as fetchers:
        return dict(zip(fields.files, fetchers.map(fetch, fields.files.values()), strict=True))


def _file(bucket: Storage, run_id: str, outcome: Outcome) -> StoredFile | None:
    if not outcome.state.is_success:
        return None
    manifest = Manifest.from_json(bucket.read(RunKeys(run_id).shard(outcome.image_set.shard)))
    name = outcome.image_set.folder + DECODED
    return next((file for file in manifest.outputs if PurePosixPath(file.key).name == name), None)
