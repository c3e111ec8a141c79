"""Where `cpb ingest` is not as the public programs are, on purpose."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.peers.environments import CYTOMINER_DATABASE
from tests.peers.plates import (
    IMAGE_CATEGORIES,
    INGEST_CONFIG,
    SMALL,
    Ours,
    Theirs,
    copy_of,
    edited,
    make_ours,
    make_theirs,
    read_csv,
    step,
    without,
)
from tests.peers.tables import columns, crc, query, table_numbers, wells

pytestmark = [pytest.mark.peers, pytest.mark.timeout(1200)]
NO_CELLS, BROKEN = "BR00099001-B01-1", "BR00099001-B02-1"


def table_number(folder: str) -> int:
    """The TableNumber of a folder of the small analysis."""
    return crc(SMALL.folder / folder / "Image.csv")


def count(database: Path, table: str, folder: str) -> int:
    """How many rows a table has of one folder."""
    found = query(database, f"SELECT COUNT(*) FROM {table} WHERE TableNumber = {table_number(folder)}")  # noqa: S608
    return int(found[0][0])


def test_they_drop_an_image_without_cells_and_we_keep_it_with_a_count_of_0(small: tuple[Path, Path]) -> None:
    ours, theirs = small
    assert count(theirs, "Image", NO_CELLS) == 0
    kept = query(ours, f"SELECT Count_Cells FROM Image WHERE TableNumber = {table_number(NO_CELLS)}")  # noqa: S608
    assert kept == [(0,)]
    assert [count(ours, table, NO_CELLS) for table in ("Cells", "Cytoplasm", "Nuclei")] == [0, 0, 0]


def test_a_well_without_cells_is_a_row_of_our_profile_only(
    ours_of: Callable[..., Ours], theirs_of: Callable[[object], Theirs]
) -> None:
    well = (SMALL.plate, "B01")
    assert well not in wells(theirs_of(SMALL).profile("mean"))
    row = wells(ours_of(SMALL).profile)[well]
    assert float(row["Metadata_Site_Count"]) == 1
    assert float(row["Metadata_Object_Count"]) == float(row["Metadata_Count_Cells"]) == 0
    features = {value for name, value in row.items() if name.startswith(("Cells_", "Cytoplasm_", "Nuclei_"))}
    assert features <= {"", "nan"}


def test_they_drop_a_folder_with_a_broken_table_and_we_keep_its_other_tables(small: tuple[Path, Path]) -> None:
    ours, theirs = small
    assert [count(theirs, table, BROKEN) for table in ("Image", "Cells", "Cytoplasm", "Nuclei")] == [0, 0, 0, 0]
    assert [count(ours, table, BROKEN) for table in ("Image", "Cells", "Cytoplasm", "Nuclei")] == [1, 0, 4, 4]


def test_they_append_when_a_plate_is_ingested_again_and_we_replace(tmp_path: Path) -> None:
    source, config, theirs = tmp_path / "csv", tmp_path / "ingest_config.ini", tmp_path / "theirs.sqlite"
    copy_of(SMALL.folder, source)
    config.write_text(INGEST_CONFIG)
    for _ in range(2):
        step(CYTOMINER_DATABASE, "ingest", source, theirs, config)
        ours = make_ours(SMALL, tmp_path / "ours", "--force").database
    assert query(theirs, "SELECT COUNT(*) FROM Image") == [(2 * len(table_numbers(theirs)),)]
    assert query(ours, "SELECT COUNT(*) FROM Image") == [(len(table_numbers(ours)),)] == [(6,)]


def test_metadata_is_a_number_for_them_and_text_for_us(small: tuple[Path, Path]) -> None:
    sql = "SELECT DISTINCT typeof(Metadata_Site) FROM Image"
    assert [query(database, sql) for database in small] == [[("text",)], [("integer",)]]


def test_they_lose_the_zeros_that_a_name_begins_with_and_we_do_not(tmp_path: Path) -> None:
    folder = edited(SMALL, tmp_path / "csv", lambda row: {**row, "Metadata_Plate": "0042"})
    plate = replace(SMALL, name="zeros", folder=folder, plate="0042")
    theirs = make_theirs(plate, tmp_path / "theirs").profile("mean")
    ours = make_ours(plate, tmp_path / "ours").profile
    assert {row["Metadata_Plate"] for row in read_csv(theirs)} == {"42"}
    assert {row["Metadata_Plate"] for row in read_csv(ours)} == {"0042"}


def test_with_plate_we_add_the_column_that_they_do_not_have(tmp_path: Path) -> None:
    folder = edited(SMALL, tmp_path / "csv", lambda row: without(row, ["Metadata_Plate"]))
    config, theirs = tmp_path / "ingest_config.ini", tmp_path / "theirs.sqlite"
    config.write_text(INGEST_CONFIG)
    step(CYTOMINER_DATABASE, "ingest", folder, theirs, config)
    ours = make_ours(replace(SMALL, folder=folder), tmp_path / "ours", "--plate", SMALL.plate).database
    assert columns(ours, "Image") == [*columns(theirs, "Image"), "Metadata_Plate"]
    assert query(ours, "SELECT DISTINCT Metadata_Plate FROM Image") == [(SMALL.plate,)]


def test_they_stop_at_images_without_a_category_and_we_take_those_that_there_are(tmp_path: Path) -> None:
    folder = edited(SMALL, tmp_path / "csv", lambda row: without(row, ["Granularity_1_DNA"]))
    plate = replace(SMALL, name="categories", folder=folder)
    with pytest.raises(AssertionError, match="Some of the input image features are not present"):
        make_theirs(plate, tmp_path / "theirs")
    others = tuple(name for name in IMAGE_CATEGORIES if name != "Granularity")
    theirs = make_theirs(replace(plate, categories=others), tmp_path / "others").profile("mean")
    assert list(read_csv(make_ours(plate, tmp_path / "ours").profile)[0]) == list(read_csv(theirs)[0])
