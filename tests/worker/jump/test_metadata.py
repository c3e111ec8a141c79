"""The tables of JUMP become one, and every row is accounted for."""

import gzip
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest

from cellpainting.errors import InvalidRequest, MissingInput
from cellpainting.jump.metadata import merge, read_tables
from tests.conftest import REPOSITORY
from tests.worker.jump.small_jump import A2M, DMSO, LACZ, NAT1, TABLES, TREATED, csv_of, serving_release, write_tables

REAL_TABLES = REPOSITORY.parent / "shared" / "data" / "jump_metadata"


def of(frame: pl.DataFrame, jcp: str) -> dict[str, str]:
    """The first well of a perturbation."""
    return frame.filter(pl.col("Metadata_JCP2022") == jcp).row(0, named=True)


def test_every_well_stays_in_the_order_of_its_table(tables: Path) -> None:
    frame, account = merge(*read_tables(tables))
    wells = [tuple(row) for row in TABLES["well"][1:]]
    assert frame.select("Metadata_Source", "Metadata_Plate", "Metadata_Well", "Metadata_JCP2022").rows() == wells
    assert account.wells == len(wells)
    assert account.is_complete


def test_a_gene_has_one_column_whatever_was_done_to_it(tables: Path) -> None:
    frame, _ = merge(*read_tables(tables))
    assert (of(frame, NAT1)["Metadata_Symbol"], of(frame, NAT1)["Metadata_Modality"]) == ("NAT1", "orf")
    assert (of(frame, A2M)["Metadata_Symbol"], of(frame, A2M)["Metadata_Modality"]) == ("A2M", "crispr")
    assert (of(frame, A2M)["Metadata_NCBI_Gene_ID"], of(frame, NAT1)["Metadata_NCBI_Gene_ID"]) == ("2", "9")
    assert not [name for name in frame.columns if name.endswith(("_x", "_y", "_right"))]


def test_names_are_what_a_person_calls_the_perturbation_and_orf_names_are_told_apart(tables: Path) -> None:
    frame, _ = merge(*read_tables(tables))
    assert [of(frame, jcp)["Metadata_Name"] for jcp in (DMSO, NAT1, LACZ)] == ["DMSO", "NAT1", "LacZ"]
    assert of(frame, NAT1)["Metadata_ORF_Name"] == "ORF008415.1_TRC304.1"
    assert of(frame, TREATED)["Metadata_Compound_Source"] == "source_3|source_7"


def test_controls_are_told_by_the_canonical_table_and_all_else_is_treatment(tables: Path) -> None:
    frame, account = merge(*read_tables(tables))
    assert [of(frame, jcp)["Metadata_pert_type"] for jcp in (DMSO, NAT1, LACZ)] == ["negcon", "trt", "negcon"]
    assert account.wells_by_pert_type == {"empty": 1, "negcon": 6, "none": 1, "poscon": 2, "trt": 4}


def test_values_stay_text(tables: Path) -> None:
    frame, _ = merge(*read_tables(tables))
    assert set(frame.dtypes) == {pl.String}
    assert "0042" in frame["Metadata_Plate"].to_list()


def test_wells_that_do_not_join_are_named_and_kept(tmp_path: Path) -> None:
    lost = [("source_9", "GONE", "B02", DMSO), ("source_4", "P1", "B03", "JCP2022_777777")]
    folder = write_tables(tmp_path / "tables", {"well": lost, "plate": [("source_4", "b2", "EMPTY1", "DMSO")]})
    frame, account = merge(*read_tables(folder))
    assert len(frame) == len(TABLES["well"]) - 1 + 2
    assert account.wells_of_unknown_plates == ["source_9 GONE B02"]
    assert account.wells_of_unknown_perturbations == ["source_4 P1 B03 JCP2022_777777"]
    assert account.plates_without_wells == ["source_4 EMPTY1"]
    assert account.wells_not_identified == 1
    assert account.perturbations_in_no_well["compound"] == 1
    assert not account.is_complete


def test_wells_of_a_perturbation_that_two_tables_have_are_not_taken_for_accounted_for(tmp_path: Path) -> None:
    folder = write_tables(tmp_path / "tables", {"crispr": [(NAT1, "9", "NAT1")]})
    _, account = merge(*read_tables(folder))
    assert account.wells == account.rows_read["well"] + 1
    assert not account.is_complete


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (csv_of([*TABLES["well"], TABLES["well"][1]]), "keys twice"),
        (b"Metadata_Source,Metadata_Plate\nsource_1,P1\n", "Metadata_Well"),
        (b"", "not a CSV table"),
    ],
)
def test_table_that_would_multiply_or_lose_rows_is_refused(tables: Path, content: bytes, said: str) -> None:
    (tables / "well.csv.gz").write_bytes(gzip.compress(content))
    with pytest.raises(InvalidRequest, match=said):
        read_tables(tables)


def test_torn_table_is_refused_and_a_missing_one_is_named(tables: Path) -> None:
    whole = (tables / "well.csv.gz").read_bytes()
    (tables / "well.csv.gz").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InvalidRequest, match=r"well\.csv\.gz"):
        read_tables(tables)
    (tables / "well.csv.gz").unlink()
    with pytest.raises(MissingInput, match=r"well\.csv\.gz"):
        read_tables(tables)


@pytest.mark.skipif(not REAL_TABLES.is_dir(), reason=f"{REAL_TABLES} is not there")
def test_real_tables_of_plates_genes_and_controls_join_wells_of_every_plate(tmp_path: Path) -> None:
    plates = pl.read_csv(REAL_TABLES / "plate.csv.gz", infer_schema=False)
    by_type = {"ORF": "JCP2022_900002", "CRISPR": "JCP2022_800003"}
    wells = plates.select(
        "Metadata_Source",
        "Metadata_Plate",
        pl.lit("A01").alias("Metadata_Well"),
        pl.col("Metadata_PlateType").replace_strict(by_type, default=DMSO).alias("Metadata_JCP2022"),
    )
    for path in REAL_TABLES.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    (tmp_path / "well.csv.gz").write_bytes(gzip.compress(wells.write_csv().encode()))
    (tmp_path / "compound.csv.gz").write_bytes(gzip.compress(csv_of(TABLES["compound"])))
    frame, account = merge(*read_tables(tmp_path))
    assert account.is_complete
    assert len(frame) == 2525
    assert account.wells_by_modality == {"compound": 2525 - 251 - 148, "crispr": 148, "orf": 251}


@pytest.fixture
def release(tmp_path: Path) -> Iterator[str]:
    with serving_release(tmp_path / "server") as url:
        yield url


def cpb(*arguments: object) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        ["cpb", "jump", "metadata", *map(str, arguments)], capture_output=True, text=True, check=False
    )


def test_release_is_fetched_merged_and_written_with_its_account(tmp_path: Path, release: str) -> None:
    done = cpb("--output", tmp_path / "out", "--url", release, "--json")
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["rows_read"]["well"] == report["wells"] == len(TABLES["well"]) - 1
    assert json.loads((tmp_path / "out" / "metadata_report.json").read_text()) == report
    parquet = pl.read_parquet(tmp_path / "out" / "complete_metadata.parquet")
    assert parquet.equals(pl.read_csv(tmp_path / "out" / "complete_metadata.csv", infer_schema=False))


def test_release_that_is_not_there_is_told_with_the_option_that_names_it(tmp_path: Path, release: str) -> None:
    done = cpb("--output", tmp_path / "out", "--url", release, "--release", "v9")
    assert done.returncode == 1
    assert "--release" in done.stderr
    assert "v9" in done.stderr


def test_wells_that_do_not_join_make_the_exit_status_one(tmp_path: Path) -> None:
    folder = write_tables(tmp_path / "tables", {"well": [("source_9", "GONE", "B02", DMSO)]})
    done = cpb("--output", tmp_path / "out", "--from", folder)
    assert done.returncode == 1
    assert "source_9 GONE B02" in done.stdout
