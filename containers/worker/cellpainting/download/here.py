"""A download on this machine, without a queue: the same plan, shards and records in a folder of one's own."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from cellpainting.dispatch.store_plan import store_plan
from cellpainting.download.run import run
from cellpainting.download.tally import Tell
from cellpainting.errors import InvalidRequest, MissingInput
from cellpainting.jobs import DownloadImages, RunRecord, parse_job
from cellpainting.ledger import Ledger, StoredFile, read_ledger, write_ledger
from cellpainting.ledger.runs import record_request
from cellpainting.load_data import LoadData, Places
from cellpainting.load_data.read_table import read_table
from cellpainting.planning import ShardPlan
from cellpainting.planning.plan_download import plan_download
from cellpainting.planning.run_plan import RunPlan
from cellpainting.shard_log import Show
from cellpainting.storage import FolderStorage, S3Storage, Sources, Storage

IMAGES, TABLES = "images", "jobs"  # folders below the one that is asked for
GALLERY_REGION = "us-east-1"
ROOT = Path("/")


@dataclass(frozen=True)
class Here:
    """This machine: the folder for everything, where public buckets are (None: AWS), and processors to use."""

    folder: Path
    endpoint_url: str | None
    processors: int

    @property
    def bucket(self) -> FolderStorage:
        """The folder as a bucket."""
        return FolderStorage(self.folder)

    @property
    def sources(self) -> Sources:
        """Images of public buckets, read without credentials, and of this machine's own folders."""
        connections = 16 * self.processors
        public: Callable[[str], Storage] = partial(
            S3Storage.public, endpoint_url=self.endpoint_url, region=GALLERY_REGION, connections=connections
        )
        return Sources(FolderStorage(ROOT), public)


def download(table: Path, processing: Mapping[str, Any], here: Here, *, show: Show, tell: Tell) -> Ledger:
    """Download the images of a table of load data; `processing` are fields of a `download_images` request.

    The table names images by `s3://` addresses, or by paths of this machine; relative ones begin in its own folder.

    Raises
    ------
    InvalidRequest
        If the request or the table cannot be used.
    StorageUnavailable, StorageFull
        As `run` does. What was done stays done.
    """
    record, job = _request(table, processing)
    content = table.read_bytes()
    plan = RunPlan(plan_download(job, _read(table, content)), _kept(here.bucket, job.load_data, content))
    record_request(here.bucket, record)
    store_plan(record.keys, plan, [shard.number for shard in plan.shards], here.bucket)
    for shard in plan.shards:
        run(
            record,
            job,
            shard,
            bucket=here.bucket,
            sources=here.sources,
            processors=here.processors,
            show=show,
            tell=_through(plan, shard, tell),
        )
    ledger = read_ledger(here.bucket, record.run_id)
    write_ledger(here.bucket, ledger)
    return ledger


def _request(table: Path, processing: Mapping[str, Any]) -> tuple[RunRecord, DownloadImages]:
    """The request for a table, as it would be sent."""
    named = {"load_data": f"{TABLES}/{table.name}", "output": IMAGES}
    document = {"job_type": DownloadImages.job_type, **named, **processing}
    job = parse_job(document)
    if not isinstance(job, DownloadImages):
        raise InvalidRequest(f"the job type is {job.job_type!r}; leave it out")
    return RunRecord.of(job, document), job


def _through(plan: RunPlan, shard: ShardPlan, tell: Tell) -> Tell:
    """Count image sets through all shards."""
    before = sum(earlier.image_set_count for earlier in plan.shards[: shard.number])
    return lambda done, total, fetched_bytes: tell(before + done, plan.image_set_count, fetched_bytes)


def _read(table: Path, content: bytes) -> LoadData:
    places = Places((str(ROOT),), base=str(table.resolve().parent))
    return read_table(content, table.name, places)


def _kept(bucket: Storage, key: str, content: bytes) -> tuple[StoredFile, ...]:
    """Keep a copy of the table with what is made of it; it may be that copy itself."""
    with suppress(MissingInput):
        if bucket.read(key) == content:
            return (StoredFile.of(bucket.stat(key)),)
    bucket.write(key, content)
    return (StoredFile.of(bucket.stat(key)),)
