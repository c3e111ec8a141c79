"""A plate's CSVs to its backend and well profiles: time and memory beside the public programs, profiles compared.

The sites are copies of two real ones (`--sites-of`), which are not part of the repository. Every way runs once, in
processes of its own; uv makes the environments of the public programs in `.cache/peers`.

    .venv/bin/python benchmarks/backend.py [--sites N] [--skip-peers] [--growth 48,384,3456] [--scratch DIR]
"""

import argparse
import csv
import math
import os
import shutil
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(REPOSITORY))  # run as a script, Python knows this file's own folder only

from benchmarks.peers import cytominer_backend  # noqa: E402
from benchmarks.peers.environments import (  # noqa: E402
    CYTOMINER_DATABASE,
    CYTOTABLE,
    PYCYTOMINER,
    Peer,
    PeerNotInstalled,
)
from benchmarks.peers.processes import CommandFailed, Cost, measured  # noqa: E402

REAL_SITES = REPOSITORY.parent / "shared" / "data" / "analysis_csv"
STEPS = cytominer_backend.__file__
TABLES = ("Cells", "Cytoplasm", "Nuclei")
ROWS = "ABCDEFGHIJKLMNOP"
CONFIG = "[filenames]\nimage = Image.csv\nobject = object.csv\nexperiment = Experiment.csv\n"
TARGET_PARQUET, TARGET_SQLITE, TARGET_MIB = 40, 15, 1024
EQUAL = 1e-9  # of the larger of two values
HEADING = f"{'way':52} {'wall s':>8} {'processor s':>12} {'peak MiB':>9}"


@dataclass(frozen=True)
class Folders:
    """The CSVs of a plate's sites, each in a folder of its own."""

    root: Path
    plate: str
    sites: int
    wells: int
    size: int

    def __str__(self) -> str:
        megabytes = f"{self.size / 1e6:,.0f} MB"
        return f"{self.sites:,} sites in {self.wells} wells, {self.sites * len(TABLES):,} object files, {megabytes}"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run all ways over the same folders, compare the profiles, then let the plate grow; 1 if a target is missed."""
    options = parse(arguments)
    missed = False
    with tempfile.TemporaryDirectory(prefix="cpb-benchmark-", dir=options.scratch) as name:
        scratch = Path(name)
        if options.sites:
            missed = compare(options.sites_of, options.sites, scratch, skip_peers=options.skip_peers)
        if options.growth:
            missed |= grow(options.sites_of, options.growth, scratch)
    return int(missed)


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The options, if the real sites are there."""
    parser = argparse.ArgumentParser(description="Time a plate's CSVs to its backend and profiles.")
    parser.add_argument("--sites-of", type=Path, default=REAL_SITES, help="a folder of folders of CSVs")
    parser.add_argument("--sites", type=int, default=48, help="for all ways; 0 for none  [default: 48]")
    parser.add_argument("--skip-peers", action="store_true", help="time this project only")
    parser.add_argument(
        "--growth", type=numbers, default=[], help="numbers of sites, as in 48,384,3456; only this project"
    )
    parser.add_argument("--scratch", type=Path, help="where temporary files go  [default: the system's]")
    options = parser.parse_args(arguments)
    if not sorted(options.sites_of.glob("*/Image.csv")):
        parser.error(f"{options.sites_of} has no folders with an Image.csv; name a folder with --sites-of")
    return options


def numbers(text: str) -> list[int]:
    """Whole numbers between commas."""
    return [int(part) for part in text.split(",")]


# --- the sites --------------------------------------------------------------------------------------


def make_folders(real: Path, root: Path, sites: int, *, linked: bool) -> Folders:
    """Copies of real sites, three of one and three of the other, so that wells are not all the same.

    Each has its own ImageNumber, as from one CellProfiler run over a plate. With `linked`, object CSVs are links to
    those of the real sites, so that a plate takes no space; they keep the ImageNumber of the site that they are of.
    """
    sources = sorted(path.parent for path in real.glob("*/Image.csv"))
    if linked:
        sources = [copied(source, root.with_name("originals") / source.name) for source in sources]
    per_well = next(count for count in (9, 8, 6, 4, 3, 2, 1) if sites % count == 0)
    size, plate = 0, ""
    for number in range(sites):
        source = sources[number // 3 % len(sources)]
        well, site = well_name(number // per_well), str(number % per_well + 1)
        folder = root / f"{source.name.split('-')[0]}-{well}-{site}"
        folder.mkdir(parents=True)
        plate = write_image(source, folder, well, site, None if linked else number + 1)
        for table in TABLES:
            if linked:
                os.link(source / f"{table}.csv", folder / f"{table}.csv")
            else:
                write_objects(source / f"{table}.csv", folder / f"{table}.csv", number + 1)
        size += sum(path.stat().st_size for path in folder.iterdir())
    return Folders(root, plate, sites, sites // per_well, size)


def copied(source: Path, folder: Path) -> Path:
    """A copy to link to: links do not reach over file systems."""
    folder.mkdir(parents=True)
    for path in source.iterdir():
        shutil.copyfile(path, folder / path.name)
    return folder


def well_name(number: int) -> str:
    """A01, A02 and on, of a plate of 384 wells."""
    return f"{ROWS[number // 24]}{number % 24 + 1:02}"


def write_image(source: Path, folder: Path, well: str, site: str, image_number: int | None) -> str:
    """The site's Image.csv, which differs from all others, and so does its CRC-32; the plate's name."""
    with (source / "Image.csv").open(newline="") as file:
        names, values = csv.reader(file)
    row = dict(zip(names, values, strict=True))
    row |= {"Metadata_Well": well, "Metadata_Site": site}
    if image_number:
        row["ImageNumber"] = str(image_number)
    with (folder / "Image.csv").open("w", newline="") as file:
        csv.writer(file).writerows([row.keys(), row.values()])  # with CRLF, as CellProfiler
    return row["Metadata_Plate"]


def write_objects(source: Path, path: Path, image_number: int) -> None:
    """A table of objects with another ImageNumber, which is its first column."""
    header, *lines = source.read_bytes().splitlines(keepends=True)
    path.write_bytes(header + b"".join(b"%d,%s" % (image_number, line.partition(b",")[2]) for line in lines))


# --- the ways ---------------------------------------------------------------------------------------


def compare(real: Path, sites: int, scratch: Path, *, skip_peers: bool) -> bool:
    """All ways over the same folders; whether a target is missed."""
    folders = make_folders(real, scratch / "analysis", sites, linked=False)
    print(f"{folders}; each way once, memory is that of its largest process")
    print(HEADING)
    theirs = None if skip_peers else run_cytominer(folders, scratch)
    if not skip_peers:
        run_cytotable(folders, scratch)
    parquet = run_ours(folders, scratch / "parquet", "--no-sqlite")
    print_row("cpb ingest --no-sqlite: Parquet and well profiles", parquet)
    sqlite = run_ours(folders, scratch / "sqlite")
    print_row("cpb ingest: SQLite, Parquet and well profiles", sqlite)
    missed = max(parquet.memory_mib, sqlite.memory_mib) > TARGET_MIB
    if theirs:
        compare_profiles(profile_of(folders, scratch / "sqlite"), scratch / "theirs.csv")
        missed |= print_ratio("without SQLite", theirs, parquet, TARGET_PARQUET)
        missed |= print_ratio("with SQLite", theirs, sqlite, TARGET_SQLITE)
    shutil.rmtree(folders.root)
    return missed


def run_cytominer(folders: Folders, scratch: Path) -> Cost:
    """cytominer-database and pycytominer, step by step as collate has them."""
    database, profile = scratch / "theirs.sqlite", scratch / "theirs.csv"
    config = scratch / "ingest_config.ini"
    config.write_text(CONFIG)
    ingest = step(CYTOMINER_DATABASE, scratch, "ingest", folders.root, database, config)
    print_row("cytominer-database 0.3.5: SQLite", ingest)
    profiles = step(PYCYTOMINER, scratch, "index", database) + step(
        PYCYTOMINER, scratch, "profile", database, profile, "mean"
    )
    print_row("pycytominer 1.6.1: indexes and well profiles", profiles)
    database.unlink()
    print_row("both", ingest + profiles)
    return ingest + profiles


def run_cytotable(folders: Folders, scratch: Path) -> None:
    """CytoTable to Parquet, which has neither an SQLite file nor profiles; or why it is left out."""
    output = scratch / "cytotable.parquet"
    try:
        cost = step(CYTOTABLE, scratch, "cytotable", folders.root, output)
    except (PeerNotInstalled, CommandFailed) as error:
        print(f"CytoTable is left out: {error}")
        return
    print_row("CytoTable 1.2.6: Parquet of single cells only", cost)
    output.unlink()


def step(peer: Peer, scratch: Path, name: str, *arguments: object) -> Cost:
    """One step of a public program; what it leaves in its home folder is left in the temporary one."""
    command = [str(peer.python()), STEPS, name, *map(str, arguments)]
    return measured(command, scratch / f"{name}.log", scratch, {"HOME": str(scratch)})


def run_ours(folders: Folders, output: Path, *options: str) -> Cost:
    """The command, as users type it."""
    cpb = str(Path(sys.executable).with_name("cpb"))
    command = [cpb, "ingest", str(folders.root), "-o", str(output), *options]
    return measured(command, output.with_name("cpb.log"), output.parent)


def print_row(name: str, cost: Cost) -> None:
    """A row of the table."""
    print(f"{name:52} {cost.wall:8.1f} {cost.processor:12.1f} {cost.memory_mib:9.0f}", flush=True)


def print_ratio(name: str, theirs: Cost, ours: Cost, target: int) -> bool:
    """How much longer the public programs take, which use one processor; whether that is less than it should be."""
    ratio = theirs.wall / ours.wall
    processor = theirs.processor / ours.processor
    print(f"{name}: ratio of wall time {ratio:.1f} (target {target}), of processor time {processor:.1f}")
    return ratio < target


# --- what was made ----------------------------------------------------------------------------------


def profile_of(folders: Folders, output: Path) -> Path:
    """The well profiles that the command wrote."""
    return output / folders.plate / f"{folders.plate}.csv"


def compare_profiles(ours: Path, theirs: Path) -> None:
    """Say how far the profiles are apart, and stop if they do not have the same columns, wells and numbers."""
    tables = [read_profile(path) for path in (ours, theirs)]
    (our_names, our_rows), (their_names, their_rows) = tables
    if our_names != their_names or len(our_rows) != len(their_rows):
        raise SystemExit(f"{ours} and {theirs} differ in columns or wells")
    largest, count = 0.0, 0
    for our_row, their_row in zip(our_rows, their_rows, strict=True):
        for name, our_value, their_value in zip(our_names, our_row, their_row, strict=True):
            apart = difference(our_value, their_value)
            if apart > EQUAL:
                raise SystemExit(f"{name} of well {our_row[1]}: {our_value}, and {their_value} by the public programs")
            largest, count = max(largest, apart), count + 1
    print(
        f"profiles: {len(our_rows)} wells x {len(our_names):,} columns; {count:,} values compared, "
        f"largest relative difference {largest:.1e}"
    )


def read_profile(path: Path) -> tuple[list[str], list[list[str]]]:
    """The columns and rows, sorted by plate and well."""
    with path.open(newline="") as file:
        names, *rows = csv.reader(file)
    return names, sorted(rows)


def difference(one: str, other: str) -> float:
    """Relative to the larger one; 0 for equal text or two missing values, infinite for a value and text."""
    if one == other:
        return 0.0
    try:
        a, b = (float(text or "nan") for text in (one, other))
    except ValueError:
        return math.inf
    if math.isnan(a) or math.isnan(b):
        return 0.0 if math.isnan(a) and math.isnan(b) else math.inf
    return abs(a - b) / max(abs(a), abs(b)) if a != b else 0.0


# --- growth -----------------------------------------------------------------------------------------


def grow(real: Path, sizes: Sequence[int], scratch: Path) -> bool:
    """This project alone over plates of several sizes; whether it takes more memory than it may."""
    print("growth; object CSVs are links to those of the real sites, so they are read from memory")
    print(
        f"{'sites':>6} {'MB':>8}  {'way':22} {'wall s':>8} {'processor s':>12} {'ms a site':>10} {'MB/s':>6} "
        f"{'peak MiB':>9}"
    )
    peak = 0.0
    for sites in sizes:
        folder = scratch / "growth"
        folders = make_folders(real, folder / "analysis", sites, linked=True)
        for options in (["--no-sqlite"], []):
            cost = run_ours(folders, folder / "output", *options)
            shutil.rmtree(folder / "output")
            print_growth(folders, " ".join(["cpb ingest", *options]), cost)
            peak = max(peak, cost.memory_mib)
        shutil.rmtree(folder)
    return peak > TARGET_MIB


def print_growth(folders: Folders, way: str, cost: Cost) -> None:
    """A row of the second table."""
    speed = f"{cost.wall / folders.sites * 1000:10.1f} {folders.size / cost.wall / 1e6:6.0f}"
    print(
        f"{folders.sites:6} {folders.size / 1e6:8,.0f}  {way:22} {cost.wall:8.1f} {cost.processor:12.1f} {speed} "
        f"{cost.memory_mib:9.0f}",
        flush=True,
    )


if __name__ == "__main__":
    sys.exit(main())
