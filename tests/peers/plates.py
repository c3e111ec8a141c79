"""Folders of CSVs to compare on, and what the public programs and `cpb ingest` make of them."""

import csv
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from benchmarks.peers import cytominer_backend
from benchmarks.peers.environments import CYTOMINER_DATABASE, PYCYTOMINER, Peer
from tests.conftest import DATA, REPOSITORY

REAL_DATA = REPOSITORY.parent / "shared" / "data"
INGEST_CONFIG = "[filenames]\nimage = Image.csv\nobject = object.csv\nexperiment = Experiment.csv\n"
IMAGE_CATEGORIES = ("Count", "Granularity", "Texture", "ImageQuality", "Threshold")
OPERATIONS = ("mean", "median")
STEPS = cytominer_backend.__file__


@dataclass(frozen=True)
class Analysis:
    """A folder of CSVs. `plate_column` is what collate takes the plate's name from, if no column is called so.

    `categories` are those of collate's default that the images have: pycytominer stops at one that they do not have.
    `status` is what `cpb ingest` ends with: 1 if files are broken, or have fewer rows than Image.csv counts.
    """

    name: str
    folder: Path
    plate: str
    config: Path | None = None
    plate_column: str = ""
    categories: tuple[str, ...] = IMAGE_CATEGORIES
    status: int = 0


SMALL = Analysis("small", DATA / "analysis_csv", "BR00099001", status=1)
JUMP = Analysis("jump", REAL_DATA / "analysis_csv", "BR00121431")
COMBINED = Analysis(
    "data_a",
    REAL_DATA / "cytominer_database" / "data_a",
    "110000106828",
    config=REAL_DATA / "cytominer_database" / "data_a" / "config.ini",
    plate_column="Metadata_Barcode",
    categories=("Count", "ImageQuality", "Threshold"),
    status=1,  # only five objects of each image were published
)
WITH_BROKEN_FILES = Analysis(
    "data_b",
    REAL_DATA / "cytominer_database" / "data_b",
    "SQ00015116",
    config=REAL_DATA / "cytominer_database" / "data_b" / "config.ini",
    categories=(),
    status=1,
)
ANALYSES = (SMALL, JUMP, COMBINED, WITH_BROKEN_FILES)


@dataclass(frozen=True)
class Theirs:
    """What cytominer-database and pycytominer make, below a folder."""

    folder: Path

    @property
    def database(self) -> Path:
        return self.folder / "backend.sqlite"

    def profile(self, operation: str) -> Path:
        return self.folder / f"{operation}.csv"


@dataclass(frozen=True)
class Ours:
    """What `cpb ingest` makes of one plate."""

    output: Path
    plate: str

    @property
    def folder(self) -> Path:
        return self.output / self.plate

    @property
    def database(self) -> Path:
        return self.folder / f"{self.plate}.sqlite"

    @property
    def profile(self) -> Path:
        return self.folder / f"{self.plate}.csv"


@dataclass(frozen=True)
class Made:
    """Both, of the same CSVs. `medians` has no SQLite file."""

    analysis: Analysis
    theirs: Theirs
    ours: Ours
    medians: Ours

    def profiles(self, operation: str) -> tuple[Path, Path]:
        """Ours, and theirs."""
        ours = {"mean": self.ours, "median": self.medians}[operation]
        return ours.profile, self.theirs.profile(operation)


def make_theirs(analysis: Analysis, folder: Path) -> Theirs:
    """As pycytominer's collate does it, but for its moves between folders."""
    made = Theirs(folder)
    source = copy_of(analysis.folder, folder / "csv")  # munge writes beside the CSVs
    config = analysis.config or folder / "ingest_config.ini"
    if not analysis.config:
        config.write_text(INGEST_CONFIG)
    step(CYTOMINER_DATABASE, "munge", source, config)
    step(CYTOMINER_DATABASE, "ingest", source, made.database, config)
    step(PYCYTOMINER, "index", made.database, analysis.plate_column)
    for operation in OPERATIONS:
        step(PYCYTOMINER, "profile", made.database, made.profile(operation), operation, ",".join(analysis.categories))
    return made


def make_ours(analysis: Analysis, output: Path, *options: str) -> Ours:
    """As a user types it."""
    named = ["--plate", analysis.plate] if analysis.plate_column else []
    if analysis.config:
        named += ["--config", str(analysis.config)]
    cpb = str(Path(sys.executable).with_name("cpb"))
    run([cpb, "ingest", str(analysis.folder), "-o", str(output), *named, *options], analysis.status)
    return Ours(output, analysis.plate)


def step(peer: Peer, name: str, *arguments: object) -> str:
    """One step of a public program; what it prints."""
    return run([str(peer.python()), STEPS, name, *map(str, arguments)])


def run(command: list[str], status: int = 0) -> str:
    """What a command prints, if it ends with this status."""
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == status, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def copy_of(source: Path, folder: Path) -> Path:
    """A copy that can be written to, wherever the original is."""
    for path in sorted(source.rglob("*")):
        if path.is_file():
            place = folder / path.relative_to(source)
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, place)
    return folder


def edited(analysis: Analysis, folder: Path, edit: Callable[[dict[str, str]], dict[str, str]]) -> Path:
    """A copy of its CSVs with the rows of images changed."""
    copy_of(analysis.folder, folder)
    for path in folder.rglob("Image.csv"):
        rows = [edit(row) for row in read_csv(path)]
        with path.open("w", newline="") as file:
            table = csv.DictWriter(file, list(rows[0]))
            table.writeheader()
            table.writerows(rows)
    return folder


def read_csv(path: Path) -> list[dict[str, str]]:
    """The rows of a CSV, by column."""
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def without(row: dict[str, str], names: Iterable[str]) -> dict[str, str]:
    """A row less some columns."""
    return {name: value for name, value in row.items() if name not in set(names)}
