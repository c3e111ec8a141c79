"""The CSV for LoadData says of every image set what the table says, with the files of this machine."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cellpainting.cellprofiler.environment import CellProfiler
from cellpainting.load_data import Column, LoadData, Places, ValueType, canonical, read_csv, write_csv

from .loaddata import ask_loaddata_of

BUCKET = Path("/data/my bucket")
PLACES = Places.of(BUCKET.as_uri())
TEXTS = st.text(st.characters(exclude_categories=("Cs", "Cc")), max_size=8)
KEYS = st.sampled_from(["", "P1/a.tif", "P 1/a,b.tif", 'P1/"a" 100%+.tif', "s3/C:/ä.tif"])
COLUMNS = (
    Column("Metadata_Plate", ValueType.TEXT),
    Column("Metadata_Site", ValueType.INTEGER),
    Column("Metadata_Dose", ValueType.FLOAT),
    Column("URL_DNA", ValueType.TEXT),
    Column("ObjectsURL_Cells", ValueType.TEXT),
)
TABLE = LoadData(COLUMNS, (('P "1", x', "01", "1E5", "P 1/a,b.tif", "c#100%.tif"), ("P2", "2", "1", "x.tif", "")))


def local(table: LoadData) -> dict[str, Path]:
    return {place: BUCKET / place for row in table.rows for place in table.images(row)}


def test_images_are_written_as_names_and_local_folders() -> None:
    header, first, *_ = write_csv(TABLE, local(TABLE)).splitlines()
    assert header == (
        "Metadata_Plate,Metadata_Site,Metadata_Dose,"
        "FileName_DNA,PathName_DNA,ObjectsFileName_Cells,ObjectsPathName_Cells"
    )
    assert first == '"P ""1"", x",1,100000.0,"a,b.tif",/data/my bucket/P 1,c#100%.tif,/data/my bucket'


def test_a_place_in_another_bucket_is_written_as_its_local_file() -> None:
    table = LoadData((Column("URL_DNA", ValueType.TEXT),), (("s3://gallery/P1/a.tif",),))
    assert write_csv(table, {"s3://gallery/P1/a.tif": Path("/scratch/7/a.tif")}) == (
        "FileName_DNA,PathName_DNA\na.tif,/scratch/7\n"
    )


@given(st.lists(st.tuples(TEXTS, st.integers(0, 99), st.floats(), KEYS, KEYS), min_size=1, max_size=5))
def test_what_is_written_is_read_as_the_same_image_sets(rows: list[tuple[str, int, float, str, str]]) -> None:
    table = LoadData(COLUMNS, tuple((text, f"{site:02}", str(dose), *keys) for text, site, dose, *keys in rows))
    written = write_csv(table, local(table))
    again = read_csv(written.encode(), "load_data.csv", PLACES)
    assert [column.name for column in again.columns] == [column.name for column in table.columns]
    types = [column.type for column in COLUMNS]
    assert again.rows == tuple(tuple(map(canonical, row, types)) for row in table.rows)


@pytest.mark.cellprofiler
def test_loaddata_reads_what_is_written(cellprofiler: CellProfiler, tmp_path: Path) -> None:
    path = tmp_path / "load_data.csv"
    path.write_text(write_csv(TABLE, local(TABLE)), encoding="utf-8")
    asked = ask_loaddata_of(cellprofiler, path)
    assert {name: answer.texts for name, answer in asked.items() if "PathName" not in name} == {
        "Metadata_Plate": ['P "1", x', "P2"],
        "Metadata_Site": ["1", "2"],
        "Metadata_Dose": ["100000.0", "1.0"],
        "FileName_DNA": ["a,b.tif", "x.tif"],
        "URL_DNA": ["file:/data/my%20bucket/P%201/a%2Cb.tif", "file:/data/my%20bucket/x.tif"],
        "ObjectsFileName_Cells": ["c#100%.tif", ""],
        "ObjectsURL_Cells": ["file:/data/my%20bucket/c%23100%25.tif", "file:"],
    }
