"""One sitting with a local cloud: upload, send, wait, report, download."""

import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from botocore.exceptions import ClientError
from rich.console import Console
from rich.table import Column, Table

from cellpainting.errors import InvalidRequest, MissingInput
from cellpainting.jobs import parse_message
from cellpainting.jobs.fields import STAGE_MARK
from cellpainting.jobs.run_record import rejected_key
from cellpainting.ledger import Ledger, read_ledger, write_ledger
from cellpainting.ledger.staged_ledger import StagedLedger
from cellpainting.local.cloud import LocalCloud
from cellpainting.storage import FolderStorage, S3Storage

POLL_S = 0.1
COPIERS = 8
PROBLEMS_SHOWN = 20


@dataclass(frozen=True)
class Sent:
    """A message on its way. `run_ids` is empty for a message that the dispatcher is bound to refuse."""

    message_id: str
    run_ids: tuple[str, ...]


@dataclass(frozen=True)
class Report:
    """What became of all messages: a ledger per run, and the reason of each refusal."""

    ledgers: tuple[Ledger, ...]
    refusals: tuple[str, ...]

    @property
    def exit_status(self) -> int:
        """0 all work succeeded, 1 some failed, 2 a request was invalid."""
        if self.refusals:
            return 2
        return 0 if all(ledger.is_complete for ledger in self.ledgers) else 1

    def print(self, console: Console) -> None:
        """A row per run, and per stage of it, then who was not measured and why."""
        run = Column("run", overflow="fold")  # a name is for copying: never cut
        table = Table(run, "image sets", "done", "no cells", "not done", "seconds")
        for ledger in self.ledgers:
            for one in _with_stages(ledger):
                done, empty = one.counts["done"], one.counts["no_cells"]
                total = len(one.outcomes)
                cells = (one.run_id, total, done, empty, total - done - empty, f"{one.seconds:.1f}")
                table.add_row(*map(str, cells))
        if self.ledgers:
            console.print(table)
        for refusal in self.refusals:
            console.print(f"refused: {refusal}", style="red", markup=False, soft_wrap=True)
        for ledger in self.ledgers:
            self._print_problems(console, ledger)

    def _print_problems(self, console: Console, ledger: Ledger) -> None:
        if not ledger.outcomes and not ledger.problems:
            console.print(f"{ledger.run_id}: nothing ran; the dispatcher's log says why", style="red", markup=False)
        for problem in ledger.problems[:PROBLEMS_SHOWN]:
            console.print(f"{ledger.run_id}: {problem}", style="red", markup=False, soft_wrap=True)
        if len(ledger.problems) > PROBLEMS_SHOWN:
            run = f"{ledger.run_id}{STAGE_MARK}*" if isinstance(ledger, StagedLedger) else ledger.run_id
            console.print(f"... and {len(ledger.problems) - PROBLEMS_SHOWN} more in runs/{run}/ledger.csv")


def upload(cloud: LocalCloud, directory: Path, prefix: str) -> Iterator[Path]:
    """Copy the files of a folder that are not in the bucket yet or are newer here; yields each when it is there."""
    bucket = S3Storage(cloud.outputs["BucketName"], cloud.account.client("s3"))
    there = {item.key: item for item in bucket.list(prefix)}
    folder = FolderStorage(cloud.settings.bucket_folder)
    files = [path for path in sorted(directory.rglob("*")) if path.is_file()]
    keys = {path: f"{prefix}/{path.relative_to(directory).as_posix()}" for path in files}

    def is_new(path: Path) -> bool:
        stored = there.get(keys[path])
        if stored is None or stored.size != path.stat().st_size:
            return True
        return path.stat().st_mtime > folder.path(stored.key).stat().st_mtime

    def copy(path: Path) -> Path:
        bucket.upload(path, keys[path])
        return path

    with ThreadPoolExecutor(COPIERS) as copiers:
        yield from copiers.map(copy, filter(is_new, files))


def download(cloud: LocalCloud, prefix: str, directory: Path) -> Iterator[Path]:
    """Copy everything below a prefix into a folder; yields each file when it is there."""
    bucket = S3Storage(cloud.outputs["BucketName"], cloud.account.client("s3"))

    def copy(key: str) -> Path:
        path = directory / key[len(prefix) :].lstrip("/")
        bucket.download(key, path)
        return path

    with ThreadPoolExecutor(COPIERS) as copiers:
        yield from copiers.map(copy, (item.key for item in bucket.list(prefix)))


def send(cloud: LocalCloud, body: str) -> Sent:
    """Send one message, as `aws sqs send-message` would.

    Raises
    ------
    InvalidRequest
        If the queue does not take it: empty, or too large.
    """
    sqs = cloud.account.client("sqs")
    try:
        message_id = sqs.send_message(QueueUrl=cloud.outputs["SQSQueueURL"], MessageBody=body)["MessageId"]
    except ClientError as error:
        raise InvalidRequest(f"the queue does not take the message: {error.response['Error']['Message']}") from error
    try:
        return Sent(message_id, tuple(record.run_id for record in parse_message(body)))
    except InvalidRequest:
        return Sent(message_id, ())


def wait(cloud: LocalCloud) -> None:
    """Return when the queue is empty and no job is left."""
    while not cloud.is_idle:
        time.sleep(POLL_S)


def account_for(cloud: LocalCloud, sent: list[Sent]) -> Report:
    """Count what was done, and write each run's ledger, also for what was killed before it could."""
    bucket = S3Storage(cloud.outputs["BucketName"], cloud.account.client("s3"))
    refusals: list[str] = []
    run_ids: list[str] = []
    for message in sent:
        try:
            refusals.append(json.loads(bucket.read(rejected_key(message.message_id)))["reason"])
        except MissingInput:
            run_ids += message.run_ids
    ledgers = tuple(read_ledger(bucket, run_id) for run_id in dict.fromkeys(run_ids))
    for ledger in ledgers:
        for one in _with_stages(ledger):
            write_ledger(bucket, one)
    return Report(ledgers, tuple(refusals))


def _with_stages(ledger: Ledger) -> tuple[Ledger, ...]:
    return (ledger, *ledger.parts) if isinstance(ledger, StagedLedger) else (ledger,)
