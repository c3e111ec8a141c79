"""The load data of plates, from a Gallery on a server of its own into one data set."""

import json
import subprocess
from pathlib import Path

import polars as pl
import pytest

from cellpainting.errors import StorageUnavailable
from cellpainting.jump.gallery import open_gallery
from cellpainting.jump.load_data import Plate, PlateReport, PlateState, collect, plates_of
from cellpainting.jump.metadata import merge, read_tables
from cellpainting.storage import S3Storage
from tests.worker.jump.small_jump import PLATES, SITES, Gallery, image_folder, load_data_key, load_data_of

IMAGE_SETS = sum(len(wells) for _, _, _, wells in PLATES.values()) * len(SITES)


@pytest.fixture
def metadata(tables: Path) -> pl.DataFrame:
    return merge(*read_tables(tables))[0]


def collected(metadata: pl.DataFrame, folder: Path, storage: S3Storage) -> dict[str, PlateReport]:
    return {report.plate: report for report in collect(plates_of(metadata), metadata, folder, storage, 4)}


def data_set(folder: Path) -> pl.DataFrame:
    return pl.read_parquet(folder / "**/*.parquet", hive_partitioning=True)


def test_every_dialect_becomes_one_data_set_joined_with_what_is_in_the_wells(
    gallery: Gallery, metadata: pl.DataFrame, tmp_path: Path
) -> None:
    reports = collected(metadata, tmp_path, open_gallery(gallery.url, 4))
    assert {report.state for report in reports.values()} == {PlateState.DONE}
    frame = data_set(tmp_path)
    assert len(frame) == IMAGE_SETS
    assert set(frame["Metadata_Source"].unique()) == {"source_1", "source_4", "source_13"}
    for plate in PLATES:
        assert set(frame.filter(Metadata_Plate=plate)["PathName_OrigDNA"]) == {image_folder(plate)}
    treated = frame.filter(Metadata_Plate="P1", Metadata_Well="A02")
    assert set(treated["Metadata_Symbol"]) == {"NAT1"}
    assert treated["Metadata_Site"].to_list() == list(SITES)


def test_plates_without_usable_load_data_are_named_with_the_reason_and_keep_no_other_back(
    gallery: Gallery, metadata: pl.DataFrame, tmp_path: Path
) -> None:
    gallery.delete(load_data_key("P1", "load_data_with_illum.parquet"))
    gallery.put(load_data_key("P2", "load_data.csv"), load_data_of("P2").head(0).write_csv().encode())
    gallery.put(load_data_key("CP1", "load_data.csv"), b"")
    gallery.put(load_data_key("0042", "load_data.csv.gz"), b"\x1f\x8b no gzip")
    reports = collected(metadata, tmp_path, open_gallery(gallery.url, 4))
    states = {plate: report.state for plate, report in reports.items()}
    assert states == {
        "P1": PlateState.MISSING,
        "P2": PlateState.EMPTY,
        "CP1": PlateState.EMPTY,
        "0042": PlateState.DAMAGED,
    }
    assert "load_data_csv/2021_04_26_Batch1/P1" in reports["P1"].reason
    assert "0 bytes" in reports["CP1"].reason


def test_load_data_of_another_plate_is_not_taken_for_this_one(
    gallery: Gallery, metadata: pl.DataFrame, tmp_path: Path
) -> None:
    gallery.put(load_data_key("P2", "load_data.csv"), load_data_of("P1").write_csv().encode())
    report = collected(metadata, tmp_path, open_gallery(gallery.url, 4))["P2"]
    assert report.state is PlateState.DAMAGED
    assert "P1" in report.reason


def test_wells_that_only_one_side_knows_are_named_and_kept(
    gallery: Gallery, metadata: pl.DataFrame, tmp_path: Path
) -> None:
    gallery.put(load_data_key("P2", "load_data.csv"), load_data_of("P2", ["A01", "A02", "H12"]).write_csv().encode())
    report = collected(metadata, tmp_path, open_gallery(gallery.url, 4))["P2"]
    assert report.wells_without_metadata == ("H12",)
    assert report.wells_without_images == ("A03", "A04")
    unknown = data_set(tmp_path).filter(Metadata_Plate="P2", Metadata_Well="H12")
    assert len(unknown) == len(SITES)
    assert unknown["Metadata_JCP2022"].null_count() == len(SITES)


def test_second_time_reads_only_what_has_changed(gallery: Gallery, metadata: pl.DataFrame, tmp_path: Path) -> None:
    collected(metadata, tmp_path, open_gallery(gallery.url, 4))
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.parquet")}
    gallery.put(load_data_key("P2", "load_data.csv"), load_data_of("P2", ["A01"]).write_csv().encode())
    reports = collected(metadata, tmp_path, open_gallery(gallery.url, 4))
    changed = [path.name for path, time_ns in before.items() if path.stat().st_mtime_ns != time_ns]
    assert changed == ["2021_04_26_Batch1__P2.parquet"]
    assert reports["P1"].image_sets == 4 * len(SITES)
    assert reports["P2"].image_sets == len(SITES)


def test_other_metadata_is_joined_anew(gallery: Gallery, metadata: pl.DataFrame, tmp_path: Path) -> None:
    collected(metadata, tmp_path, open_gallery(gallery.url, 4))
    renamed = metadata.with_columns(pl.col("Metadata_Name").str.replace("DMSO", "dimethyl sulfoxide"))
    collected(renamed, tmp_path, open_gallery(gallery.url, 4))
    assert "DMSO" not in set(data_set(tmp_path)["Metadata_Name"])


def test_plate_that_has_vanished_leaves_no_file_that_would_pass_for_it(
    gallery: Gallery, metadata: pl.DataFrame, tmp_path: Path
) -> None:
    collected(metadata, tmp_path, open_gallery(gallery.url, 4))
    gallery.delete(load_data_key("P2", "load_data.csv"))
    collected(metadata, tmp_path, open_gallery(gallery.url, 4))
    assert not Plate("source_4", "2021_04_26_Batch1", "P2").path(tmp_path).exists()


def test_gallery_out_of_reach_is_told_for_each_plate_and_what_is_there_stays(
    gallery: Gallery, metadata: pl.DataFrame, tmp_path: Path
) -> None:
    collected(metadata, tmp_path, open_gallery(gallery.url, 4))

    class Unreachable(S3Storage):
        def list(self, prefix: str):  # type: ignore[no-untyped-def]
            raise StorageUnavailable(f"{prefix}: no route to host; try again")

    reports = collected(metadata, tmp_path, Unreachable("cellpainting-gallery"))
    assert {report.state for report in reports.values()} == {PlateState.UNREACHABLE}
    assert len(data_set(tmp_path)) == IMAGE_SETS


def cpb(folder: Path, gallery: Gallery, *arguments: str) -> "subprocess.CompletedProcess[str]":
    command = ["cpb", "jump", "load-data", "--metadata", "complete_metadata.parquet", "--output", "load_data"]
    return subprocess.run(
        [*command, "--endpoint-url", gallery.url, *arguments], cwd=folder, capture_output=True, text=True, check=False
    )


def test_command_lists_what_is_not_done_and_exits_with_one(
    gallery: Gallery, metadata: pl.DataFrame, tmp_path: Path
) -> None:
    metadata.write_parquet(tmp_path / "complete_metadata.parquet")
    gallery.delete(load_data_key("CP1", "load_data.csv"))
    done = cpb(tmp_path, gallery)
    assert done.returncode == 1, done.stderr
    assert "missing: source_13 20220914_Run1 CP1" in done.stdout
    assert "3 of 4 plates" in done.stdout
    states = {
        one["plate"]: one["state"] for one in json.loads((tmp_path / "load_data/load_data_report.json").read_text())
    }
    assert states["CP1"] == "missing"
    assert cpb(tmp_path, gallery, "--source", "source_4").returncode == 0


def test_source_that_is_not_there_is_refused_by_name(gallery: Gallery, metadata: pl.DataFrame, tmp_path: Path) -> None:
    metadata.write_parquet(tmp_path / "complete_metadata.parquet")
    done = cpb(tmp_path, gallery, "--source", "source_99")
    assert done.returncode == 2
    assert "source_99" in done.stderr


def test_file_that_is_no_metadata_is_refused(gallery: Gallery, tmp_path: Path) -> None:
    (tmp_path / "complete_metadata.parquet").write_text("no table")
    done = cpb(tmp_path, gallery)
    assert done.returncode == 2
    assert "cpb jump metadata" in done.stderr
