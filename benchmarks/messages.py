"""Thousands of messages through a local cloud: none lost, none doubled, and what each costs.

The cloud is the deployed templates: a real queue with its dead letters (moto's SQS), the poller, the dispatcher's own
asset in a process of its own, a bucket over HTTP. Only the command of the jobs is another: it waits until all messages
are dispatched, as jobs do for hosts, and ends. Among the messages are requests, lists of them, bodies that were sent
before, some of them a moment before, and poison; of each fiftieth message the deletion gets lost, so that it is
delivered twice. One message is dispatched at a time, for moto's queue has one receiver; on AWS there are five.

Throughput is that of everything together on this machine. The dispatcher's own share is its processor time.

    .venv/bin/python benchmarks/messages.py [--messages N]
"""

import argparse
import json
import logging
import os
import random
import re
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Any

from moto.batch import models as batch
from moto.batch.models import batch_backends
from moto.sqs import models as sqs_models

from cellpainting.jobs import parse_message
from cellpainting.jobs.run_record import RUNS, RunKeys, rejected_key
from cellpainting.local.attempt import Command
from cellpainting.local.cloud import LocalCloud, LocalSettings
from cellpainting.local.deployed_stack import DeployedStack
from cellpainting.local.deployment import REGION
from cellpainting.local.moto_models import ACCOUNT
from cellpainting.local.poller import Poller
from cellpainting.local.process_host import ProcessHost
from cellpainting.storage import FolderStorage

REQUEST = {"pipeline": "p/x.cppipe", "input": "p/images/"}
POISON = {
    "not JSON": "not JSON",
    "a wrong type": json.dumps({**REQUEST, "output": 7}),
    "an unknown field": json.dumps({**REQUEST, "output": "x/", "pipleine": "x"}),
    "a path with ..": json.dumps({**REQUEST, "output": "../x/"}),
    "nested too deeply": "[" * 100_000,
    "a pipeline that is not there": json.dumps({**REQUEST, "pipeline": "nowhere.cppipe", "output": "x/"}),
    "a list with one bad request": json.dumps([{**REQUEST, "output": "never/"}, {**REQUEST, "output": "/x/"}]),
    "a queue that is not listed": json.dumps({**REQUEST, "output": "x/", "job_queue": "another"}),
}
IN_A_LIST = 5  # requests
DELIVERED_TWICE = 50  # one message of so many
SENT_AT_ONCE = 10  # the most that SQS takes
LOGGED = re.compile(r'"(?:\x1b\[[\d;]*m)?(\w+) (\S+)')
PROMPT_S = 600  # without progress


@dataclass(frozen=True)
class Message:
    """A message, and what kind of poison it is, if any."""

    body: str
    poison: str = ""


@dataclass(frozen=True)
class Phase:
    """What a part of the work took: seconds, the dispatcher's processor seconds and peak MiB, requests by service."""

    seconds: float
    processor_s: float
    memory_mib: float
    requests: Counter[str]


@dataclass(frozen=True)
class WaitingHost(ProcessHost):
    """A machine on which every job waits for the file `go`, and ends."""

    go: Path

    def command(self, job: batch.Job, attempt: int) -> Command:
        """The job's command, but for its words."""
        words = ("/bin/sh", "-c", f"until [ -e '{self.go}' ]; do sleep 1; done")
        return replace(super().command(job, attempt), words=words)


class ForgetfulSqs:
    """A client of SQS that receives nothing before it may, and of which each fiftieth deletion gets lost."""

    def __init__(self, sqs: Any, may_receive: threading.Event) -> None:
        self._sqs = sqs
        self._may_receive = may_receive
        self._deletions = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._sqs, name)

    def receive_message(self, **asked: Any) -> dict[str, Any]:
        """Receive as SQS does, or nothing for a while."""
        return dict(self._sqs.receive_message(**asked)) if self._may_receive.wait(asked["WaitTimeSeconds"]) else {}

    def delete_message(self, **asked: Any) -> None:
        """Delete a message, or let it come again at once."""
        self._deletions += 1
        if self._deletions % DELIVERED_TWICE:
            self._sqs.delete_message(**asked)
        else:
            self._sqs.change_message_visibility(**asked, VisibilityTimeout=0)


class LoadedCloud(LocalCloud):
    """A local cloud whose jobs do nothing, and to which some messages come twice.

    Nothing is received while messages are sent: moto's queue loses what comes at the moment of a deletion.
    """

    def __init__(self, settings: LocalSettings) -> None:
        super().__init__(settings, lambda title, line: None)
        # moto looks at the clock for each message of the queue, at each that is sent or received, in a slow way.
        sqs_models.unix_time_millis = lambda: time.time() * 1000
        self.may_receive = threading.Event()

    @property
    def go(self) -> Path:
        """The file that the jobs wait for."""
        return self.settings.data / "go"

    def _host(self) -> WaitingHost:
        return WaitingHost(**vars(super()._host()), go=self.go)

    def _pollers(self, stack: DeployedStack) -> Iterator[Poller]:
        for poller in super()._pollers(stack):
            sqs: Any = ForgetfulSqs(poller._sqs, self.may_receive)
            poller._sqs = sqs
            yield poller


class Requests(logging.Handler):
    """Counts what moto's server is asked for: each operation of Batch, and what is done with the bucket."""

    def __init__(self, bucket: str) -> None:
        super().__init__()
        self._bucket = f"/{bucket}"
        self.counted: Counter[str] = Counter()

    def emit(self, record: logging.LogRecord) -> None:
        """Count one request that was answered."""
        if match := LOGGED.search(record.getMessage()):
            method, path = match.groups()
            if path.startswith("/v1/"):
                self.counted[f"Batch {path.removeprefix('/v1/')}"] += 1
            elif path.startswith(self._bucket):
                self.counted[f"S3 {'LIST' if 'list-type' in path else method}"] += 1


def main(arguments: Sequence[str] | None = None) -> int:
    """Send the messages, print what they took; 1 when anything was lost or doubled."""
    parser = argparse.ArgumentParser(description="Send thousands of messages to a local cloud.")
    parser.add_argument("--messages", type=int, default=10_000, help="how many  [default: 10000]")
    count = parser.parse_args(arguments).messages
    messages = make_messages(count)
    with tempfile.TemporaryDirectory(prefix="cpb-benchmark-") as name:
        data = Path(name)
        bucket = FolderStorage(data / "bucket")
        bucket.write("p/x.cppipe", b"the text of a pipeline")
        bucket.write("p/images/1.tif", b"image")
        cloud = LoadedCloud(LocalSettings(data))
        cloud.start()
        try:
            faults = [*dispatch(cloud, bucket, messages), *follow(cloud, bucket, messages)]
        finally:
            cloud.stop()
    print_messages(messages)
    print("none lost, none doubled" if not faults else "\n".join(faults[:20]))
    return 1 if faults else 0


def make_messages(count: int) -> list[Message]:
    """Messages in a random order that is always the same; what was sent before comes after it."""
    drawn = random.Random(count)  # noqa: S311 (not for secrets)
    kinds = drawn.choices(("one", "list", "again", "poison"), (85, 1, 10, 4), k=count - len(POISON))
    messages, outputs = [Message(body, kind) for kind, body in POISON.items()], iter(range(10 * count))
    for kind in kinds:
        if kind == "poison":
            name = drawn.choice(list(POISON))
            messages.append(Message(POISON[name], name))
        elif kind == "again" and (good := [one for one in messages[-drawn.choice((2, 200)) :] if not one.poison]):
            messages.append(drawn.choice(good))
        else:
            members = [{**REQUEST, "output": f"results/{next(outputs)}/"} for _ in range(IN_A_LIST)]
            messages.append(Message(json.dumps(members if kind == "list" else members[0])))
    return messages


def runs_of(messages: Sequence[Message]) -> list[str]:
    """The ids of the runs that are asked for, each once."""
    bodies = dict.fromkeys(one.body for one in messages if not one.poison)
    return list(dict.fromkeys(record.run_id for body in bodies for record in parse_message(body)))


def dispatch(cloud: LoadedCloud, bucket: FolderStorage, messages: Sequence[Message]) -> list[str]:
    """Send everything, wait until it is dispatched, and tell what that took; returns what was lost or doubled."""
    requests = count_requests(cloud)
    sent = send(cloud, messages)
    started = time.monotonic()
    cloud.may_receive.set()
    wait_until(lambda: waiting(cloud) == 0, lambda: waiting(cloud))
    phase = Phase(time.monotonic() - started, *usage(function_processes()), Counter(requests.counted))
    print_phase("messages dispatched", len(messages), phase)
    return list(check_dispatch(cloud, bucket, sent))


def follow(cloud: LoadedCloud, bucket: FolderStorage, messages: Sequence[Message]) -> list[str]:
    """Let the jobs end, wait for what follows, and tell what that took; returns what was lost or doubled."""
    requests, dispatchers, started = count_requests(cloud), function_processes(), time.monotonic()
    cloud.go.touch()
    wait_until(lambda: cloud.is_idle, lambda: cloud.events.published)
    followers = [pid for pid in function_processes() if pid not in dispatchers]
    phase = Phase(time.monotonic() - started, *usage(followers), Counter(requests.counted))
    runs = runs_of(messages)
    print_phase("ends followed", len(runs), phase)
    with ThreadPoolExecutor() as readers:
        return [*check_jobs(runs), *chain(*readers.map(lambda run_id: list(_check_run(bucket, run_id)), runs))]


def count_requests(cloud: LoadedCloud) -> Requests:
    """Count from now on what moto's server is asked for."""
    requests = Requests(cloud.outputs["BucketName"])
    server_log = logging.getLogger("werkzeug")
    server_log.handlers, server_log.propagate = [requests], False
    server_log.setLevel(logging.INFO)
    return requests


def send(cloud: LocalCloud, messages: Sequence[Message]) -> dict[str, Message]:
    """Send all messages; returns them by the ids that SQS has given them."""
    sqs, url = cloud.account.client("sqs"), cloud.outputs["SQSQueueURL"]
    sent: dict[str, Message] = {}
    for start in range(0, len(messages), SENT_AT_ONCE):
        several = messages[start : start + SENT_AT_ONCE]
        entries = [{"Id": str(number), "MessageBody": one.body} for number, one in enumerate(several)]
        for answer in sqs.send_message_batch(QueueUrl=url, Entries=entries)["Successful"]:
            sent[answer["MessageId"]] = several[int(answer["Id"])]
    return sent


def waiting(cloud: LocalCloud) -> int:
    """Messages that are in the queue, or at work."""
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    counts = cloud.account.client("sqs").get_queue_attributes(
        QueueUrl=cloud.outputs["SQSQueueURL"], AttributeNames=names
    )
    return sum(map(int, counts["Attributes"].values()))


def wait_until(is_over: Any, progress: Any) -> None:
    """Return when something is over; give up when nothing has changed for long."""
    seen, since = progress(), time.monotonic()
    while not is_over():
        time.sleep(0.5)
        if (now := progress()) != seen:
            seen, since = now, time.monotonic()
        if time.monotonic() - since > PROMPT_S:
            raise TimeoutError(f"nothing has happened for {PROMPT_S} s, at {seen}")


def function_processes() -> list[int]:
    """The processes of the functions that this one has started."""
    children = Path(f"/proc/{os.getpid()}/task").glob("*/children")
    pids = [int(pid) for listed in children for pid in listed.read_text().split()]
    return [pid for pid in pids if "function_host.py" in Path(f"/proc/{pid}/cmdline").read_text()]


def usage(pids: Sequence[int]) -> tuple[float, float]:
    """Processor seconds of some processes, and the peak memory in MiB of the largest."""
    ticks = [Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:13] for pid in pids]
    peaks = [re.findall(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text()) for pid in pids]
    seconds = sum(int(tick) for times in ticks for tick in times) / os.sysconf("SC_CLK_TCK")
    return seconds, max(int(peak) for (peak,) in peaks) / 1024


def check_dispatch(cloud: LocalCloud, bucket: FolderStorage, sent: dict[str, Message]) -> Iterator[str]:
    """What was lost or doubled of messages: a line each."""
    wanted = set(runs_of(list(sent.values())))
    yield from check_jobs(wanted)
    recorded = set(bucket.folders(RUNS)) - {"rejected"}
    yield from (f"a run that nobody asked for: {run_id}" for run_id in recorded - wanted)
    dead = set(dead_letters(cloud))
    poison = {message_id for message_id, one in sent.items() if one.poison}
    yield from (f"not a dead letter: {message_id}, {sent[message_id].poison}" for message_id in poison - dead)
    yield from (f"a dead letter: {message_id}, {sent[message_id].body:.80}" for message_id in dead - poison)
    for message_id in poison:
        if not json.loads(bucket.read(rejected_key(message_id)))["reason"]:
            yield f"refused without a reason: {message_id}"


def check_jobs(runs: Collection[str]) -> Iterator[str]:
    """Runs that have no job, or more than one: a line each."""
    jobs = Counter(job.job_name for job in batch_backends[ACCOUNT][REGION]._jobs.values())
    expected = Counter({f"{run_id}-0-0": 1 for run_id in runs})
    yield from (f"{number} jobs too many: {name}" for name, number in (jobs - expected).items())
    yield from (f"no job: {name}" for name in expected - jobs)


def _check_run(bucket: FolderStorage, run_id: str) -> Iterator[str]:
    keys = RunKeys(run_id)
    for folder in (keys.submissions, f"{keys.folder}notices"):
        if (found := len(list(bucket.list(folder)))) != 1:
            yield f"{found} in {folder}"
    if json.loads(bucket.read(keys.summary))["run"] != run_id:
        yield f"the summary of another run in {keys.summary}"


def dead_letters(cloud: LocalCloud) -> Iterator[str]:
    """The ids of the messages in the dead-letter queue, which are taken out of it."""
    sqs = cloud.account.client("sqs")
    policy = sqs.get_queue_attributes(QueueUrl=cloud.outputs["SQSQueueURL"], AttributeNames=["RedrivePolicy"])
    arn = json.loads(policy["Attributes"]["RedrivePolicy"])["deadLetterTargetArn"]
    url = sqs.get_queue_url(QueueName=arn.rpartition(":")[2])["QueueUrl"]
    while messages := sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages"):
        yield from (message["MessageId"] for message in messages)


def print_phase(what: str, number: int, phase: Phase) -> None:
    """What a phase took, and its requests for each message, or run; told at once, for the next takes its time."""
    print(
        f"{number:,} {what}: {phase.seconds:.1f} s, {number / phase.seconds:.0f} a second; the function: "
        f"{1000 * phase.processor_s / number:.1f} ms of processor each, peak memory {phase.memory_mib:.0f} MiB"
    )
    each = ", ".join(f"{count / number:.2f} {name}" for name, count in sorted(phase.requests.items()))
    print(f"  requests for each: {each}", flush=True)


def print_messages(messages: Sequence[Message]) -> None:
    """What the messages were."""
    bodies = Counter(one.body for one in messages if not one.poison)
    again = sum(bodies.values()) - len(bodies)
    print(
        f"{len(messages):,} messages: {len(bodies):,} bodies for {len(runs_of(messages)):,} runs, "
        f"{again:,} sent again, one of {DELIVERED_TWICE} delivered twice"
    )
    for kind, number in Counter(one.poison for one in messages if one.poison).most_common():
        print(f"  dead letters: {number:>5,} {kind}")


if __name__ == "__main__":
    sys.exit(main())
