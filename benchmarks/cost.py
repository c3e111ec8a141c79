"""What `cpb cost` says before a run against what it counts after it: a plate of 384 wells x 9 sites, both pipelines.

Plates like the shipped small one are drawn, one site a well, and go through all stages in a local cloud: first a small
one, by which the others are estimated, then a larger one, which is estimated before it is sent and counted after it. A
plate of 3,456 sites would take such a machine hours; of it only the load data is made. Its cost before is estimated by
the small run alone, and its cost after by the larger run alone: its own plan, times what shards and image sets took
there.

    .venv/bin/python benchmarks/cost.py [--small N] [--large N]
"""

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(REPOSITORY))  # run as a script, Python knows this file's own folder only

from benchmarks.planning import WELLS  # noqa: E402
from cellpainting.cost.actual import count_run  # noqa: E402
from cellpainting.cost.estimate import estimate, estimate_works  # noqa: E402
from cellpainting.cost.planned_work import planned_works  # noqa: E402
from cellpainting.cost.prices import shipped_prices  # noqa: E402
from cellpainting.cost.run_cost import Money, RunCost  # noqa: E402
from cellpainting.jobs import RunRecord, parse_job  # noqa: E402
from cellpainting.ledger.stage_record import read_stage_record  # noqa: E402
from cellpainting.storage import FolderStorage  # noqa: E402
from examples.small_plate.make_images import (  # noqa: E402
    LOAD_DATA,
    SMALL_PLATE,
    Plate,
    Site,
    load_data,
    platemap,
    write_plate,
)

HERE = REPOSITORY / "examples" / "small_plate"
PIPELINES = ("illumination", "analysis")
CONDITIONS = [condition for _, condition in SMALL_PLATE.wells]
FULL = 9  # sites a well of a plate of 384
MOST_DIFFERENCE = 0.2


def main(arguments: Sequence[str] | None = None) -> int:
    """Do both plates, print what was estimated and what was counted; 1 if they differ by more than a fifth."""
    parser = argparse.ArgumentParser(description="Compare costs before and after.")
    parser.add_argument("--small", type=int, default=24, help="wells of the plate that is measured  [default: 24]")
    parser.add_argument("--large", type=int, default=96, help="wells of the plate that is estimated  [default: 96]")
    parser.add_argument("--scratch", type=Path, help="where temporary files go  [default: the system's]")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="cpb-benchmark-", dir=options.scratch) as name:
        folder = Path(name).resolve()
        bucket = FolderStorage(folder / "cloud" / "bucket")
        small, large, full = (
            plate("Small", options.small),
            plate("Large", options.large),
            plate("Full", len(WELLS), FULL),
        )
        run(small, folder)
        put_tables(large, bucket)
        put_tables(full, bucket)
        before = {one.name: estimate(record(one), bucket) for one in (large, full)}
        run(large, folder)
        counted = count_run(bucket, large.name)
        after = {large.name: counted.actual, full.name: by_other_runs(full, bucket, leave_out=small)}
    misses = [print_comparison(name, before[name], after[name]) > MOST_DIFFERENCE for name in before]
    return int(any(misses))


def plate(name: str, wells: int, sites: int = 1) -> Plate:
    """A plate with the conditions of the shipped one in turn."""
    of_wells = tuple((well, CONDITIONS[number % len(CONDITIONS)]) for number, well in enumerate(WELLS[:wells]))
    return replace(SMALL_PLATE, name=name, wells=of_wells, sites=sites)


def document(one: Plate) -> Mapping[str, Any]:
    """The request for all stages of a plate."""
    return {
        "job_type": "process_plate",
        "run": one.name,
        "load_data": f"{one.name}/{LOAD_DATA}",
        "input": f"{one.name}/",
        "pipelines": {name: f"pipelines/{name}.cppipe" for name in PIPELINES},
        "platemap": f"{one.name}/platemap.txt",
        "output": f"workspace-{one.name}",
    }


def record(one: Plate) -> RunRecord:
    """The same as a run."""
    return RunRecord.of(parse_job(document(one)), document(one))


def put_tables(one: Plate, bucket: FolderStorage) -> None:
    """What an estimate reads of a plate: no images."""
    sites = [Site(one.name, well, site, 0) for well, _ in one.wells for site in range(1, one.sites + 1)]
    bucket.write(f"{one.name}/{LOAD_DATA}", load_data(one, sites).encode())
    bucket.write(f"{one.name}/platemap.txt", platemap(one).encode())


def run(one: Plate, folder: Path) -> None:
    """Draw a plate and take it through all stages, with the command line."""
    write_plate(one, folder / one.name)
    (folder / "pipelines").mkdir(exist_ok=True)
    for name in PIPELINES:
        (folder / "pipelines" / f"{name}.cppipe").write_bytes((HERE / f"{name}.cppipe").read_bytes())
    request = folder / f"{one.name}.json"
    request.write_text(json.dumps(document(one)))
    uploads = [f"--upload={folder / name}={name}" for name in (one.name, "pipelines")]
    command = [str(Path(sys.executable).with_name("cpb")), "local", "run", str(request), *uploads]
    subprocess.run([*command, "--data", str(folder / "cloud")], check=True)


def by_other_runs(one: Plate, bucket: FolderStorage, *, leave_out: Plate) -> RunCost:
    """A plate estimated by all runs but one."""
    stages = read_stage_record(record(leave_out).keys, bucket)
    ids = [stage.run_id for stage in stages.stages] if stages else []
    works = planned_works(record(one), bucket, None)
    return RunCost(one.name, estimate_works(works, bucket, leave_out=ids))


def print_comparison(name: str, before: RunCost, after: RunCost) -> float:
    """A line for each stage and all of them; returns by how much the costs differ."""
    print(f"{name}: {before.image_sets:,} image sets, {sum(stage.shards for stage in before.stages):,} shards")
    for was, came in zip(before.stages, after.stages, strict=True):
        print(f"  {was.name:<16} {was.seconds:>12,.1f} s before {came.seconds:>12,.1f} s after; {was.source}")
    usd = [Money.of(cost.stages, shipped_prices()).on_demand for cost in (before, after)]
    hours = f"{before.vcpu_hours:.3f} before, {after.vcpu_hours:.3f} after"
    print(f"  vCPU-hours: {hours}; On-Demand ${usd[0]:.4f} and ${usd[1]:.4f}; after to before {usd[1] / usd[0]:.2f}")
    return abs(usd[1] / usd[0] - 1)


if __name__ == "__main__":
    sys.exit(main())
