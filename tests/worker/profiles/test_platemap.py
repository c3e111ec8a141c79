"""Platemaps and their like are read as people write them, and what is wrong is told by file and line."""

import re
from collections.abc import Sequence

import pytest

from cellpainting.errors import InvalidTable
from cellpainting.profiles.platemap import find_platemap_name, read_external_metadata, read_platemap
from cellpainting.profiles.text_table import read_text_table
from tests.worker.profiles.made_plates import rows

WELL, TREATMENT = "Metadata_well_position", "Metadata_broad_sample"
HEADER = ("well_position", "broad_sample", "concentration")


def test_a_platemap_has_prefixed_columns_and_wells_in_one_form() -> None:
    content = rows(HEADER, ("a1", "BRD-1", 0.5), ("P024", "", 1), (" B02 ", "BRD-2", 10))
    platemap = read_platemap(content, "map.txt", WELL)
    assert platemap.wells[WELL].tolist() == ["A01", "P24", "B02"]
    assert platemap.wells[TREATMENT].tolist() == ["BRD-1", None, "BRD-2"]
    assert platemap.wells["Metadata_concentration"].tolist() == [0.5, 1, 10]


def test_lines_of_windows_a_byte_order_mark_and_blank_lines_are_no_matter() -> None:
    content = b"\xef\xbb\xbf" + rows(HEADER, ("A01", "x", 1), (), ("A02", "y", 2)).replace(b"\n", b"\r\n") + b"\r\n\r\n"
    assert read_platemap(content, "map.txt", WELL).wells[TREATMENT].tolist() == ["x", "y"]


def test_a_csv_is_divided_by_commas() -> None:
    content = rows(HEADER, ("A01", '"2,4-dinitrophenol"', 1), delimiter=",")
    assert read_platemap(content, "map.csv", WELL).wells[TREATMENT].tolist() == ["2,4-dinitrophenol"]


@pytest.mark.parametrize(
    ("written", "name"),
    [
        ("5'-AMP", "5'-AMP"),
        ("(2,4)-x", "(2,4)-x"),
        ("β-Tocopherol", "β-Tocopherol"),
        ("Zürich;1", "Zürich;1"),
        ('5"-deoxy', '5"-deoxy'),
        ('"a ""b"" c"', 'a "b" c'),
        ('"a\tb"', "a\tb"),
        ("NA", None),
        ("nan", None),
        ("None", "None"),
        ("null", "null"),
    ],
)
def test_names_of_compounds_stay_as_they_are(written: str, name: str | None) -> None:
    content = rows(HEADER, ("A01", written, 1), ("A02", "x", 1))
    assert read_platemap(content, "map.txt", WELL).wells[TREATMENT].tolist() == [name, "x"]


@pytest.mark.parametrize(
    ("written", "values"),
    [
        (["1", "2"], [1, 2]),
        (["1.5", "-2e3"], [1.5, -2000]),
        (["007", "8"], ["007", "8"]),
        (["1", "10 uM"], ["1", "10 uM"]),
        (["", ""], [None, None]),
    ],
)
def test_columns_of_nothing_but_numbers_are_numbers(written: Sequence[str], values: Sequence[object]) -> None:
    content = rows(HEADER, *((f"A0{number}", "x", text) for number, text in enumerate(written, start=1)))
    assert read_platemap(content, "map.txt", WELL).wells["Metadata_concentration"].tolist() == values


LINE = ("A01", "BRD-1", 1)
WRONG = {
    "well twice": (
        rows(HEADER, LINE, ("A02", "x", 1), LINE),
        "map.txt: Metadata_well_position has 'A01' in lines 2, 4",
    ),
    "well in two forms": (rows(HEADER, ("a1", "x", 1), ("A01", "y", 1)), "'A01' in lines 2, 3"),
    "no well": (rows(HEADER, LINE, ("Q7x", "x", 1)), "map.txt, line 3: 'Q7x' is no well of a plate"),
    "column beyond": (rows(HEADER, ("A49", "x", 1)), "map.txt, line 2: 'A49' is no well"),
    "well left out": (rows(HEADER, LINE, ("", "x", 1)), "map.txt, line 3: '' is no well of a plate"),
    "no column": (rows(("well", "x"), ("A01", 1)), "map.txt, line 1: there is no column 'Metadata_well_position'"),
    "commas": (rows(HEADER, LINE, delimiter=","), "map.txt, line 1: the columns are divided by commas, where tabs are"),
    "semicolons": (rows(HEADER, LINE, delimiter=";"), "divided by semicolons, where tabs are expected"),
    "ragged": (rows(HEADER, LINE, ("A02", "x")), "map.txt, line 3: it has 2 values, the header 3; correct the row"),
    "too long": (rows(HEADER, (*LINE, "y")), "map.txt, line 2: it has 4 values, the header 3"),
    "latin": (
        rows(HEADER, LINE, ("A02", "ü", 1)).decode().encode("latin-1"),
        "map.txt, line 3: it is no text in UTF-8",
    ),
    "empty": (b"", "map.txt is empty"),
    "blank": (b"\n \t \n", "map.txt is empty"),
    "header alone": (rows(HEADER), "map.txt, line 1: there is a header and no row below it"),
    "column twice": (
        rows((*HEADER, "broad_sample"), (*LINE, 1)),
        "map.txt, line 1: column 'broad_sample' is there twice",
    ),
    "with and without prefix": (rows((*HEADER, TREATMENT), (*LINE, 1)), f"column '{TREATMENT}' is there twice"),
    "column without a name": (rows((*HEADER, ""), (*LINE, 1)), "map.txt, line 1: a column has no name"),
    "open quote": (rows(HEADER, ("A01", '"x', 1)), "map.txt, line 2: unexpected end of data; correct the quotes"),
}


@pytest.mark.parametrize(("content", "told"), WRONG.values(), ids=WRONG)
def test_what_is_wrong_with_a_platemap_is_told_by_file_and_line(content: bytes, told: str) -> None:
    with pytest.raises(InvalidTable, match=re.escape(told)):
        read_platemap(content, "map.txt", WELL)


def test_tabs_in_a_csv_are_told() -> None:
    with pytest.raises(
        InvalidTable, match=r"map.csv, line 1: the columns are divided by tabs, where commas are expected"
    ):
        read_platemap(rows(HEADER, LINE), "map.csv", WELL)


def test_many_wells_that_are_there_twice_are_counted() -> None:
    wells = [(f"A{number:02}", "x", 1) for number in range(1, 9)]
    with pytest.raises(InvalidTable, match="'A05' in lines 6, 14 and 3 more"):
        read_platemap(rows(HEADER, *wells, *wells), "map.txt", WELL)


BARCODES = ("Assay_Plate_Barcode", "Plate_Map_Name")


@pytest.mark.parametrize("plate", ["0042", "1e5", "BR1"])
def test_a_plate_is_found_by_its_name_as_it_is_written(plate: str) -> None:
    content = rows(BARCODES, ("42", "no"), ("100000", "no"), (plate, "map 1"), (plate, "map 1"), delimiter=",")
    assert find_platemap_name(content, "barcode_platemap.csv", plate) == "map 1"


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (rows(BARCODES, ("P2", "map"), delimiter=","), "barcodes.csv has no row for plate 'P1'"),
        (rows(BARCODES, ("P1", "a"), ("P1", "b"), delimiter=","), "several platemaps, 'a' in line 2, 'b' in line 3"),
        (rows(BARCODES, ("P1", "a")), "barcodes.csv, line 1: the columns are divided by tabs, where commas are"),
        (rows(("Barcode", "Plate_Map_Name"), ("P1", "a"), delimiter=","), "there is no column 'Assay_Plate_Barcode'"),
        (rows(("Assay_Plate_Barcode", "Map"), ("P1", "a"), delimiter=","), "there is no column 'Plate_Map_Name'"),
        (b"", "barcodes.csv is empty"),
    ],
)
def test_a_plate_whose_platemap_is_not_to_be_found_is_told(content: bytes, told: str) -> None:
    with pytest.raises(InvalidTable, match=re.escape(told)):
        find_platemap_name(content, "barcodes.csv", "P1")


def test_exact_copies_of_a_treatments_row_are_fine() -> None:
    content = rows(("broad_sample", "target"), ("BRD-1", "a"), ("BRD-2", "b"), ("BRD-1", "a"))
    treatments = read_external_metadata(content, "treatments.tsv", TREATMENT)
    assert treatments[TREATMENT].tolist() == ["BRD-1", "BRD-2"]


@pytest.mark.parametrize(
    ("keys", "told"),
    [
        (["BRD-1", "x", "BRD-1"], "'BRD-1' in lines 2, 4"),
        (["", "x", "NA"], "'' in lines 2, 4"),
        (["1", "2", "1.0"], "'1' in lines 2, 4"),
    ],
)
def test_a_treatment_with_two_rows_is_told_by_lines(keys: Sequence[str], told: str) -> None:
    content = rows(("broad_sample", "target"), *((key, f"target {number}") for number, key in enumerate(keys)))
    with pytest.raises(InvalidTable, match=re.escape(f"treatments.tsv: {TREATMENT} has {told}; wells of it would")):
        read_external_metadata(content, "treatments.tsv", TREATMENT)


def test_a_table_of_treatments_without_the_column_is_told() -> None:
    with pytest.raises(InvalidTable, match=f"treatments.tsv, line 1: there is no column '{TREATMENT}'"):
        read_external_metadata(rows(("sample", "target"), ("BRD-1", "a")), "treatments.tsv", TREATMENT)


def test_a_field_that_is_larger_than_any_cell_is_told() -> None:
    with pytest.raises(InvalidTable, match=r"t.txt, line 2: field larger than field limit"):
        read_text_table(rows(("a", "b"), ("x" * 200_000, "y")), "t.txt", "\t")
