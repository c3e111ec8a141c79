"""`complete_metadata`: a row per well of JUMP with all that is known of what is in it, and an account of every row.

Names that say different things in two of the tables are told apart: `Metadata_Name` is what a person calls the
perturbation, `Metadata_Symbol` and `Metadata_NCBI_Gene_ID` are its gene's, be it an ORF or a CRISPR guide; all other
columns of a table begin with the table's own name (`Metadata_ORF_Vector`).
"""

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import polars as pl

from cellpainting.jump.tables import (
    BATCH,
    JCP2022,
    PLATE,
    PLATE_TYPE,
    SOURCE,
    TABLES,
    WELL,
    find_table,
    read_table,
    sha256,
)

MODALITY, PERT_TYPE, NAME = "Metadata_Modality", "Metadata_pert_type", "Metadata_Name"
SYMBOL, GENE_ID, INCHIKEY = "Metadata_Symbol", "Metadata_NCBI_Gene_ID", "Metadata_InChIKey"
TREATMENT = "trt"
UNKNOWN = "JCP2022_UNKNOWN"  # of wells whose perturbation nobody knows; it is in no table on purpose
COMPOUND_COLUMNS = ("Metadata_InChIKey", "Metadata_InChI", "Metadata_SMILES")


@dataclass(frozen=True)
class Account:
    """Where every row went. All wells are in the result; lists name what did not join."""

    wells: int
    rows_read: dict[str, int]
    wells_by_modality: dict[str, int]
    wells_by_pert_type: dict[str, int]
    wells_of_unknown_plates: list[str]
    wells_of_unknown_perturbations: list[str]
    wells_not_identified: int
    plates_without_wells: list[str]
    perturbations_in_no_well: dict[str, int]
    files: dict[str, str]

    @property
    def is_complete(self) -> bool:
        """Whether each well is there once, with its plate, and its perturbation unless nobody knows it."""
        is_each_once = self.wells == self.rows_read["well"]  # not so if two tables have the same perturbation
        return is_each_once and not self.wells_of_unknown_plates and not self.wells_of_unknown_perturbations

    def to_json(self) -> str:
        """The content of `metadata_report.json`."""
        return json.dumps(asdict(self), indent=1)


def merge(tables: dict[str, pl.DataFrame], files: dict[str, str]) -> tuple[pl.DataFrame, Account]:
    """Merge the tables (by name, as `tables.read_table` gives them); `files` are their checksums.

    Returns
    -------
    The wells in the order of their table, as many as it has, all columns text; and the account.
    """
    plates = tables["plate"].select(SOURCE, PLATE, BATCH, PLATE_TYPE)
    wells = (
        tables["well"]
        .select(SOURCE, PLATE, WELL, JCP2022)
        .join(plates, on=[SOURCE, PLATE], how="left", maintain_order="left")
        .join(_perturbations(tables), on=JCP2022, how="left", maintain_order="left")
        .join(_prefixed(tables["microscope_config"], SOURCE, "Metadata_"), on=SOURCE, how="left", maintain_order="left")
    )
    first = [SOURCE, BATCH, PLATE, PLATE_TYPE, WELL, JCP2022]
    return wells.select(*first, pl.exclude(first)), _account(tables, wells, files)


def read_tables(folder: Path) -> tuple[dict[str, pl.DataFrame], dict[str, str]]:
    """All tables of a folder with their checksums.

    Raises
    ------
    MissingInput, InvalidRequest
        As `tables.read_table` does.
    """
    frames = {table.name: read_table(table, folder) for table in TABLES}
    return frames, {path.name: sha256(path) for path in (find_table(table, folder) for table in TABLES)}


def write_metadata(folder: Path, metadata: pl.DataFrame, account: Account) -> Iterator[Path]:
    """Write `complete_metadata.csv`, `.parquet` and `metadata_report.json`; yields each file."""
    folder.mkdir(parents=True, exist_ok=True)
    partial = folder / ".complete_metadata.partial"
    metadata.write_csv(partial)
    yield partial.replace(folder / "complete_metadata.csv")
    metadata.write_parquet(partial)
    yield partial.replace(folder / "complete_metadata.parquet")
    partial.write_text(account.to_json(), encoding="utf-8")
    yield partial.replace(folder / "metadata_report.json")


def _perturbations(tables: dict[str, pl.DataFrame]) -> pl.DataFrame:
    """A row per perturbation of any kind, control or not."""
    compound = tables["compound"].select(
        JCP2022, *(name for name in COMPOUND_COLUMNS if name in tables["compound"].columns)
    )
    kinds = [
        compound.with_columns(pl.lit("compound").alias(MODALITY)),
        _prefixed(tables["orf"], JCP2022, "Metadata_ORF_", SYMBOL, GENE_ID).with_columns(pl.lit("orf").alias(MODALITY)),
        _prefixed(tables["crispr"], JCP2022, "Metadata_CRISPR_", SYMBOL, GENE_ID).with_columns(
            pl.lit("crispr").alias(MODALITY)
        ),
    ]
    controls = tables["perturbation_control"].select(JCP2022, PERT_TYPE, pl.col(NAME).alias("control"))
    sources = (
        tables["compound_source"]
        .group_by(JCP2022)
        .agg(pl.col("Metadata_Compound_Source").unique().sort().str.join("|"))
    )
    known = pl.concat(kinds, how="diagonal").join(controls, on=JCP2022, how="full", coalesce=True)
    return (
        known.join(sources, on=JCP2022, how="left")
        .with_columns(pl.coalesce("control", SYMBOL, INCHIKEY).alias(NAME), pl.col(PERT_TYPE).fill_null(TREATMENT))
        .drop("control")
    )


def _prefixed(frame: pl.DataFrame, key: str, prefix: str, *kept: str) -> pl.DataFrame:
    """A table whose columns, but for its key and those that are kept, begin with a prefix of its own."""
    renamed = {name: prefix + name.removeprefix("Metadata_") for name in frame.columns if name not in (key, *kept)}
    return frame.rename(renamed)


def _account(tables: dict[str, pl.DataFrame], wells: pl.DataFrame, files: dict[str, str]) -> Account:
    is_unknown = pl.col(JCP2022) == UNKNOWN
    without_plate = wells.filter(pl.col(PLATE_TYPE).is_null())
    without_perturbation = wells.filter(pl.col(PERT_TYPE).is_null() & ~is_unknown)
    used = wells.select(JCP2022).unique()
    unused = {
        name: len(tables[name].join(used, on=JCP2022, how="anti"))
        for name in ("compound", "orf", "crispr", "perturbation_control")
    }
    return Account(
        wells=len(wells),
        rows_read={name: len(frame) for name, frame in tables.items()},
        wells_by_modality=_counts(wells, MODALITY),
        wells_by_pert_type=_counts(wells, PERT_TYPE),
        wells_of_unknown_plates=_labels(without_plate, SOURCE, PLATE, WELL),
        wells_of_unknown_perturbations=_labels(without_perturbation, SOURCE, PLATE, WELL, JCP2022),
        wells_not_identified=len(wells.filter(is_unknown)),
        plates_without_wells=_labels(tables["plate"].join(wells, on=[SOURCE, PLATE], how="anti"), SOURCE, PLATE),
        perturbations_in_no_well=unused,
        files=files,
    )


def _counts(frame: pl.DataFrame, column: str) -> dict[str, int]:
    counted = frame.group_by(pl.col(column).fill_null("none")).len().sort(column)
    return dict(counted.iter_rows())


def _labels(frame: pl.DataFrame, *columns: str) -> list[str]:
    return frame.select(pl.concat_str(columns, separator=" ", ignore_nulls=True)).to_series().to_list()
