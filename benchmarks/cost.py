"""What `cpb cost` says before a run against what it counts after it: a plate of 384 wells x 9 sites, both pipelines.

A plate like the shipped small one is drawn, one site a well, and goes through all stages in a local cloud. A plate of
3,456 sites would take such a machine hours; of it only load data is made. Seconds depend on what else the machine does,
so before and after are told by shards that were at work in turn, not by one run after another:

- before: the estimate, with the illumination and every other shard of the analysis as the only earlier run;
- after, of the plate that was run: all that its manifests tell;
- after, of the plate of 3,456 sites: its plan, times what the illumination and the other half of the analysis took.

    .venv/bin/python benchmarks/cost.py [--wells N]
"""

import argparse
import json
import shutil
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
from cellpainting.cost.estimate import estimate  # noqa: E402
from cellpainting.cost.prices import shipped_prices  # noqa: E402
from cellpainting.cost.run_cost import Money, RunCost  # noqa: E402
from cellpainting.jobs import RunRecord, parse_job  # noqa: E402
from cellpainting.jobs.run_record import RunKeys  # noqa: E402
from cellpainting.jobs.stage import stage_run_id  # noqa: E402
from cellpainting.storage import FolderStorage  # noqa: E402
from examples.small_plate.make_images import (  # noqa: E402
    LOAD_DATA,
    PLATEMAP,
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
FULL_SITES = 9  # of a well of the plate of 384
MOST_DIFFERENCE = 0.2


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a plate, print what was estimated and what was counted; 1 if they differ by more than a fifth."""
    parser = argparse.ArgumentParser(description="Compare costs before and after.")
    parser.add_argument("--wells", type=int, default=96, help="wells of the plate that is run  [default: 96]")
    parser.add_argument("--scratch", type=Path, help="where temporary files go  [default: the system's]")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="cpb-benchmark-", dir=options.scratch) as name:
        folder = Path(name).resolve()
        run, full = plate("Run", options.wells), plate("Full", len(WELLS), FULL_SITES)
        do(run, folder)
        bucket = FolderStorage(folder / "cloud" / "bucket")
        halves = [half(bucket, run, folder / str(first), first, full) for first in (0, 1)]
        misses = [
            compare(estimate(record(run), halves[0]), count_run(bucket, run.name).actual),
            compare(estimate(record(full), halves[0]), estimate(record(full), halves[1])),
        ]
    return int(max(misses) > MOST_DIFFERENCE)


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
        "platemap": f"{one.name}/{PLATEMAP}",
        "output": f"workspace-{one.name}",
    }


def record(one: Plate) -> RunRecord:
    """The same as a run."""
    return RunRecord.of(parse_job(document(one)), document(one))


def do(one: Plate, folder: Path) -> None:
    """Draw a plate and take it through all stages, with the command line."""
    write_plate(one, folder / one.name)
    put_pipelines(FolderStorage(folder))
    request = folder / f"{one.name}.json"
    request.write_text(json.dumps(document(one)))
    uploads = [f"--upload={folder / name}={name}" for name in (one.name, "pipelines")]
    command = [str(Path(sys.executable).with_name("cpb")), "local", "run", str(request), *uploads]
    subprocess.run([*command, "--data", str(folder / "cloud")], check=True)


def half(bucket: FolderStorage, run: Plate, folder: Path, first: int, full: Plate) -> FolderStorage:
    """A bucket that knows every other shard of the run's analysis, from the one of number `first` on, and has what an
    estimate of both plates reads.
    """
    known = FolderStorage(folder)
    put_pipelines(known)
    for one in (run, full):
        sites = [Site(one.name, well, site, 0) for well, _ in one.wells for site in range(1, one.sites + 1)]
        known.write(f"{one.name}/{LOAD_DATA}", load_data(one, sites).encode())
        known.write(f"{one.name}/{PLATEMAP}", platemap(one).encode())
    for stage in PIPELINES:
        keys = RunKeys(stage_run_id(run.name, run.name, stage))
        shutil.copytree(bucket.path(keys.folder), known.path(keys.folder))
    analysis = RunKeys(stage_run_id(run.name, run.name, "analysis"))
    for manifest in list(known.list(analysis.shards)):
        if int(Path(manifest.key).stem) % 2 != first:
            known.delete(manifest.key)
    return known


def put_pipelines(bucket: FolderStorage) -> None:
    """Write the shipped pipelines where the requests name them."""
    for name in PIPELINES:
        bucket.write(f"pipelines/{name}.cppipe", (HERE / f"{name}.cppipe").read_bytes())


def compare(before: RunCost, after: RunCost) -> float:
    """Print a line for each stage and all of them; returns by how much the costs differ."""
    print(f"{before.run_id}: {before.image_sets:,} image sets")
    for was, came in zip(before.stages, after.stages, strict=True):
        print(f"  {was.name:<16} {was.shards:>5} shards {was.seconds:>10,.1f} s before {came.seconds:>10,.1f} s after")
    usd = [Money.of(cost.stages, shipped_prices()).on_demand for cost in (before, after)]
    hours = f"{before.vcpu_hours:.3f} before, {after.vcpu_hours:.3f} after"
    print(f"  vCPU-hours: {hours}; On-Demand ${usd[0]:.4f} and ${usd[1]:.4f}; after to before {usd[1] / usd[0]:.2f}")
    return abs(usd[1] / usd[0] - 1)


if __name__ == "__main__":
    sys.exit(main())
