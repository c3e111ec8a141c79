"""CSV load data in every dialect becomes the same table; a file that is none is refused by what is wrong with it."""

import gzip

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cellpainting.errors import InvalidRequest
from cellpainting.load_data import Column, LoadData, Places, ValueType, read_csv

PLACES = Places.of("s3://screens/", base="plates/input")
DNA = Column("URL_DNA", ValueType.TEXT)


def read(text: str, name: str = "load_data.csv") -> LoadData:
    return read_csv(text.encode(), name, PLACES)


def names(table: LoadData) -> list[str]:
    return [column.name for column in table.columns]


def types(table: LoadData) -> dict[str, ValueType]:
    return {column.name: column.type for column in table.columns}


@pytest.mark.parametrize(
    ("header", "row"),
    [
        ("URL_DNA", "s3://screens/P1/a.tif"),
        ("Image_URL_DNA", "s3://screens/P1/a.tif"),
        ("FileName_DNA,PathName_DNA", "a.tif,/home/ubuntu/bucket/P1"),
        ("FileName_DNA,PathName_DNA", "a.tif,/home/ubuntu/bucket/P1/"),
        ("PathName_DNA,FileName_DNA", "s3://screens/P1/,a.tif"),
        ("Image_FileName_DNA,Image_PathName_DNA", "a.tif,/fsx/P1"),
        ("FileName_DNA,PathName_DNA", "P1/a.tif,/fsx"),
    ],
)
def test_every_dialect_is_the_same_table(header: str, row: str) -> None:
    assert read(f"{header}\n{row}\n") == LoadData((DNA,), (("P1/a.tif",),))


@pytest.mark.parametrize(("header", "row"), [("FileName_DNA", "a.tif"), ("FileName_DNA,PathName_DNA", "a.tif,")])
def test_a_file_name_without_path_starts_at_the_base(header: str, row: str) -> None:
    assert read(f"{header}\n{row}\n").rows == (("plates/input/a.tif",),)


def test_a_url_is_preferred_to_file_and_path_names_as_in_loaddata() -> None:
    table = read("FileName_DNA,PathName_DNA,URL_DNA\nb.tif,/elsewhere,s3://screens/a.tif\n")
    assert table == LoadData((DNA,), (("a.tif",),))


def test_label_images_are_columns_of_their_own_kind() -> None:
    table = read("ObjectsFileName_Cells,ObjectsPathName_Cells,Image_ObjectsURL_Nuclei\nc.tif,/fsx,s3://screens/n.tif\n")
    assert names(table) == ["ObjectsURL_Cells", "ObjectsURL_Nuclei"]
    assert table.images(table.rows[0]) == ("c.tif", "n.tif")


def test_illumination_functions_are_images_like_others() -> None:
    table = read(
        "FileName_OrigDNA,PathName_OrigDNA,FileName_IllumDNA,PathName_IllumDNA\na.tif,/fsx/i,P1_IllumDNA.npy,/fsx/l/\n"
    )
    assert table.images(table.rows[0]) == ("i/a.tif", "l/P1_IllumDNA.npy")


def test_all_other_columns_are_passed_through_as_text() -> None:
    table = read(
        "Metadata_Plate,Frame_DNA,Series_DNA,Group_Name,Titration_uM,URL_DNA\n0042,3,0,g,1E5,s3://screens/a.tif\n"
    )
    assert table.rows == (("0042", "3", "0", "g", "1E5", "a.tif"),)


def test_only_the_names_of_locations_lose_the_prefix_image() -> None:
    assert names(read("Image_Metadata_Plate,Image_FileName_DNA\nP1,a.tif\n")) == ["Image_Metadata_Plate", "URL_DNA"]


def test_the_numbers_of_an_earlier_run_are_left_out() -> None:
    assert names(read("ImageNumber,Group_Number,Group_Index,Group_Length,FileName_DNA\n7,2,1,9,a.tif\n")) == ["URL_DNA"]


def test_a_column_has_the_type_of_all_of_its_values() -> None:
    table = read("Metadata_Plate,Metadata_Dose,Metadata_Site,FileName_DNA\n0042,1,01,1\nP2,1.5,2,2\n")
    assert types(table) == {
        "Metadata_Plate": ValueType.TEXT,
        "Metadata_Dose": ValueType.FLOAT,
        "Metadata_Site": ValueType.INTEGER,
        "URL_DNA": ValueType.TEXT,
    }


def test_an_empty_image_cell_is_an_image_set_without_that_image() -> None:
    table = read("URL_DNA,FileName_RNA,PathName_RNA\ns3://screens/a.tif,,/fsx/P1\n,b.tif,/fsx/P1\n")
    assert [table.images(row) for row in table.rows] == [("a.tif",), ("P1/b.tif",)]


def test_a_missing_well_is_made_of_row_and_column_as_in_loaddata() -> None:
    table = read("Metadata_Row,Metadata_Col,FileName_DNA\nA,01,a.tif\n")
    assert table.metadata(table.rows[0]) == {"Metadata_Row": "A", "Metadata_Col": "01", "Metadata_Well": "A01"}


def test_the_column_of_a_well_is_text_as_in_loaddata() -> None:
    assert types(read("Metadata_Col,FileName_DNA\n01,a.tif\n"))["Metadata_Col"] is ValueType.TEXT


@pytest.mark.parametrize("well", ["Metadata_Well", "Metadata_well"])
def test_a_well_that_is_there_is_kept(well: str) -> None:
    assert names(read(f"Metadata_Row,Metadata_Col,{well},FileName_DNA\n1,01,A01,a.tif\n"))[-2:] == [well, "URL_DNA"]


@pytest.mark.parametrize("header", ["Metadata_Row,Metadata_Col", "Metadata_WellRow,Metadata_Well_Col"])
def test_a_well_that_loaddata_fails_to_make_of_numbers_is_refused(header: str) -> None:
    with pytest.raises(InvalidRequest, match="add Metadata_Well"):
        read(f"{header},FileName_DNA\n1,01,a.tif\n")


def test_a_byte_order_mark_is_no_part_of_the_first_name() -> None:
    assert names(read("\ufeffMetadata_Plate,FileName_DNA\nP1,a.tif\n"))[0] == "Metadata_Plate"


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_every_line_ending_is_read(end: str) -> None:
    assert len(read(end.join(["FileName_DNA", "a.tif", "b.tif", ""])).rows) == 2


def test_a_quoted_field_may_have_commas_and_quotes() -> None:
    assert read('Metadata_Drug,FileName_DNA\n"a, ""b""",c.tif\n').rows[0][0] == 'a, "b"'


@pytest.mark.parametrize("lines", ["\n\n", ",\n,\n", "\r\n"])
def test_empty_lines_are_no_image_sets(lines: str) -> None:
    assert len(read(f"Metadata_Plate,FileName_DNA\nP1,a.tif\n{lines}").rows) == 1


def test_empty_fields_beyond_the_header_are_left_out() -> None:
    assert read("Metadata_Plate,FileName_DNA\nP1,a.tif,,\n").rows == (("P1", "plates/input/a.tif"),)


def test_spaces_in_folders_are_kept() -> None:
    assert read("URL_DNA\ns3://screens/P1 - Measurement 1/a.tif\n").rows == (("P1 - Measurement 1/a.tif",),)


def test_a_gzipped_file_is_read_by_its_name() -> None:
    content = gzip.compress(b"FileName_DNA\na.tif\n")
    assert len(read_csv(content, "load_data.csv.gz", PLACES).rows) == 1


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("", "first line is empty"),
        ("\n\n", "first line is empty"),
        ("FileName_DNA\n", "no image set"),
        ("FileName_DNA\n\n,\n", "no image set"),
        ("Metadata_Plate,Metadata_Well\nP1,A01\n", "no image column"),
        ("Metadata_Plate;FileName_DNA\nP1;a.tif\n", "commas"),
        ("FileName_DNA,Image_FileName_DNA\na.tif,a.tif\n", "more than once"),
        (",FileName_DNA\n0,a.tif\n", "column 1 has no name"),
        ("PathName_DNA\n/fsx\n", "PathName_DNA without FileName_DNA"),
        ("ObjectsPathName_Cells\n/fsx\n", "ObjectsPathName_Cells without ObjectsFileName_Cells"),
        ("Metadata_Plate,FileName_DNA\nP1,a.tif\n\nP2\n", "row 4: got 1 fields"),
        ("Metadata_Plate,FileName_DNA\nP1,a.tif,x\n", "row 2: got 3 fields"),
        ("URL_DNA,FileName_RNA\nhttp://x/a.tif,b.tif\n", "column URL_DNA"),
        ("FileName_DNA\na\0.tif\n", "NUL"),
        ('Metadata_Note,FileName_DNA\n"' + "x" * 200_000 + '",a.tif\n', "field larger"),
    ],
)
def test_a_file_that_cannot_be_used_is_refused_by_its_fault(text: str, named: str) -> None:
    with pytest.raises(InvalidRequest, match="load data plate/load_data") as refused:
        read(text, "plate/load_data.csv")
    assert named in str(refused.value)


@pytest.mark.parametrize(
    ("content", "name", "named"),
    [
        ("Metadata_Drug,FileName_DNA\nµ,a.tif\n".encode("latin-1"), "x.csv", "not UTF-8"),
        (b"FileName_DNA\na.tif\n", "x.csv.gz", "not a whole gzip file"),
        (gzip.compress(b"FileName_DNA\na.tif\n", mtime=0)[:-9], "x.csv.gz", "not a whole gzip file"),
    ],
)
def test_bytes_that_are_no_text_are_refused(content: bytes, name: str, named: str) -> None:
    with pytest.raises(InvalidRequest, match=named):
        read_csv(content, name, PLACES)


@given(st.binary(max_size=200))
def test_no_content_fails_in_another_way_than_by_refusal(content: bytes) -> None:
    for name in ("x.csv", "x.csv.gz"):
        with pytest.raises(InvalidRequest):
            read_csv(b"Metadata_Plate\n" + content, name, PLACES)
