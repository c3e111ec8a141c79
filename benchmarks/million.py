"""A scale model of a million image sets: 290 plates of 384 wells x 9 sites, from messages to Batch jobs to ledgers.

Real are the dispatcher's own asset in processes of its own, the load data of each plate, and the bucket (moto's S3
over HTTP, on disk). Batch is simulated with its published limits. What workers leave is written for a part of the
plates, whose ends the dispatcher then follows. Each message asks for one plate.

    .venv/bin/python benchmarks/million.py [--plates N] [--ended N]
"""

import argparse
import json
import logging
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from moto.s3.models import s3_backends
from moto.server import ThreadedMotoServer

REPOSITORY = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(REPOSITORY))  # run as a script, Python knows this file's own folder only

from benchmarks.limited_batch import LimitedBatch, limited_batch  # noqa: E402
from benchmarks.messages import Requests, function_processes, usage  # noqa: E402
from benchmarks.planning import MILLION, PIPELINE, SITES, TARGET_CALLS, TARGET_S, WELLS, load_data  # noqa: E402
from cellpainting.dispatch.store_plan import read_plan_record  # noqa: E402
from cellpainting.jobs import RunRecord, parse_job  # noqa: E402
from cellpainting.jobs.message import JOB_TYPES  # noqa: E402
from cellpainting.ledger import GroupResult, Manifest, Outcome, State  # noqa: E402
from cellpainting.local.bucket_folder import keep_in_folder  # noqa: E402
from cellpainting.local.deployment import Account  # noqa: E402
from cellpainting.local.function import Function, FunctionConfiguration  # noqa: E402
from cellpainting.local.moto_models import ACCOUNT  # noqa: E402
from cellpainting.planning import ShardPlan  # noqa: E402
from cellpainting.planning.plan_job import plan_job  # noqa: E402
from cellpainting.storage import FolderStorage  # noqa: E402
from stacks.dispatcher import HANDLER, PARTS  # noqa: E402
from stacks.function_code import FunctionBundle  # noqa: E402

BUCKET = "data"
QUEUES = [f"arn:aws:batch:us-east-1:{ACCOUNT}:job-queue/{name}" for name in ("spot", "on-demand")]
PLATE = "BR00117035"  # in the load data of benchmarks/planning.py
PER_PLATE = len(WELLS) * len(SITES)
AT_ONCE = 2  # functions: as many as there are cores; Lambda runs five
PLANS_TIMED = 5


@dataclass(frozen=True)
class Cloud:
    """A bucket, a Batch, and functions that work on them."""

    bucket: FolderStorage
    batch: LimitedBatch
    functions: Sequence[Function]
    requests: Requests

    def index(self) -> None:
        """Let the server know what was written to its folder behind its back."""
        keep_in_folder(s3_backends[ACCOUNT]["aws"].get_bucket(BUCKET), self.bucket.root, {})

    def invoke(self, events: Sequence[dict[str, Any]]) -> list[Any]:
        """Give events to the functions, each function one after the other."""

        def work(number: int) -> list[Any]:
            return [self.functions[number].invoke(event) for event in events[number::AT_ONCE]]

        with ThreadPoolExecutor(AT_ONCE) as callers:
            return [answer for answers in callers.map(work, range(AT_ONCE)) for answer in answers]


def main(arguments: Sequence[str] | None = None) -> int:
    """Submit the plates, follow some of their ends; 1 when a limit or target is missed or an image set is lost."""
    parser = argparse.ArgumentParser(description="A scale model of a million image sets.")
    parser.add_argument("--plates", type=int, default=-(-MILLION // PER_PLATE), help="of 3,456 sites  [default: 290]")
    parser.add_argument("--ended", type=int, default=10, help="plates whose end is followed  [default: 10]")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="cpb-benchmark-") as name, start(Path(name)) as cloud:
        documents = [put_plate(cloud.bucket, number) for number in range(options.plates)]
        cloud.index()
        plan_s = time_plans(cloud.bucket, documents[0])
        submitted_s = submit(cloud, documents)
        calls = len(cloud.batch.jobs) + cloud.batch.refused["submitjob"]
        faults = list(check(cloud, documents))
        follow(cloud, documents[: options.ended], submitted_s)
    print(f"planning a plate of {PER_PLATE:,} sites: median {plan_s:.2f} s of processor; target {TARGET_S} s")
    print(f"SubmitJob: {calls} calls; target {TARGET_CALLS:,}")
    print("every image set is in one shard" if not faults else "\n".join(faults[:20]))
    return 0 if not faults and plan_s <= TARGET_S and calls <= TARGET_CALLS else 1


@contextmanager
def start(folder: Path) -> Iterator[Cloud]:
    """The servers and the functions."""
    log, requests = logging.getLogger("werkzeug"), Requests(BUCKET)
    log.handlers, log.propagate = [requests], False
    log.setLevel(logging.INFO)
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    account = Account(f"http://{host}:{port}")
    account.client("s3").create_bucket(Bucket=BUCKET)
    topic = account.client("sns").create_topic(Name="runs")["TopicArn"]
    FunctionBundle(HANDLER, PARTS).try_bundle(str(folder / "asset"))
    (folder / "bucket").mkdir()
    with limited_batch() as (batch, url):
        variables = {**account.variables, **settings(topic), "AWS_ENDPOINT_URL_BATCH": url}
        configuration = FunctionConfiguration("dispatcher", folder / "asset", "handler.handler", variables, 120.0, "")
        functions = [Function(configuration, lambda line: None) for _ in range(AT_ONCE)]
        yield Cloud(FolderStorage(folder / "bucket"), batch, functions, requests)
        for function in functions:
            function.stop()
    server.stop()


def settings(topic: str) -> dict[str, str]:
    """What the deployment tells the function."""
    definition = {"vcpus": 1, "memory_mib": 4096, "version": "4.2.8.1"}
    names = {name: f"arn:aws:batch:us-east-1:{ACCOUNT}:job-definition/{name}:1" for name in JOB_TYPES}
    return {
        "BUCKET": BUCKET,
        "JOB_QUEUES": json.dumps(QUEUES),
        "ON_DEMAND_QUEUE": QUEUES[1],
        "JOB_TYPES": json.dumps({name: {**definition, "definition": arn} for name, arn in names.items()}),
        "RUNS_TOPIC": topic,
        "MAX_MEMORY_MIB": "32768",
    }


def put_plate(bucket: FolderStorage, number: int) -> dict[str, Any]:
    """Write the load data of a plate; returns the request for it."""
    plate = f"BR{number:08}"
    bucket.write("p/analysis.cppipe", PIPELINE.read_bytes())
    bucket.write(f"p/{plate}/load_data.csv", load_data().replace(PLATE, plate).encode())
    return {"pipeline": "p/analysis.cppipe", "load_data": f"p/{plate}/load_data.csv", "output": f"analysis/{plate}"}


def time_plans(bucket: FolderStorage, document: dict[str, Any]) -> float:
    """Processor seconds that the plan of a plate takes, the median of some."""
    seconds = []
    for _ in range(PLANS_TIMED):
        started = time.process_time()
        plan_job(parse_job(document), bucket)
        seconds.append(time.process_time() - started)
    return statistics.median(seconds)


def submit(cloud: Cloud, documents: Sequence[dict[str, Any]]) -> float:
    """Dispatch a message for each plate; returns the processor seconds that it took."""
    records = [{"messageId": f"m{number}", "body": json.dumps(one)} for number, one in enumerate(documents)]
    started = time.monotonic()
    answers = cloud.invoke([{"Records": [record]} for record in records])
    seconds = time.monotonic() - started
    failed = sum(bool(answer["batchItemFailures"]) for answer in answers)
    image_sets = PER_PLATE * len(documents)
    print(f"{image_sets:,} image sets of {len(documents)} plates submitted: {seconds:.0f} s, {failed} messages failed")
    return tell(cloud, len(documents), 0.0)


def tell(cloud: Cloud, plates: int, before_s: float) -> float:
    """A line for the functions, and one for what they asked for; returns their processor seconds so far."""
    processor_s, peak_mib = usage(function_processes())
    each = (processor_s - before_s) / plates
    print(f"  the function: {each:.2f} s of processor a plate, peak memory {peak_mib:.0f} MiB")
    asked = {**cloud.requests.counted, **{f"Batch {name}": count for name, count in cloud.batch.calls.items()}}
    print("  " + ", ".join(f"{count:,} {name}" for name, count in sorted(asked.items())))
    print(f"  refused by Batch: {sum(cloud.batch.refused.values())}")
    cloud.requests.counted.clear()
    cloud.batch.calls.clear()
    return processor_s


def check(cloud: Cloud, documents: Sequence[dict[str, Any]]) -> Iterator[str]:
    """What is wrong: a line for each plate whose image sets are not all in one job."""
    sizes = Counter[str]()
    for job in cloud.batch.jobs.values():
        sizes[job["parameters"]["request"].split("/")[-2]] += job.get("arrayProperties", {}).get("size", 1)
    for document in documents:
        run = RunRecord.of(parse_job(document), document)
        plan = read_plan_record(run.keys, cloud.bucket)
        if plan is None or plan.image_set_count != PER_PLATE or plan.shard_count != sizes[run.run_id]:
            yield f"{run.run_id}: {sizes[run.run_id]} children of jobs for {plan}"


def follow(cloud: Cloud, documents: Sequence[dict[str, Any]], before_s: float) -> None:
    """Let the jobs of some plates end, and the dispatcher count them."""
    for document in documents:
        do_plate(cloud.bucket, RunRecord.of(parse_job(document), document))
    cloud.index()
    wanted = {RunRecord.of(parse_job(document), document).run_id for document in documents}
    jobs = [one for one in cloud.batch.jobs.values() if one["parameters"]["request"].split("/")[-2] in wanted]
    events = [{"source": "aws.batch", "detail": cloud.batch.end(job["jobId"])} for job in jobs]
    started = time.monotonic()
    cloud.invoke(events)
    seconds = (time.monotonic() - started) / len(documents)
    summaries = [json.loads(cloud.bucket.read(f"runs/{run_id}/summary.json")) for run_id in wanted]
    done = sum(summary["states"]["done"] for summary in summaries)
    print(f"{len(documents)} plates ended and counted: {seconds:.1f} s each, {done:,} image sets done")
    tell(cloud, len(documents), before_s)


def do_plate(bucket: FolderStorage, run: RunRecord) -> None:
    """Leave what the workers of a plate leave."""
    record = read_plan_record(run.keys, bucket)
    for number in range(record.shard_count if record else 0):
        plan = ShardPlan.from_json(bucket.read(run.keys.shard_plan(number)))
        groups = tuple(
            GroupResult(
                folder=group.folder,
                outcomes=tuple(Outcome(one, State.DONE) for one in plan.image_sets(group)),
                inputs=(),
                outputs=(),
                rows={},
                seconds=100.0,
                peak_memory_mib=1500.0,
                fingerprint=plan.fingerprint(group),
            )
            for group in plan.groups
        )
        manifest = Manifest(number, groups, None, "", (), "4.2.8.1", "", 100.0, 1500.0)
        bucket.write(run.keys.shard(number), manifest.to_json())


if __name__ == "__main__":
    sys.exit(main())
