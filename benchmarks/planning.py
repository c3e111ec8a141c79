"""What planning costs: a plate's shards, and the calls that submit a million image sets.

The plate has 384 wells x 9 sites with five channels and their illumination functions, the 25 columns of JUMP's
`load_data_with_illum.csv`. Timed is what the dispatcher does before it writes anything: read pipeline and load data,
group, divide into shards. The calls are counted from the plan's own shards: Batch takes up to 10,000 of them in one
array job. cell-painting-batch and Distributed-CellProfiler make a call for each unit of work (SubmitJob,
send_message), so a million for a million image sets.

    .venv/bin/python benchmarks/planning.py [--runs N]
"""

import argparse
import math
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from itertools import product
from pathlib import Path

from cellpainting.dispatch.submission import LARGEST_ARRAY
from cellpainting.jobs import parse_job
from cellpainting.planning.plan_job import plan_job
from cellpainting.storage import FolderStorage

REPOSITORY = Path(__file__).resolve().parents[1]
PIPELINE = REPOSITORY / "tests" / "data" / "spots_load_data.cppipe"
REQUEST = {"pipeline": "analysis.cppipe", "load_data": "load_data_with_illum.csv", "output": "analysis/batch1"}
WELLS = [f"{row}{column:02}" for row, column in product("ABCDEFGHIJKLMNOP", range(1, 25))]
SITES = range(1, 10)
IMAGES = [f"{kind}{channel}" for kind in ("Orig", "Illum") for channel in ("AGP", "DNA", "ER", "Mito", "RNA")]
MILLION = 1_000_000
TARGET_S, TARGET_CALLS = 0.5, 1000


def main(arguments: Sequence[str] | None = None) -> int:
    """Time the plan of a plate, count the calls for a million image sets; 1 when a target is missed."""
    parser = argparse.ArgumentParser(description="Time the plan of a 3,456-site plate.")
    parser.add_argument("--runs", type=int, default=9, help="plans to take the median of  [default: 9]")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="cpb-benchmark-") as name:
        bucket = FolderStorage(Path(name))
        bucket.write(REQUEST["pipeline"], PIPELINE.read_bytes())
        bucket.write(REQUEST["load_data"], load_data().encode())
        seconds = []
        for _ in range(options.runs):
            started = time.perf_counter()
            plan = plan_job(parse_job(REQUEST), bucket)
            seconds.append(time.perf_counter() - started)
    per_shard = plan.image_set_count / len(plan.shards)
    shards = math.ceil(MILLION / per_shard)
    calls = math.ceil(shards / LARGEST_ARRAY)
    median = statistics.median(seconds)
    print(
        f"{plan.image_set_count:,} image sets planned into {len(plan.shards)} shards: median {median:.2f} s "
        f"({min(seconds):.2f} to {max(seconds):.2f}); target {TARGET_S} s"
    )
    print(
        f"{MILLION:,} image sets, {per_shard:g} a shard: {shards:,} shards, {calls} calls of SubmitJob; "
        f"target {TARGET_CALLS:,}; one call each: {MILLION:,}, ratio {MILLION / calls:,.0f}"
    )
    return 0 if median <= TARGET_S and calls <= TARGET_CALLS else 1


def load_data() -> str:
    """The text of the plate's load data."""
    header = [f"Metadata_{name}" for name in ("Source", "Batch", "Plate", "Well", "Site")]
    header += [f"{kind}_{image}" for image in IMAGES for kind in ("FileName", "PathName")]
    lines = [",".join(header)]
    for well, site in product(WELLS, SITES):
        files = [f"{well}_s{site}_{image}.tiff,s3://cellpainting-gallery/cpg0016-jump/images/" for image in IMAGES]
        lines.append(",".join(["source_4", "batch1", "BR00117035", well, str(site), *files]))
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.exit(main())
