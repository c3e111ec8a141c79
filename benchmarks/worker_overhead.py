"""What the worker costs: `cpb run` against `cellprofiler -c -r` typed by hand, on the same images.

Row A of the shipped small plate (6 image sets of 5 channels, as one group) is measured with the shipped analysis
pipeline and flat illumination functions, by hand and by the worker in turn, so that a machine that gets slower does so
for both. The worker reads the images in place, from a folder that stands for the bucket, and does all that it does on
AWS but for the transfer: it looks for damaged files, runs CellProfiler under the driver, checks the tables, publishes
them, and writes log and manifest. Processor time is told beside wall time: it depends less on what else the machine
does.

    CELLPROFILER=.cellprofiler/bin/cellprofiler .venv/bin/python benchmarks/worker_overhead.py [--pairs N]
"""

import argparse
import csv
import json
import os
import resource
import shlex
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

REPOSITORY = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(REPOSITORY))  # run as a script, Python knows this file's own folder only

from examples.small_plate.make_images import CHANNELS, LOAD_DATA, SMALL_PLATE, write_plate  # noqa: E402

PIPELINE = REPOSITORY / "examples" / "small_plate" / "analysis.cppipe"
ROW_A = replace(SMALL_PLATE, wells=tuple((well, cells) for well, cells in SMALL_PLATE.wells if well.startswith("A")))
RESULTS = "results"
REQUEST = {
    "pipeline": PIPELINE.name,
    "load_data": LOAD_DATA,
    "group_by": ["Metadata_Plate"],
    "output": RESULTS,
    "force": True,
}


@dataclass(frozen=True)
class Cost:
    """What a command took, in seconds: on the clock, and of processors (user and system)."""

    wall: float
    processor: float

    def __str__(self) -> str:
        return f"{self.wall:>14.1f} {self.processor:>11.1f}"


def main(arguments: Sequence[str] | None = None) -> int:
    """Time the pairs, print a table and the ratio of the medians."""
    parser = argparse.ArgumentParser(description="Time cpb run against cellprofiler by hand.")
    parser.add_argument("--pairs", type=int, default=5, help="runs of each  [default: 5]")
    options = parser.parse_args(arguments)
    cellprofiler = os.environ.get("CELLPROFILER", str(REPOSITORY / ".cellprofiler" / "bin" / "cellprofiler"))
    with tempfile.TemporaryDirectory(prefix="cpb-benchmark-") as name:
        folder = Path(name)
        bucket = fill_bucket(folder / "bucket")
        by_hand = command_by_hand(cellprofiler, bucket, folder / "by_hand")
        by_worker = command_of_worker(bucket, folder)
        print("pair   by hand: wall, processor   cpb run: wall, processor   (seconds)")
        pairs = []
        for number in range(1, options.pairs + 1):
            hand, worker = cost_of(by_hand, cellprofiler), cost_of(by_worker, cellprofiler)
            pairs.append((hand, worker))
            print(f"{number:>4} {hand} {worker}", flush=True)
        if measured(folder / "by_hand") != measured(bucket / RESULTS / ROW_A.name):
            print("the two measured different things", file=sys.stderr)
            return 1
    print_medians("wall", [(hand.wall, worker.wall) for hand, worker in pairs])
    print_medians("processor", [(hand.processor, worker.processor) for hand, worker in pairs])
    return 0


def fill_bucket(bucket: Path) -> Path:
    """A bucket on disk with the plate, its illumination functions and the pipeline."""
    write_plate(ROW_A, bucket)
    (bucket / PIPELINE.name).write_bytes(PIPELINE.read_bytes())
    (bucket / "illum").mkdir()
    for channel in CHANNELS:
        np.save(bucket / "illum" / f"{channel}.npy", np.ones((ROW_A.size_px, ROW_A.size_px), np.float32))
    header, *rows = (bucket / LOAD_DATA).read_text().splitlines()
    names = "".join(f",FileName_Illum{channel},PathName_Illum{channel}" for channel in CHANNELS)
    places = "".join(f",{channel}.npy,illum/" for channel in CHANNELS)
    (bucket / LOAD_DATA).write_text("\n".join([header + names, *(row + places for row in rows), ""]))
    return bucket


def command_by_hand(cellprofiler: str, bucket: Path, output: Path) -> list[str]:
    """The command a person would type."""
    output.mkdir()
    places = ["-i", str(bucket), "-o", str(output), "-d", str(output / "done")]
    return [
        cellprofiler,
        "-c",
        "-r",
        "-p",
        str(bucket / PIPELINE.name),
        "--data-file",
        str(bucket / LOAD_DATA),
        *places,
    ]


def command_of_worker(bucket: Path, folder: Path) -> list[str]:
    """The command of the Batch job, as `cpb plan` writes it for any cluster."""
    (folder / "request.json").write_text(json.dumps(REQUEST))
    command = [str(Path(sys.executable).with_name("cpb")), "plan", str(folder / "request.json")]
    command += ["--engine", "commands", "-o", str(folder / "cluster"), "--bucket", str(bucket)]
    subprocess.run(command, capture_output=True, check=True)
    return shlex.split((folder / "cluster" / "commands.txt").read_text())


def cost_of(command: Sequence[str], cellprofiler: str) -> Cost:
    """What a command that succeeds takes, with all the processes that it waits for."""
    before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    subprocess.run(command, env={**os.environ, "CELLPROFILER": cellprofiler}, capture_output=True, check=True)
    wall, after = time.monotonic() - started, resource.getrusage(resource.RUSAGE_CHILDREN)
    return Cost(wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)


def print_medians(what: str, pairs: Sequence[tuple[float, float]]) -> None:
    """A line with the medians and their ratio."""
    hand, worker = (statistics.median(column) for column in zip(*pairs, strict=True))
    print(f"{what} time, median: {hand:.1f} s by hand, {worker:.1f} s with cpb run; ratio {worker / hand:.2f}")


def measured(results: Path) -> list[list[str]]:
    """All values of Nuclei.csv, to be sure that both did the same work."""
    with (results / "Nuclei.csv").open(newline="") as file:
        return list(csv.reader(file))


if __name__ == "__main__":
    sys.exit(main())
