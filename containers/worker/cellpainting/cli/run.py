"""`cpb run`: the containers' entry point, and the same on a laptop."""

import json
import os
import signal
import sys
from pathlib import Path
from types import FrameType

import click

from cellpainting.cellprofiler.environment import find_cellprofiler
from cellpainting.cellprofiler.log import MARK
from cellpainting.cellprofiler.run import run as run_shard
from cellpainting.errors import InvalidRequest
from cellpainting.jobs import RunRecord, parse_job
from cellpainting.jobs.run_record import RUNS
from cellpainting.ledger import read_ledger, write_ledger
from cellpainting.storage import FolderStorage, Storage, open_uri

ARRAY_INDEX = "AWS_BATCH_JOB_ARRAY_INDEX"  # set by Batch in the children of an array job
INPUT_ROOT = "CPB_INPUT_ROOT"  # the folder where the bucket is mounted (/fsx); images are read there, in place
INPUT_MOUNTS = "CPB_INPUT_MOUNTS"  # JSON, prefix to folder: more folders shown below the input root


@click.command()
@click.option("--request", required=True, metavar="URI", help="runs/<run id>/request.json, as s3:// or file:// URI")
@click.option(
    "--shard",
    type=click.IntRange(min=0),
    default=0,
    show_default=True,
    help=f"the shard to do; in an array job {ARRAY_INDEX} is added to it",
)
def run(request: str, shard: int) -> int:
    """Do one shard of a run, and leave its manifest in the bucket.

    Example: cpb run --request s3://bucket/runs/example-1/request.json --shard 0
    """
    signal.signal(signal.SIGTERM, _stop)
    bucket, record = _open_run(request)
    number = shard + int(os.environ.get(ARRAY_INDEX, "0"))
    manifest = run_shard(
        record,
        number,
        bucket=bucket,
        images_from=_images_from(bucket),
        cellprofiler=find_cellprofiler(os.environ.get("CELLPROFILER", "")),
    )
    ledger = read_ledger(bucket, record.run_id)
    write_ledger(bucket, ledger)
    for problem in ledger.problems:
        _tell(f"not done: {problem}")
    states = ", ".join(f"{count} {state}" for state, count in ledger.counts.items() if count) or "no image sets"
    _tell(f"shard {number} of run {record.run_id} ended after {manifest.seconds:.1f} s: {states}")
    return 0 if manifest.is_success else 1


def _open_run(request: str) -> tuple[Storage, RunRecord]:
    bucket, key = open_uri(request, key_starts_with=RUNS)
    try:
        document = json.loads(bucket.read(key))
    except ValueError as error:
        raise InvalidRequest(f"{request} is not JSON ({error}); send the request again") from error
    record = RunRecord.of(parse_job(document), document)
    if record.keys.request != key:
        raise InvalidRequest(f"{request} holds the request of run {record.run_id}; a run's record is not to be moved")
    return bucket, record


def _images_from(bucket: Storage) -> Storage:
    root = os.environ.get(INPUT_ROOT)
    if not root:
        return bucket
    mounts = json.loads(os.environ.get(INPUT_MOUNTS, "{}"))
    return FolderStorage(Path(root), {prefix: Path(folder) for prefix, folder in mounts.items()})


def _stop(number: int, frame: FrameType | None) -> None:
    """Spot reclaims and `terminate-job` send SIGTERM: leave through the clean-up, with the status a shell gives."""
    sys.exit(128 + number)


def _tell(line: str) -> None:
    print(MARK + line, flush=True)
