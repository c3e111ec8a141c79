"""A table that is written is read as the same table, whatever its keys are called, by this package and by LoadData."""

from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cellpainting.cellprofiler.environment import CellProfiler
from cellpainting.errors import InvalidRequest
from cellpainting.load_data import Column, LoadData, Places, ValueType, read_csv, value_type, write_table

from .loaddata import ask_loaddata_of

BUCKET, FOLDER = "s3://screens/", Path("/data/my bucket").as_uri()
NAMES = ("Metadata_Plate", "Metadata_Site", "Dose, µM", "URL_DNA", "ObjectsURL_Cells")
TEXTS = st.text(st.characters(exclude_categories=("Cs", "Cc")), max_size=8)
PARTS = st.text(st.characters(exclude_categories=("Cs", "Cc"), exclude_characters="/\\"), min_size=1, max_size=8)
USUAL_PARTS = st.text("aZ0 +%#?&=:,'\"~äµ細", min_size=1, max_size=8)
KEYS = st.lists(PARTS | USUAL_PARTS, min_size=1, max_size=3).map("/".join)
PUBLIC = KEYS.filter(lambda key: "+" not in key).map("s3://cellpainting-gallery/".__add__)
PLACES = (KEYS | PUBLIC).filter(lambda place: not {".", ".."} & set(place.split("/")))


def table_of(rows: Sequence[tuple[str, ...]]) -> LoadData:
    types = [ValueType.TEXT if "URL" in name else value_type(row[at] for row in rows) for at, name in enumerate(NAMES)]
    return LoadData(tuple(map(Column, NAMES, types)), tuple(rows))


@pytest.mark.parametrize("bucket_uri", [BUCKET, FOLDER])
@given(st.lists(st.tuples(TEXTS, st.integers().map(str), TEXTS, PLACES, st.just("") | PLACES), min_size=1, max_size=4))
def test_what_is_written_is_read_as_the_same_table(bucket_uri: str, rows: list[tuple[str, ...]]) -> None:
    table = table_of(rows)
    written = write_table(table, bucket_uri)
    assert read_csv(written.encode(), "load_data.csv", Places.of(bucket_uri, base="plates/")) == table


def test_keys_are_urls_and_metadata_is_as_it_was() -> None:
    table = table_of([("0042", "01", "1E5", "P 1/a#%.tif", ""), ("007", "2", "1", "P1/a.tif", "s3://other/P1/b.tif")])
    assert write_table(table, BUCKET) == (
        'Metadata_Plate,Metadata_Site,"Dose, µM",URL_DNA,'
        "ObjectsURL_Cells,ObjectsFileName_Cells,ObjectsPathName_Cells\n"
        "0042,01,1E5,s3://screens/P 1/a#%.tif,,,\n"
        "007,2,1,s3://screens/P1/a.tif,s3://other/P1/b.tif,b.tif,s3://other/P1\n"
    )


def test_a_plus_which_s3_urls_cannot_have_is_written_as_a_path_of_the_mounted_bucket() -> None:
    table = table_of([("P1", "1", "1", "P1/a+b.tif", "")])
    assert "P1,1,1,file:///home/ubuntu/bucket/P1/a%2Bb.tif,,,\n" in write_table(table, BUCKET)


def test_a_folder_s_keys_are_its_files() -> None:
    table = table_of([("P1", "1", "1", "P 1/a+b.tif", "")])
    assert "P1,1,1,file:///data/my%20bucket/P%201/a%2Bb.tif,,,\n" in write_table(table, FOLDER)


@pytest.mark.parametrize("place", ["P1//a.tif", "P1\\a.tif", "/P1/a.tif", "s3://other/a+b.tif"])
def test_a_place_that_would_be_read_as_another_is_refused(place: str) -> None:
    with pytest.raises(InvalidRequest, match="load data cannot name it"):
        write_table(table_of([("P1", "1", "1", place, "")]), BUCKET)


@pytest.mark.cellprofiler
def test_loaddata_reads_what_is_written(cellprofiler: CellProfiler, tmp_path: Path) -> None:
    rows = [("0042", "01", "1E5", "P 1/a#%.tif", ""), ('P "2"', "2", "1", "P1/a+b.tif", "s3://other/P1/b.tif")]
    asked = {}
    for name, bucket_uri in (("s3", BUCKET), ("folder", tmp_path.as_uri())):
        path = tmp_path / f"{name}.csv"
        path.write_text(write_table(table_of(rows), bucket_uri), encoding="utf-8")
        asked[name] = ask_loaddata_of(cellprofiler, path)
    assert asked["s3"]["Metadata_Plate"].texts == ["0042", 'P "2"']
    assert asked["s3"]["Metadata_Site"].texts == ["1", "2"]
    assert asked["s3"]["URL_DNA"].texts == ["s3://screens/P 1/a#%.tif", "file:///home/ubuntu/bucket/P1/a%2Bb.tif"]
    assert asked["s3"]["ObjectsURL_Cells"].texts == ["", "s3://other/P1/b.tif"]
    assert asked["folder"]["URL_DNA"].texts == [
        f"{tmp_path.as_uri()}/P%201/a%23%25.tif",
        f"{tmp_path.as_uri()}/P1/a%2Bb.tif",
    ]
