"""The tables of the JUMP data set, as published with its releases: fetched, and read as text.

Source: github.com/jump-cellpainting/datasets, `metadata/README.md`.
"""

import gzip
import hashlib
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import polars as pl
import urllib3

from cellpainting.errors import InvalidRequest, MissingInput, StorageUnavailable

RELEASE = "v0.13"
RELEASES_URL = "https://github.com/jump-cellpainting/datasets/raw"
RETRIES = urllib3.Retry(total=6, backoff_factor=0.5, status_forcelist=(429, 500, 502, 503, 504))
TIMEOUT_S = 30
PLATE_TYPE, JCP2022 = "Metadata_PlateType", "Metadata_JCP2022"
SOURCE, BATCH, PLATE, WELL, SITE = (f"Metadata_{name}" for name in ("Source", "Batch", "Plate", "Well", "Site"))


@dataclass(frozen=True)
class Table:
    """A table: the file's name without suffix, the columns that tell its rows apart, and others that are needed."""

    name: str
    key: tuple[str, ...]
    columns: tuple[str, ...] = ()
    is_zipped: bool = True

    @property
    def file(self) -> str:
        """The name of the published file."""
        return f"{self.name}.csv.gz" if self.is_zipped else f"{self.name}.csv"


TABLES = (
    Table("plate", (SOURCE, PLATE), (BATCH, PLATE_TYPE)),
    Table("well", (SOURCE, PLATE, WELL), (JCP2022,)),
    Table("compound", (JCP2022,), ("Metadata_InChIKey", "Metadata_SMILES")),
    Table("orf", (JCP2022,), ("Metadata_Symbol", "Metadata_NCBI_Gene_ID", "Metadata_Name")),
    Table("crispr", (JCP2022,), ("Metadata_Symbol", "Metadata_NCBI_Gene_ID")),
    Table("perturbation_control", (JCP2022,), ("Metadata_pert_type", "Metadata_Name"), is_zipped=False),
    Table("compound_source", (), (JCP2022, "Metadata_Compound_Source")),  # a compound has several; rows come twice
    Table("microscope_config", (SOURCE,), ("Metadata_Sites_Per_Well",), is_zipped=False),
)


def fetch_tables(folder: Path, release: str, url: str = RELEASES_URL) -> Iterator[Path]:
    """Download the tables of a release into a folder, each whole or not at all; yields each file.

    Raises
    ------
    MissingInput
        If there is no such release, or it lacks a table.
    StorageUnavailable
        If the server cannot be reached, after retries.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with urllib3.PoolManager(timeout=TIMEOUT_S, retries=RETRIES) as pool:
        for table in TABLES:
            address = f"{url}/{release}/metadata/{table.file}"
            try:
                answer = pool.request("GET", address)
            except urllib3.exceptions.HTTPError as error:
                raise StorageUnavailable(
                    f"{address}: {error}; try again, or give a folder with the tables (--from)"
                ) from error
            if answer.status != 200:
                raise MissingInput(f"{address}: HTTP status {answer.status}; correct --release, now {release!r}")
            partial = folder / f".{table.file}.partial"
            partial.write_bytes(answer.data)
            yield partial.replace(folder / table.file)


def read_table(table: Table, folder: Path) -> pl.DataFrame:
    """One table, every value as text, an empty one as null.

    Raises
    ------
    MissingInput
        If the folder has no file of it, plain or gzipped.
    InvalidRequest
        If the file is no such table: a column is missing, or two rows have the same key.
    """
    path = find_table(table, folder)
    try:
        content = path.read_bytes()
        text = gzip.decompress(content) if path.suffix == ".gz" else content
        frame = pl.read_csv(text, infer_schema=False)
    except (OSError, EOFError, zlib.error, pl.exceptions.PolarsError) as error:
        raise InvalidRequest(f"{path} is not a CSV table ({error}); fetch it again") from error
    missing = [column for column in (*table.key, *table.columns) if column not in frame.columns]
    if missing:
        raise InvalidRequest(f"{path} has not the columns {missing}, only {frame.columns}; fetch it again")
    if table.key:
        _require_unique(table.key, frame, path)
    return frame


def _require_unique(key: tuple[str, ...], frame: pl.DataFrame, path: Path) -> None:
    twice = frame.filter(pl.struct(key).is_duplicated()).select(key).unique(maintain_order=True)
    if len(twice):
        raise InvalidRequest(f"{path} has {len(twice)} keys twice, {twice.row(0)} for one; take the other rows out")


def find_table(table: Table, folder: Path) -> Path:
    """The file of a table in a folder.

    Raises
    ------
    MissingInput
        If there is none.
    """
    for name in (f"{table.name}.csv.gz", f"{table.name}.csv"):
        if (folder / name).is_file():
            return folder / name
    raise MissingInput(f"{folder} has no {table.file}; put it there, or fetch a release")


def sha256(path: Path) -> str:
    """The checksum of a table's file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
