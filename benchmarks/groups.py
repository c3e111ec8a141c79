"""What a further group of image sets costs, beside its modules, and how many S3 requests an image set takes.

A shard of groups of one image set each is measured by one worker, which keeps CellProfiler and its pipeline loaded,
and the same groups as Distributed-CellProfiler has them measured: a CellProfiler process for each, with the plate's
whole load data (3,456 rows) and `-g`. What is told is the time over that of the modules (`ExecutionTime_` in
Image.csv). Distributed-CellProfiler adds a fixed pause of 30 s and a listing of the bucket to each group; neither is
in its figure here.

Requests are counted where boto3 sends them, against an S3 server on this machine.

    CELLPROFILER=.cellprofiler/bin/cellprofiler .venv/bin/python benchmarks/groups.py [--groups N] [--by-hand N]
"""

import argparse
import csv
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import redirect_stdout
from itertools import product
from pathlib import Path
from typing import Any

import boto3

REPOSITORY = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(REPOSITORY))  # run as a script, Python knows this file's own folder only

from moto.server import ThreadedMotoServer  # noqa: E402

from cellpainting.cellprofiler.environment import CellProfiler, find_cellprofiler  # noqa: E402
from cellpainting.cellprofiler.process import ONE_THREAD, SAME_COLUMNS  # noqa: E402
from cellpainting.cellprofiler.run import Capacity, run  # noqa: E402
from cellpainting.jobs import RunCellProfiler, RunRecord, parse_job  # noqa: E402
from cellpainting.planning import ShardPlan  # noqa: E402
from cellpainting.planning.plan_job import plan_job  # noqa: E402
from cellpainting.storage import FolderStorage, S3Storage, Storage  # noqa: E402
from tests.conftest import LOAD_DATA_PIPELINE, write_load_data, write_site  # noqa: E402

WELLS = [f"{row}{column:02}" for row, column in product("ABCDEFGHIJKLMNOP", range(1, 25))]
PLATE_ROWS = [("P1", well, str(site)) for well, site in product(WELLS, range(1, 10))]
TARGET_S = 0.3
CAPACITY = Capacity(processes=1, memory_mib=4096)


def main(arguments: Sequence[str] | None = None) -> int:
    """Print both tables; 1 when a further group costs more than the target or a listing was sent."""
    parser = argparse.ArgumentParser(description="Time group after group, count S3 requests.")
    parser.add_argument("--groups", type=int, default=40, help="groups of the shard  [default: 40]")
    parser.add_argument("--by-hand", type=int, default=5, help="groups to run one process each  [default: 5]")
    options = parser.parse_args(arguments)
    os.environ.setdefault("CELLPROFILER", str(REPOSITORY / ".cellprofiler" / "bin" / "cellprofiler"))
    cellprofiler = find_cellprofiler(os.environ["CELLPROFILER"])
    with tempfile.TemporaryDirectory(prefix="cpb-benchmark-") as name:
        folder = Path(name)
        bucket = write_bucket(folder / "bucket", options.groups)
        by_hand = [time_by_hand(bucket, folder / str(n), row, cellprofiler) for n, row in chosen(options.by_hand)]
        first, further = time_groups(bucket, options.groups, cellprofiler)
        print(f"over the modules' own time   a process for each group: {sum(by_hand) / len(by_hand):.2f} s a group")
        print(f"                             one worker: {first:.2f} s for the first, {further:.3f} s for each further")
        print(f"target {TARGET_S} s for each further group; ratio {sum(by_hand) / len(by_hand) / further:.0f}")
        requests = count_requests(bucket, options.groups, cellprofiler)
    print_requests(requests, options.groups)
    is_listed = any("List" in name for name in requests)
    return 0 if further <= TARGET_S and not is_listed else 1


def chosen(count: int) -> list[tuple[int, tuple[str, str, str]]]:
    """The first groups of the plate."""
    return list(enumerate(PLATE_ROWS[:count]))


def write_bucket(root: Path, groups: int) -> Path:
    """A bucket on disk: the images of some groups, their load data, and that of the whole plate."""
    for _, (plate, well, site) in chosen(groups):
        write_site(root / "images", well, plate=plate, site=site)
    write_load_data(root / "load_data.csv", root / "images", PLATE_ROWS[:groups])
    write_load_data(root / "whole_plate.csv", root / "images", PLATE_ROWS)
    (root / "analysis.cppipe").write_bytes(LOAD_DATA_PIPELINE.read_bytes())
    return root


def request(groups: int) -> dict[str, Any]:
    """All groups in one shard."""
    asked = {"pipeline": "analysis.cppipe", "load_data": "load_data.csv", "output": "results"}
    return {**asked, "image_sets_per_shard": groups}


def time_by_hand(bucket: Path, output: Path, row: tuple[str, str, str], cellprofiler: CellProfiler) -> float:
    """One group in a process of its own: wall time over that of the modules."""
    group = ",".join(f"Metadata_{key}={value}" for key, value in zip(("Plate", "Well", "Site"), row, strict=True))
    command = [str(cellprofiler.command), "-c", "-r", "-p", str(bucket / "analysis.cppipe"), "-o", str(output)]
    command += ["-d", str(output / "done"), f"--data-file={bucket / 'whole_plate.csv'}", "-g", group]
    output.mkdir()
    started = time.monotonic()
    subprocess.run(command, env={**os.environ, **ONE_THREAD, **SAME_COLUMNS}, capture_output=True, check=True)
    return time.monotonic() - started - module_seconds(output)


def time_groups(bucket: Path, groups: int, cellprofiler: CellProfiler) -> tuple[float, float]:
    """The same by one worker: what the first group costs over its modules, and each further one, in seconds."""
    one, all_of_them = (time_shard(bucket, count, cellprofiler) for count in (1, groups))
    return one, (all_of_them - one) / (groups - 1)


def time_shard(bucket: Path, groups: int, cellprofiler: CellProfiler) -> float:
    """A shard of the first groups: wall time over that of the modules."""
    write_load_data(bucket / "load_data.csv", bucket / "images", PLATE_ROWS[:groups])
    storage = FolderStorage(bucket)
    record, shard = planned(storage, {**request(groups), "output": f"results_{groups}"})
    started = time.monotonic()
    run_shard(storage, record, shard, cellprofiler)
    return time.monotonic() - started - module_seconds(bucket / f"results_{groups}")


def planned(storage: Storage, document: dict[str, Any]) -> tuple[RunRecord, ShardPlan]:
    """A request with its one shard."""
    record = RunRecord.of(parse_job(document), document)
    (shard,) = plan_job(record.job, storage).shards
    return record, shard


def run_shard(storage: Storage, record: RunRecord, shard: ShardPlan, cellprofiler: CellProfiler) -> None:
    """Do the shard; what worker and CellProfiler print is not for this table."""
    job = record.job
    if not isinstance(job, RunCellProfiler):
        raise TypeError(f"got a request of type {job.job_type}, expected one for CellProfiler")
    with Path(os.devnull).open("w") as nowhere, redirect_stdout(nowhere):
        manifest = run(
            record, job, shard, bucket=storage, images_from=storage, cellprofiler=cellprofiler, capacity=CAPACITY
        )
    if not manifest.is_success:
        raise SystemExit(f"not measured: {manifest.reason or manifest.outcomes}")


def module_seconds(folder: Path) -> float:
    """What CellProfiler's modules took, as it tells itself."""
    seconds = 0.0
    for path in folder.rglob("Image.csv"):
        with path.open(newline="") as file:
            for row in csv.DictReader(file):
                seconds += sum(float(value) for name, value in row.items() if name.startswith("ExecutionTime_"))
    return seconds


def count_requests(bucket: Path, groups: int, cellprofiler: CellProfiler) -> Counter[str]:
    """The requests that the worker sends for a shard of these groups, by operation; planning is not counted."""
    server = ThreadedMotoServer(port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    client = boto3.client(
        "s3",
        endpoint_url=f"http://{host}:{port}",
        aws_access_key_id="local",
        aws_secret_access_key="local",  # noqa: S106 (the server on this machine takes any)
    )
    client.create_bucket(Bucket="plates")
    storage = S3Storage("plates", client)
    write_load_data(bucket / "load_data.csv", Path("images"), PLATE_ROWS[:groups])
    for path in (path for path in bucket.rglob("*") if path.is_file() and "results" not in str(path)):
        storage.upload(path, path.relative_to(bucket).as_posix())
    record, shard = planned(storage, request(groups))
    counted: Counter[str] = Counter()
    client.meta.events.register("before-send.s3", lambda event_name, **_: counted.update([event_name.split(".")[-1]]))
    run_shard(storage, record, shard, cellprofiler)
    server.stop()
    return counted


def print_requests(counted: Counter[str], groups: int) -> None:
    """A row per operation."""
    print(f"S3 requests of a shard of {groups} image sets in groups of one, 2 images each")
    for name, count in sorted(counted.items()):
        print(f"{name:>16} {count:>6} {count / groups:>8.2f} an image set")
    print(f"{'all':>16} {counted.total():>6} {counted.total() / groups:>8.2f} an image set")


if __name__ == "__main__":
    sys.exit(main())
