"""Small sets of CSVs as CellProfiler exports them, and their backend made and read again."""

import csv
import io
import json
import os
import random
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import polars as pl

from cellpainting.backend.analysis import open_analysis
from cellpainting.backend.ingest import Manner, Target, Tell, ingest
from cellpainting.backend.report import IngestReport
from cellpainting.jobs.build_backend import BackendSettings
from cellpainting.storage import FolderStorage, S3Storage, Storage, StoredObject

CPB_INGEST = (str(Path(sys.executable).with_name("cpb")), "ingest")
PLATE = "P1"
FIRST = f"{PLATE}-A01-1"  # the folder of the first set that `write_plate` writes
COMPARTMENTS = ("Cells", "Cytoplasm", "Nuclei")
IMAGE_HEADER = ("ImageNumber", "Metadata_Plate", "Metadata_Well", "Metadata_Site", "Count_Cells", "Count_Nuclei")
HEADERS = {
    "Cells": ("ImageNumber", "ObjectNumber", "AreaShape_Area", "Location_Center_X", "Parent_Nuclei"),
    "Cytoplasm": ("ImageNumber", "ObjectNumber", "AreaShape_Area", "Parent_Cells", "Parent_Nuclei"),
    "Nuclei": ("ImageNumber", "ObjectNumber", "AreaShape_Area", "Location_Center_X"),
}
Row = Sequence[object]


def csv_bytes(*rows: Row) -> bytes:
    """Rows as CellProfiler writes them: commas, CRLF, quotes where they are needed."""
    text = io.StringIO(newline="")
    csv.writer(text).writerows(rows)
    return text.getvalue().encode()


def write(path: Path, *rows: Row) -> Path:
    """Write a CSV; its folder is made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(csv_bytes(*rows))
    return path


def area(compartment: str, well: str, number: int, cell: int) -> float:
    """The area of a cell that `write_set` wrote."""
    return 100.0 * (COMPARTMENTS.index(compartment) + 1) + 10 * int(well[1:]) + number + cell / 8


def object_rows(compartment: str, well: str, cells: int, number: int = 1) -> list[Row]:
    """The rows of one image set: a header and so many objects."""
    rows: list[Row] = [HEADERS[compartment]]
    for cell in range(1, cells + 1):
        size = area(compartment, well, number, cell)
        rest = (cell, cell) if compartment == "Cytoplasm" else (cell / 2, cell) if compartment == "Cells" else (cell,)
        rows.append((number, cell, size, *rest))
    return rows


def write_set(
    folder: Path, well: str = "A01", site: str = "1", *, plate: str = PLATE, cells: int = 2, number: int = 1
) -> Path:
    """Write the four CSVs of one image set; returns the folder."""
    write(folder / "Image.csv", IMAGE_HEADER, (number, plate, well, site, cells, cells))
    for compartment in COMPARTMENTS:
        write(folder / f"{compartment}.csv", *object_rows(compartment, well, cells, number))
    return folder


def write_plate(analysis: Path, wells: Sequence[str] = ("A01", "A02"), *, plate: str = PLATE, cells: int = 2) -> Path:
    """Write a folder of CSVs for each well, all with one site; returns the folder of them all."""
    for number, well in enumerate(wells, start=1):
        write_set(analysis / f"{plate}-{well}-1", well, plate=plate, cells=cells, number=number)
    return analysis


def build(
    analysis: Path | Storage,
    output: Path | Storage,
    plate: str | None = PLATE,
    *,
    batch: str = "",
    force: bool = False,
    tell: Tell | None = None,
    **settings: Any,
) -> IngestReport:
    """Make the backend of a plate, in a folder of its name."""
    source = FolderStorage(analysis) if isinstance(analysis, Path) else analysis
    target = FolderStorage(output) if isinstance(output, Path) else output
    manner = Manner(BackendSettings(**settings), force=force)
    return ingest(open_analysis(source, "", plate), Target(target, "", batch, plate), manner, tell or Tell())


@dataclass(frozen=True)
class Backend:
    """The published files of one plate."""

    folder: Path
    plate: str = PLATE

    @property
    def names(self) -> set[str]:
        """Every file there is, hidden ones too."""
        return {path.relative_to(self.folder).as_posix() for path in self.folder.rglob("*") if path.is_file()}

    @property
    def sqlite(self) -> Path:
        return self.folder / f"{self.plate}.sqlite"

    @property
    def report(self) -> dict[str, Any]:
        document: dict[str, Any] = json.loads((self.folder / f"{self.plate}_ingest.json").read_bytes())
        return document

    @property
    def page(self) -> str:
        return (self.folder / f"{self.plate}_ingest.html").read_text(encoding="utf-8")

    @property
    def profile(self) -> pl.DataFrame:
        return pl.read_parquet(self.folder / f"{self.plate}.parquet")

    @property
    def sites(self) -> pl.DataFrame:
        return pl.read_parquet(self.folder / f"{self.plate}_sites.parquet")

    def table(self, name: str) -> pl.DataFrame:
        """A table of the Parquet files."""
        return pl.read_parquet(self.folder / f"{name}.parquet")

    def tables(self) -> dict[str, pl.DataFrame]:
        """All tables of images and objects."""
        found = {path.stem: pl.read_parquet(path) for path in sorted(self.folder.glob("*.parquet"))}
        return {name: table for name, table in found.items() if "ImageNumber" in table.columns}

    def in_sqlite(self, query: str) -> list[tuple[Any, ...]]:
        """The answer of the SQLite file."""
        with closing(sqlite3.connect(f"{self.sqlite.as_uri()}?mode=ro", uri=True)) as connection:
            return list(connection.execute(query))


def write_and_build(analysis: Path, **settings: Any) -> tuple[IngestReport, Backend]:
    """The backend of CSVs, beside their folder."""
    output = analysis.parent / "backend"
    report = build(analysis, output, **settings)
    return report, Backend(output / report.plate, report.plate)


def states(report: IngestReport) -> dict[str, str]:
    """The state of each image set, by its label."""
    return {one.image_set.label: one.state.value for one in report.outcomes}


def copied(folder: Path, to: Path) -> Path:
    """A folder copied with all that is in it."""
    return Path(shutil.copytree(folder, to))


class Shuffled(FolderStorage):
    """A folder that is listed in any order, as no storage promises another."""

    def __init__(self, root: Path, seed: int) -> None:
        super().__init__(root)
        self._random = random.Random(seed)  # noqa: S311 (no secret)

    def list(self, prefix: str) -> Iterator[StoredObject]:
        listed = [*super().list(prefix)]
        self._random.shuffle(listed)
        return iter(listed)


class Watched(FolderStorage):
    """A folder that remembers what was read of it."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.was_read: list[str] = []

    def read(self, key: str) -> bytes:
        self.was_read.append(key)
        return super().read(key)


def cpb_ingest(*arguments: object, **environment: str) -> "subprocess.CompletedProcess[str]":
    """Run the real command to its end."""
    return subprocess.run(
        [*CPB_INGEST, *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        env={**os.environ, **environment},
    )


def s3_bucket(url: str, name: str) -> S3Storage:
    """A new bucket of an S3 server."""
    client = boto3.Session("local", "local", region_name="us-east-1").client("s3", endpoint_url=url)
    client.create_bucket(Bucket=name)
    return S3Storage(name, client)


def s3_environment(url: str) -> dict[str, str]:
    """What a process needs to find that server."""
    return {
        "AWS_ENDPOINT_URL": url,
        "AWS_ACCESS_KEY_ID": "local",
        "AWS_SECRET_ACCESS_KEY": "local",
        "AWS_DEFAULT_REGION": "us-east-1",
    }


def uploaded(folder: Path, storage: Storage, prefix: str) -> None:
    """Put all files of a folder below a prefix."""
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            storage.upload(path, f"{prefix}/{path.relative_to(folder).as_posix()}")


def downloaded(storage: Storage, prefix: str, folder: Path) -> Path:
    """Bring all files below a prefix to a folder."""
    for item in storage.list(prefix):
        storage.download(item.key, folder / item.key.removeprefix(f"{prefix}/"))
    return folder
