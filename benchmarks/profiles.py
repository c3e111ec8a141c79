"""Well profiles to annotated, normalized and selected ones: time and memory beside pycytominer, values compared.

The plates are made: 384 wells x 5,792 features each, some of which say what others say. Every way runs once, in a
process of its own. pycytominer runs from CSV to CSV, as profiling-recipe has it, and, at its kindest, with Parquet
between the steps and no CSV at all; `cpb profile` writes both.

    .venv/bin/python benchmarks/profiles.py [--plates 1,10,50] [--skip-csv] [--scratch DIR]
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from itertools import cycle, islice, permutations, product
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
from numpy.typing import NDArray

REPOSITORY = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(REPOSITORY))  # run as a script, Python knows this file's own folder only

from benchmarks.backend import numbers  # noqa: E402
from benchmarks.peers import pycytominer_profiles  # noqa: E402
from benchmarks.peers.processes import Cost, measured  # noqa: E402
from benchmarks.peers.pycytominer_profiles import CSV, METHOD, OPERATIONS, PARQUET, SELECTED  # noqa: E402
from cellpainting.profiles.profiles import Profiles  # noqa: E402
from cellpainting.profiles.write_profiles import write_csv  # noqa: E402
from cellpainting.scratch import SCRATCH  # noqa: E402

BATCH = "B1"
WELLS = tuple(f"{row}{column:02}" for row, column in product("ABCDEFGHIJKLMNOP", range(1, 25)))
CONTROLS, REPLICATES = 64, 4
FEATURES, GROUPS, FACTORS = 5792, 1200, 300
SHARE = 0.02  # of the factors that have a say in a group of features
NOISE = 0.3
COUNTED = 50  # features that are whole numbers, few of them
COMPARTMENTS = ("Cells", "Cytoplasm", "Nuclei")
CHANNELS = ("DNA", "ER", "RNA", "AGP", "Mito")
PAIRED = ("Manders", "RWC")  # correlations of channels; pycytominer's blocklist has some
CATEGORIES = ("AreaShape", "Granularity", "Intensity", "Neighbors", "RadialDistribution", "Texture")
LIBRARIES = ("cellpainting.cli.profile", "cellpainting.profiles.make_profiles", "pycytominer", "pyarrow.parquet")
OURS, KINDEST, USUAL = "cpb profile: CSV and Parquet", "pycytominer, Parquet only", "pycytominer, CSV"
TARGET_GIB = 6
EQUAL = 1e-9  # of the larger of two values
HEADING = f"{'way':30} {'plates':>6} {'wall s':>8} {'a plate':>8} {'processor s':>12} {'peak MiB':>9}"

Values = NDArray[np.float64]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run all ways over each number of plates, and compare; 1 if values differ or memory is above the target."""
    options = parse(arguments)
    failed = False
    print(f"plates of {len(WELLS)} wells x {FEATURES:,} features; each way once, memory is that of its largest process")
    with tempfile.TemporaryDirectory(prefix="cpb-benchmark-", dir=options.scratch) as name:
        scratch = Path(name).resolve()
        compile_libraries(scratch / "bytecode")
        for count in options.plates:
            failed |= compare(count, scratch / f"{count}", skip_csv=options.skip_csv)
    return int(failed)


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The options."""
    parser = argparse.ArgumentParser(description="Time the profiles of plates.")
    parser.add_argument(
        "--plates", type=numbers, default=[1, 10], help="numbers of them, as in 1,10,50  [default: 1,10]"
    )
    parser.add_argument("--skip-csv", action="store_true", help="without pycytominer from CSV to CSV, which is slow")
    parser.add_argument("--scratch", type=Path, help="where temporary files go  [default: the system's]")
    return parser.parse_args(arguments)


def compile_libraries(cache: Path) -> None:
    """Have every way find its libraries compiled, as in an image: to compile them takes seconds of each process."""
    os.environ |= {"PYTHONPYCACHEPREFIX": str(cache), "PYTHONDONTWRITEBYTECODE": ""}
    subprocess.run([sys.executable, "-c", f"import {', '.join(LIBRARIES)}"], check=True)


# --- the plates -------------------------------------------------------------------------------------


def make_plates(count: int, root: Path) -> list[str]:
    """Aggregated profiles, platemap and configuration, where profiling-recipe has them; the plates' names."""
    plates = [f"P{number:02}" for number in range(1, count + 1)]
    for seed, plate in enumerate(plates):
        folder = root / "profiles" / BATCH / plate
        folder.mkdir(parents=True)
        write_csv(made_profile(plate, seed), folder / f"{plate}.csv.gz", "%.5g")
    folder = root / "metadata" / "platemaps" / BATCH
    (folder / "platemap").mkdir(parents=True)
    (folder / "platemap" / "map.txt").write_text("\n".join(platemap_lines()))
    rows = "\n".join(f"{plate},map" for plate in plates)
    (folder / "barcode_platemap.csv").write_text(f"Assay_Plate_Barcode,Plate_Map_Name\n{rows}\n")
    (root / "config.yml").write_text(config_text(plates))
    return plates


def made_profile(plate: str, seed: int) -> Profiles:
    """Features of a group, some groups large, say the same but for noise: a few hidden factors, alike on all plates."""
    shared, own = np.random.default_rng(1), np.random.default_rng((2, seed))
    loadings = shared.normal(size=(FACTORS, GROUPS)) * (shared.random((FACTORS, GROUPS)) < SHARE)
    groups = (GROUPS * shared.random(FEATURES) ** 2).astype(np.int64)
    said = own.normal(size=(len(WELLS), FACTORS)) @ loadings
    values = said[:, groups] + NOISE * own.normal(size=(len(WELLS), FEATURES))
    values[:, :COUNTED] = np.rint(values[:, :COUNTED])
    cells = own.integers(50, 500, len(WELLS))
    metadata = pd.DataFrame({"Metadata_Plate": plate, "Metadata_Well": WELLS, "Metadata_Object_Count": cells})
    return Profiles(metadata, values, tuple(islice(feature_names(), FEATURES)))


def feature_names() -> Iterator[str]:
    """As CellProfiler has them, without end."""
    for compartment, kind, (one, other) in product(COMPARTMENTS, PAIRED, permutations(CHANNELS, 2)):
        yield f"{compartment}_Correlation_{kind}_{one}_{other}"
    for number, parts in enumerate(cycle(product(COMPARTMENTS, CATEGORIES, CHANNELS))):
        compartment, category, channel = parts
        yield f"{compartment}_{category}_F{number}_{channel}"


def platemap_lines() -> Iterator[str]:
    """Negative controls, then treatments."""
    yield "well_position\tbroad_sample\tcontrol_type"
    for number, well in enumerate(WELLS):
        yield f"{well}\tDMSO\tnegcon" if number < CONTROLS else f"{well}\tT{number // REPLICATES}\t"


def config_text(plates: Sequence[str]) -> str:
    """A configuration as profiling-recipe has it."""
    selection = f"{{perform: true, level: all, gct: false, features: infer, operations: [{', '.join(OPERATIONS)}]}}"
    return f"""\
pipeline: benchmark
output_dir: profiles
options: {{compression: gzip, float_format: "%.5g", samples: all}}
aggregate: {{perform: false}}
annotate: {{perform: true}}
normalize: {{perform: true, method: {METHOD}, features: infer}}
normalize_negcon: {{perform: true, method: {METHOD}, features: infer}}
feature_select: {selection}
feature_select_negcon: {selection}
---
batch: {BATCH}
plates: [{", ".join(f"{{name: {plate}}}" for plate in plates)}]
"""


# --- the ways ---------------------------------------------------------------------------------------


def compare(count: int, scratch: Path, *, skip_csv: bool) -> bool:
    """All ways over the same plates; whether values differ, or ours takes more memory than it may."""
    root = scratch / "ours"
    plates = make_plates(count, root)
    print(HEADING)
    ours = run_ours(root)
    print_row(OURS, count, ours)
    others = {}
    for way, form in ((KINDEST, PARQUET),) if skip_csv else ((KINDEST, PARQUET), (USUAL, CSV)):
        others[way] = run_pycytominer(root, scratch / form, form)
        print_row(way, count, others[way])
    for way, cost in others.items():
        print_ratio(way, cost, ours)
    is_large = ours.memory_mib > TARGET_GIB * 1024
    print(f"peak memory of cpb profile: {ours.memory_mib / 1024:.2f} GiB (target: below {TARGET_GIB})")
    is_apart = compare_profiles(plates, root / "profiles" / BATCH, scratch / PARQUET)
    shutil.rmtree(scratch)
    return is_apart or is_large


def run_ours(root: Path) -> Cost:
    """The command, as users type it."""
    cpb = str(Path(sys.executable).with_name("cpb"))
    command = [cpb, "profile", str(root / "config.yml"), "--root", str(root), "--force"]
    return measured(command, root.with_name("cpb.log"), root, {SCRATCH: str(root.parent)})


def run_pycytominer(root: Path, output: Path, form: str) -> Cost:
    """The same steps called straight."""
    output.mkdir()
    command = [sys.executable, pycytominer_profiles.__file__, form, str(root), BATCH, str(output)]
    return measured(command, output.with_suffix(".log"), output)


def print_row(way: str, plates: int, cost: Cost) -> None:
    """A row of the table."""
    times = f"{cost.wall:8.1f} {cost.wall / plates:8.2f} {cost.processor:12.1f}"
    print(f"{way:30} {plates:6} {times} {cost.memory_mib:9.0f}", flush=True)


def print_ratio(way: str, theirs: Cost, ours: Cost) -> None:
    """How much more another way takes."""
    wall, processor = theirs.wall / ours.wall, theirs.processor / ours.processor
    memory = theirs.memory_mib / ours.memory_mib
    print(f"{way}, beside ours: wall time x {wall:.1f}, processor time x {processor:.1f}, memory x {memory:.1f}")


# --- what was made ----------------------------------------------------------------------------------


def compare_profiles(plates: Sequence[str], ours: Path, theirs: Path) -> bool:
    """Say how far the profiles of the first, middle and last plate are apart; whether that is too far."""
    chosen = sorted({plates[0], plates[len(plates) // 2], plates[-1]})
    largest, count, selected = 0.0, 0, set()
    for plate, (normalized, picked) in product(chosen, SELECTED.items()):
        for suffix in (normalized, picked):
            apart, shape = difference(ours / plate / f"{plate}{suffix}.parquet", theirs / f"{plate}{suffix}.parquet")
            largest, count = max(largest, apart), count + shape[0] * shape[1]
        selected.add((picked.removeprefix("_"), shape[1]))
    told = ", ".join(f"{features:,} in {name}" for name, features in sorted(selected))
    print(f"plates {', '.join(chosen)}: {count:,} values compared, largest relative difference {largest:.1e}")
    print(f"the same features in both: {told}")
    return largest > EQUAL


def difference(ours: Path, theirs: Path) -> tuple[float, tuple[int, int]]:
    """The largest difference, relative to the larger of two values, and how many wells and features were compared.

    Stops if these are not the same. A value beside a missing one is infinitely far from it.
    """
    tables = [pl.read_parquet(path).sort("Metadata_Well") for path in (ours, theirs)]
    names = [sorted(name for name in table.columns if not name.startswith("Metadata_")) for table in tables]
    if names[0] != names[1] or not tables[0]["Metadata_Well"].equals(tables[1]["Metadata_Well"]):
        raise SystemExit(f"{ours} and {theirs} differ in features or wells")
    one, other = (table.select(names[0]).fill_null(float("nan")).to_numpy() for table in tables)
    return largest_difference(one, other), (len(one), len(names[0]))


def largest_difference(one: Values, other: Values) -> float:
    """Of two arrays of the same shape; equal values and those that both lack are no distance apart."""
    with np.errstate(invalid="ignore"):
        apart = np.abs(one - other) / np.maximum(np.abs(one), np.abs(other))
    apart[(one == other) | (np.isnan(one) & np.isnan(other))] = 0.0
    return float(np.nan_to_num(apart, nan=np.inf).max())


if __name__ == "__main__":
    sys.exit(main())
