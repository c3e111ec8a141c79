"""What a further group costs beside its modules when the pipeline is one that labs run.

The analysis of cellpainting_a549_20x_phenix_bin1 measures some 1,900 features of each cell, nucleus and cytoplasm. Its
image sets are windows of a real site (tests/real_plate), its illumination functions are flat. The time over that of
the modules (`ExecutionTime_` in Image.csv) holds all that is done once per group, and the tables that
ExportToSpreadsheet writes at its end, which CellProfiler does not count. Needs the images and pipelines of
`tests/real_plate`, which are not part of the repository.

    CELLPROFILER=.cellprofiler/bin/cellprofiler .venv/bin/python benchmarks/published_pipeline.py [--groups N]
"""

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from itertools import product
from pathlib import Path

import numpy as np

REPOSITORY = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(REPOSITORY))  # run as a script, Python knows this file's own folder only

from benchmarks.groups import module_seconds, planned, run_shard  # noqa: E402
from cellpainting.cellprofiler.environment import CellProfiler, find_cellprofiler  # noqa: E402
from cellpainting.storage import FolderStorage  # noqa: E402
from tests.real_plate.make_plate import (  # noqa: E402
    CHANNELS,
    PLATE,
    REAL_DATA,
    SITES,
    SIZE,
    WELLS,
    write_images,
    write_load_data,
)

PIPELINE = REAL_DATA / "pipelines" / "cellpainting_a549_20x_phenix_bin1" / "analysis_without_batchfile.cppipe"
IMAGE_SETS = [
    {"Metadata_Plate": PLATE, "Metadata_Well": well, "Metadata_Site": site} for well, site in product(WELLS, SITES)
]


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the time over the modules', of the first group and of each further one."""
    parser = argparse.ArgumentParser(description="Time groups of a published pipeline.")
    parser.add_argument("--groups", type=int, default=5, help=f"groups of the shard, 2 to {len(IMAGE_SETS)}")
    options = parser.parse_args(arguments)
    if not PIPELINE.exists():
        print(f"{PIPELINE} is not here: nothing was measured")
        return 0
    os.environ.setdefault("CELLPROFILER", str(REPOSITORY / ".cellprofiler" / "bin" / "cellprofiler"))
    cellprofiler = find_cellprofiler(os.environ["CELLPROFILER"])
    with tempfile.TemporaryDirectory(prefix="cpb-benchmark-") as name:
        bucket = write_bucket(Path(name))
        first, all_of_them = (time_shard(bucket, count, cellprofiler) for count in (1, options.groups))
    further = (all_of_them - first) / (options.groups - 1)
    print(f"over the modules' own time: {first:.2f} s for the first group, {further:.2f} s for each further")
    return 0


def write_bucket(root: Path) -> Path:
    """A bucket on disk: the plate, flat illumination functions, load data with both, and the pipeline."""
    write_images(root / "images")
    functions = {channel: root / "illum" / f"Illum{channel}.npy" for channel in CHANNELS}
    (root / "illum").mkdir()
    for path in functions.values():
        np.save(path, np.ones((SIZE, SIZE), np.float32))
    write_load_data(root / "load_data.csv", root / "images", functions)
    (root / "analysis.cppipe").write_bytes(PIPELINE.read_bytes())
    return root


def time_shard(bucket: Path, groups: int, cellprofiler: CellProfiler) -> float:
    """A shard of the first groups: wall time over that of the modules."""
    storage, output = FolderStorage(bucket), f"results_{groups}"
    document = {"pipeline": "analysis.cppipe", "load_data": "load_data.csv", "output": output}
    record, shard = planned(storage, {**document, "groups": IMAGE_SETS[:groups], "image_sets_per_shard": groups})
    started = time.monotonic()
    run_shard(storage, record, shard, cellprofiler)
    return time.monotonic() - started - module_seconds(bucket / output)


if __name__ == "__main__":
    sys.exit(main())
