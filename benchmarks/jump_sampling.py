"""Sites of all plates of JUMP: processor time beside the published way, and memory of one process for all of them.

The plate has 384 wells x 9 sites, most of them treated. The published way runs with pandas in an environment of its own
(uv installs it). Then a data set of as many plates as JUMP has is made, and `cpb jump select`'s own code chooses from
all of it and writes the job files.

    .venv/bin/python benchmarks/jump_sampling.py [--plates N]
"""

import argparse
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from itertools import product
from pathlib import Path

import polars as pl

REPOSITORY = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(REPOSITORY))  # run as a script, Python knows this file's own folder only

from cellpainting.jump.job_files import PLATES_AT_ONCE, JobWriter  # noqa: E402
from cellpainting.jump.load_data import PERTURBATION  # noqa: E402
from cellpainting.jump.selection import choose, read_known_bad  # noqa: E402
from cellpainting.jump.selection_config import Selection  # noqa: E402

PEER = REPOSITORY / "benchmarks" / "peers" / "pandas_sampling.py"
UV = os.environ.get("UV", str(REPOSITORY / ".tools" / "bin" / "uv"))
CHANNELS = ("DNA", "ER", "RNA", "AGP", "Mito")
CONTROLS = {**dict.fromkeys(range(0, 384, 6), "negcon"), **dict.fromkeys(range(3, 384, 12), "poscon")}
WELLS = [f"{row}{column:02}" for row, column in product("ABCDEFGHIJKLMNOP", range(1, 25))]
SELECTION = Selection(sites_per_well={"default": {"negcon": 3, "poscon": 4, "trt": 6}})
JUMP_PLATES = 2525
TARGET_RATIO, TARGET_GIB = 80, 2.0


def main(arguments: Sequence[str] | None = None) -> int:
    """Time both ways, then choose from all plates; 1 when a target is missed."""
    parser = argparse.ArgumentParser(description="Time the choice of sites.")
    parser.add_argument("--plates", type=int, default=JUMP_PLATES, help="of the data set  [default: as JUMP has]")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="cpb-benchmark-") as name:
        folder = Path(name)
        theirs = peer_seconds(folder)
        ours = our_seconds()
        print(f"a plate of {len(plate(0))} image sets, processor seconds:")
        print(f"the published way {theirs:.4f}, this project {ours:.5f}")
        print(f"ratio {theirs / ours:.0f} (target {TARGET_RATIO})")
        write_data_set(folder / "load_data", options.plates)
        started, processor = time.monotonic(), time.process_time()
        choice = JobWriter(folder / "load_data", folder / "jobs", SELECTION).write(lambda done, total: None)
        wall, processor = time.monotonic() - started, time.process_time() - processor
        sites = sum(count.sites for count in choice.counts)
    gib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"{len(choice.jobs)} plates read, {sites:,} sites chosen, and their job files written:")
    print(f"{wall:.0f} s, {processor:.0f} s of processors; peak memory {gib:.2f} GiB (target {TARGET_GIB:g})")
    return 0 if theirs / ours >= TARGET_RATIO and gib <= TARGET_GIB else 1


def plate(number: int) -> pl.DataFrame:
    """The image sets of one plate, as the data set has them."""
    rows = []
    for at, well in enumerate(WELLS):
        for site in range(1, 10):
            images = {f"FileName_Orig{channel}": f"r{at:03}f{site:02}p01-{channel}.tiff" for channel in CHANNELS}
            folders = {f"PathName_Orig{channel}": f"s3://cellpainting-gallery/{number}/Images/" for channel in CHANNELS}
            told = {"Metadata_PlateType": "COMPOUND", "Metadata_pert_type": CONTROLS.get(at, "trt")}
            place = {"Metadata_Batch": "batch1", "Metadata_Plate": f"P{number:04}", "Metadata_Well": well}
            rows.append(
                {**place, "Metadata_Site": str(site), **images, **folders, **dict.fromkeys(PERTURBATION), **told}
            )
    return pl.DataFrame(rows, schema=dict.fromkeys(rows[0], pl.String))


def peer_seconds(folder: Path) -> float:
    """Processor seconds of one plate, the published way; the median of five."""
    path = folder / "plate.csv"
    plate(0).with_columns(pl.lit("source_4").alias("Metadata_Source")).write_csv(path)
    command = [
        UV,
        "run",
        "--quiet",
        "--no-project",
        "--with",
        "pandas",
        "python",
        "-W",
        "ignore",
        str(PEER),
        str(path),
        "5",
    ]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return statistics.median(float(line.split()[0]) for line in done.stdout.splitlines())


def our_seconds() -> float:
    """Processor seconds of one plate, of as many as are done at once; the median of five."""
    frame = pl.concat([plate(number) for number in range(PLATES_AT_ONCE)])
    frame = frame.with_columns(pl.lit("source_4").alias("Metadata_Source"))
    bad = read_known_bad([])
    seconds = []
    for _ in range(5):
        started = time.process_time()
        choose(frame, SELECTION, bad)
        seconds.append(time.process_time() - started)
    return statistics.median(seconds) / PLATES_AT_ONCE


def write_data_set(folder: Path, plates: int) -> None:
    """As many plates, in files of their own."""
    first = plate(0)
    (folder / "Metadata_Source=source_4").mkdir(parents=True)
    for number in range(plates):
        named = first.with_columns(pl.lit(f"P{number:04}").alias("Metadata_Plate"))
        named.write_parquet(folder / "Metadata_Source=source_4" / f"batch1__P{number:04}.parquet")


if __name__ == "__main__":
    sys.exit(main())
