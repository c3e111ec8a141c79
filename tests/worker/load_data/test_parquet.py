"""Parquet load data is read as the CSV with the same content."""

import io
import subprocess
import sys
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cellpainting.errors import InvalidRequest
from cellpainting.load_data import LoadData, Places, ValueType, read_csv
from cellpainting.load_data.parquet import read_parquet

PLACES = Places.of("s3://screens/")


def read(columns: Mapping[str, Sequence[Any] | pa.Array]) -> LoadData:
    content = io.BytesIO()
    pq.write_table(pa.table(dict(columns)), content)
    return read_parquet(content.getvalue(), "load_data.parquet", PLACES)


def test_parquet_is_the_same_table_as_csv() -> None:
    csv = b"Metadata_Plate,Metadata_Site,FileName_DNA,PathName_DNA\n0042,1,a.tif,s3://screens/P1/\n0042,2,b.tif,s3://screens/P1/\n"
    columns = {
        "Metadata_Plate": ["0042", "0042"],
        "Metadata_Site": [1, 2],
        "FileName_DNA": ["a.tif", "b.tif"],
        "PathName_DNA": ["s3://screens/P1/", "s3://screens/P1/"],
    }
    assert read(columns) == read_csv(csv, "load_data.csv", PLACES)


@pytest.mark.parametrize(
    ("values", "texts"),
    [
        (["0042", None], ["0042", ""]),
        ([7, None], ["7", ""]),
        ([0.1, 1e16], ["0.1", "1e+16"]),
        ([True, False], ["True", "False"]),
        ([date(2021, 5, 2), None], ["2021-05-02", ""]),
        (pa.array(["P1", "P1"]).dictionary_encode(), ["P1", "P1"]),
    ],
)
def test_a_value_becomes_the_text_of_a_csv(values: Any, texts: list[str]) -> None:
    table = read({"Metadata_Value": values, "URL_DNA": ["s3://screens/a.tif", "s3://screens/b.tif"]})
    assert [row[0] for row in table.rows] == texts


def test_text_that_looks_like_a_number_has_the_type_that_loaddata_gives_it() -> None:
    assert read({"Metadata_Plate": ["0042"], "URL_DNA": ["s3://screens/a.tif"]}).columns[0].type is ValueType.INTEGER


def test_the_index_of_a_data_frame_is_no_column() -> None:
    table = read({"URL_DNA": ["s3://screens/a.tif"], "__index_level_0__": [17]})
    assert [column.name for column in table.columns] == ["URL_DNA"]


@pytest.mark.parametrize("value", [[1, 2], b"\xff"])
def test_a_column_of_neither_numbers_nor_text_is_refused(value: Any) -> None:
    with pytest.raises(InvalidRequest, match="column Metadata_Value: got values of type"):
        read({"Metadata_Value": [value], "URL_DNA": ["s3://screens/a.tif"]})


@pytest.mark.parametrize("content", [b"", b"PAR1", b"Metadata_Plate\n", b"PAR1" + b"\0" * 40 + b"PAR1"])
def test_a_file_that_is_no_parquet_is_refused(content: bytes) -> None:
    with pytest.raises(InvalidRequest, match="not a Parquet file"):
        read_parquet(content, "x.parquet", PLACES)


def test_rows_without_end_are_refused_as_in_csv() -> None:
    with pytest.raises(InvalidRequest, match="no image set"):
        read({"URL_DNA": pa.array([], pa.string())})


def test_pyarrow_is_not_needed_where_load_data_is_csv() -> None:
    script = "import sys, cellpainting.load_data; sys.exit('pyarrow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0
