"""Each kind of broken file by itself: it is named with its reason, and all else is in the backend."""

import csv
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest

from cellpainting.backend import batch, csv_blocks, pieces
from cellpainting.backend.analysis import open_analysis
from cellpainting.backend.ingest import Manner, Target, Tell, ingest
from cellpainting.backend.profile import WELLS
from cellpainting.backend.read_backend import ParquetBackend, aggregate_backend
from cellpainting.storage import FolderStorage
from tests.worker.backend.plates import (
    COMPARTMENTS,
    FIRST,
    HEADERS,
    IMAGE_HEADER,
    PLATE,
    Backend,
    area,
    build,
    copied,
    csv_bytes,
    object_rows,
    states,
    write,
    write_and_build,
    write_set,
)

CELLS = csv_bytes(*object_rows("Cells", "A01", 2))
HEADER, ROW_1, ROW_2, _ = CELLS.split(b"\r\n")
BAD = b"\r\n".join


BROKEN = {
    "empty": (b"", "it is empty, without even a header", 0),
    "blank": (b"\r\n \r\n", "it is empty, without even a header", 0),
    "cut in a row": (CELLS[:-8], "row 2 has 3 fields, the header has 5", 2),
    "too many fields": (BAD([HEADER, ROW_1 + b",7", ROW_2, b""]), "row 1 has 6 fields, the header has 5", 2),
    "short and long": (BAD([HEADER, ROW_1 + b",7", ROW_2[:-2], b""]), "row 1 has 6 fields, the header has 5", 2),
    "not UTF-8": (CELLS.replace(b"111.125", b"111\xe9125"), "it is not UTF-8 text: byte", 2),
    "NUL bytes": (CELLS + b"\0" * 16, "it has NUL bytes", 3),
    "column twice": (
        CELLS.replace(b"Parent_Nuclei", b"AreaShape_Area"),
        "names Cells_AreaShape_Area more than once",
        2,
    ),
    "no ImageNumber": (CELLS.replace(b"ImageNumber", b"Number"), "its header has no column ImageNumber", 2),
    "no ObjectNumber": (CELLS.replace(b"ObjectNumber", b"Number"), "its header has no column ObjectNumber", 2),
    "key that is text": (CELLS.replace(b"\n1,2,", b"\n1,two,"), "its ObjectNumber is not always a number", 2),
    "old line ends": (CELLS.replace(b"\r\n", b"\r"), "a carriage return without a line feed", 2),
    "open quote": (CELLS.replace(b",1\r\n1,2", b',"1\r\n1,2'), "row 1 cannot be read", 2),
    "line of spaces": (CELLS + b"  \r\n", "row 3 has 1 fields, the header has 5", 2),
}


@pytest.mark.parametrize("kind", BROKEN)
def test_file_is_left_out_by_name_and_reason_and_the_rest_is_kept(analysis: Path, kind: str) -> None:
    content, reason, rows = BROKEN[kind]
    (analysis / FIRST / "Cells.csv").write_bytes(content)
    report, backend = write_and_build(analysis)
    (rejection,) = report.rejections
    assert (rejection.file, rejection.rows) == (f"{FIRST}/Cells.csv", rows)
    assert reason in rejection.reason
    assert states(report) == {"P1-A01-1": "input_damaged", "P1-A02-1": "done"}
    assert not report.is_complete
    assert backend.table("Image").height == 2
    assert [backend.table(name).height for name in COMPARTMENTS] == [2, 4, 4]
    assert report.tables["Cells"].rows_in == report.tables["Cells"].rows_out + rows
    assert aggregate_backend(ParquetBackend(backend.folder), "mean", WELLS).equals(backend.profile)


WHOLE = {
    "byte order mark": b"\xef\xbb\xbf" + CELLS,
    "blank lines": BAD([HEADER, b"", ROW_1, b"", b"", ROW_2, b"", b""]),
    "no line end": CELLS.removesuffix(b"\r\n"),
    "Unix line ends": CELLS.replace(b"\r\n", b"\n"),
    "quotes": CELLS.replace(b"111.125", b'"111.125"'),
}


@pytest.mark.parametrize("kind", WHOLE)
def test_file_that_is_unusual_and_whole_is_taken(analysis: Path, kind: str) -> None:
    (analysis / FIRST / "Cells.csv").write_bytes(WHOLE[kind])
    report, backend = write_and_build(analysis)
    assert report.is_complete
    sizes = [area("Cells", well, number, cell) for number, well in ((1, "A01"), (2, "A02")) for cell in (1, 2)]
    assert backend.table("Cells")["Cells_AreaShape_Area"].to_list() == sizes
    assert [one.problem for one in report.oddities] == [batch.CUT] * (kind == "no line end")


@pytest.mark.parametrize("content", [b"\xef\xbb\xbf", b""])
def test_images_with_a_byte_order_mark_keep_the_number_of_their_bytes(analysis: Path, content: bytes) -> None:
    path = analysis / FIRST / "Image.csv"
    path.write_bytes(content + path.read_bytes())
    report, backend = write_and_build(analysis)
    assert report.is_complete
    assert zlib.crc32(path.read_bytes()) in backend.table("Image")["TableNumber"].to_list()


def test_file_cut_between_two_rows_is_found_by_the_count_of_cells(analysis: Path) -> None:
    (analysis / FIRST / "Cells.csv").write_bytes(BAD([HEADER, ROW_1, b""]))
    report, backend = write_and_build(analysis)
    assert report.problems == [f"{FIRST}/Cells.csv: it has 1 rows of ImageNumber 1, Image.csv counts 2"]
    assert states(report)["P1-A01-1"] == "input_damaged"
    assert backend.table("Cells").height == 3


def test_orphan_in_the_same_file_does_not_hide_that_rows_are_missing(analysis: Path) -> None:
    write(analysis / FIRST / "Cells.csv", HEADERS["Cells"], (1, 1, 5, 5, 1), (99, 1, 5, 5, 1))
    report, _ = write_and_build(analysis)
    assert {one.reason for one in report.rejections} == {
        "ImageNumber 99: Image.csv has no such ImageNumber",
        "it has 1 rows of ImageNumber 1, Image.csv counts 2",
    }
    assert states(report)["P1-A01-1"] == "input_damaged"


def test_compartment_that_is_missing_is_named_only_where_cells_were_counted(analysis: Path) -> None:
    write_set(analysis / "empty", "A03", cells=0, number=3)
    (analysis / FIRST / "Cells.csv").unlink()
    (analysis / "empty" / "Cells.csv").unlink()
    report, backend = write_and_build(analysis)
    assert [one.file for one in report.rejections] == [f"{FIRST}/Cells.csv"]
    assert states(report) == {"P1-A01-1": "input_damaged", "P1-A02-1": "done", "P1-A03-1": "no_cells"}
    assert backend.profile["Metadata_Object_Count"].to_list() == [0, 2, 0]


def test_compartment_with_nothing_but_a_header_is_a_well_without_cells(analysis: Path) -> None:
    write_set(analysis / "empty", "A03", cells=0, number=3)
    report, backend = write_and_build(analysis)
    assert report.is_complete
    assert states(report)["P1-A03-1"] == "no_cells"
    assert backend.profile.row(2, named=True)["Cells_AreaShape_Area"] is None


IMAGES: dict[str, tuple[Callable[[Path], object], str]] = {
    "missing": (Path.unlink, "its folder has no Image.csv"),
    "empty": (lambda path: path.write_bytes(b""), "it is empty"),
    "only a header": (lambda path: write(path, IMAGE_HEADER), "Image.csv has a header and no image set"),
    "number is text": (lambda path: write(path, IMAGE_HEADER, ("one", "P1", "A01", 1, 2, 2)), "ImageNumber is 'one'"),
    "number is huge": (lambda path: write(path, IMAGE_HEADER, ("1e30", "P1", "A01", 1, 2, 2)), "ImageNumber is '1e30'"),
    "wild return": (lambda path: path.write_bytes(path.read_bytes().replace(b"A01", b"A\r01")), "row 1 has 3 fields"),
    "quote inside": (
        lambda path: path.write_bytes(path.read_bytes().replace(b"A01", b'"A"01')),
        "row 1 cannot be read",
    ),
    "own column": (
        lambda path: write(path, (*IMAGE_HEADER, "TableNumber"), (1, "P1", "A01", 1, 2, 2, 7)),
        "TableNumber",
    ),
}


@pytest.mark.parametrize("kind", IMAGES)
def test_folder_whose_images_nobody_knows_is_left_out_with_all_its_files(analysis: Path, kind: str) -> None:
    breaks, reason = IMAGES[kind]
    breaks(analysis / FIRST / "Image.csv")
    report, backend = write_and_build(analysis)
    assert {one.file for one in report.rejections} >= {f"{FIRST}/{name}.csv" for name in COMPARTMENTS}
    assert all(reason in one.reason for one in report.rejections)
    assert states(report) == {FIRST: "input_damaged", "P1-A02-1": "done"}
    assert [backend.table(name).height for name in COMPARTMENTS] == [2, 2, 2]
    assert all(table.rows_in == table.rows_out + table.rows_rejected for table in report.tables.values())


def test_copy_of_a_folder_is_taken_once(analysis: Path) -> None:
    copied(analysis / FIRST, analysis / "z-copy")
    report, backend = write_and_build(analysis)
    assert {one.reason for one in report.rejections} == {f"the image set P1-A01-1 is in {FIRST}, too"}
    assert {one.file.partition("/")[0] for one in report.rejections} == {"z-copy"}
    assert states(report) == {"P1-A01-1": "done", "P1-A02-1": "done"}
    assert not report.is_complete
    assert backend.table("Cells").height == 4


def test_site_that_was_measured_twice_is_that_of_the_first_folder(analysis: Path) -> None:
    write_set(analysis / "z-again", "A01", cells=5, number=7)
    report, backend = write_and_build(analysis)
    assert sum(one.rows for one in report.rejections) == 1 + 3 * 5
    assert backend.table("Cells").height == 4


def test_sites_that_only_their_files_tell_apart_are_not_copies(analysis: Path) -> None:
    header = ("ImageNumber", "Metadata_Plate", "Metadata_Well", "FileName_DNA")
    write(analysis / "one/Image.csv", header, (1, PLATE, "B01", "s1.tif"), (2, PLATE, "B01", "s2.tif"))
    write(analysis / "two/Image.csv", header, (3, PLATE, "B01", "s3.tif"))
    report, backend = write_and_build(analysis)
    assert report.is_complete
    assert backend.table("Image").height == 5


def test_object_that_is_there_twice_is_taken_once(analysis: Path) -> None:
    (analysis / FIRST / "Cells.csv").write_bytes(BAD([HEADER, ROW_1, ROW_2, ROW_2, b""]))
    report, backend = write_and_build(analysis)
    assert report.problems == [f"{FIRST}/Cells.csv: ImageNumber 1: it is there more than once (1 rows)"]
    assert backend.table("Cells").height == 4


def test_object_without_a_number_is_left_out_and_no_image_set_is_the_worse_for_it(analysis: Path) -> None:
    (analysis / FIRST / "Cells.csv").write_bytes(BAD([HEADER, ROW_1, ROW_2, b"nan,3,1,1,1", b"1.5,3,1,1,1", b""]))
    report, backend = write_and_build(analysis)
    assert report.problems == [f"{FIRST}/Cells.csv: it has no whole ImageNumber or ObjectNumber (2 rows)"]
    assert states(report)["P1-A01-1"] == "done"
    assert backend.table("Cells").height == 4


def test_image_number_that_is_there_twice_is_taken_once(analysis: Path) -> None:
    row = (1, PLATE, "A01", 1, 2, 2)
    write(analysis / FIRST / "Image.csv", IMAGE_HEADER, row, row)
    report, backend = write_and_build(analysis)
    assert report.problems == [f"{FIRST}/Image.csv: ImageNumber 1: Image.csv has ImageNumber 1 more than once (1 rows)"]
    assert backend.table("Image").height == 2


def test_names_that_differ_by_case_are_not_mixed(analysis: Path) -> None:
    write(analysis / FIRST / "cells.csv", *object_rows("Cells", "A01", 5))
    report, backend = write_and_build(analysis)
    assert report.problems == [f"{FIRST}/cells.csv: {batch.SURPLUS} (5 rows)"]
    table = report.tables["Cells"]
    assert (table.rows_in, table.rows_out, table.rows_rejected) == (9, 4, 5)
    assert backend.table("Image").height == 2


def write_combined(path: Path, number: int, *extra: tuple[str, object]) -> None:
    """CellProfiler's CSV of cells and nuclei side by side: two cells, one nucleus."""
    names = [name for name, _ in extra]
    write(
        path,
        ("Image", *("Image" for _ in names), "Cells", "Cells", "Nuclei", "Nuclei"),
        ("ImageNumber", *names, "Number_Object_Number", "AreaShape_Area", "Number_Object_Number", "AreaShape_Area"),
        (number, *(value for _, value in extra), 1, 11, 1, 12),
        (number, *(value for _, value in extra), 2, 13, "", ""),
    )


def test_combined_file_has_its_tables_and_others_beside_it_are_left_out(analysis: Path) -> None:
    write_combined(analysis / FIRST / "object.csv", 1)
    report, backend = write_and_build(analysis)
    assert {one.file for one in report.rejections if one.rows} == {f"{FIRST}/Cells.csv", f"{FIRST}/Nuclei.csv"}
    assert sorted(backend.table("Cells")["Cells_AreaShape_Area"].to_list())[:2] == [11, 13]
    assert backend.table("Nuclei").height == 3


def test_combined_file_with_one_name_for_two_columns_is_left_out(analysis: Path) -> None:
    write_combined(analysis / FIRST / "object.csv", 1, ("AreaShape_Area", 7))
    report, _ = write_and_build(analysis)
    reasons = {one.file: one.reason for one in report.rejections}
    assert reasons == {f"{FIRST}/object.csv": "its header names Cells_AreaShape_Area for images and for objects"}


def test_plate_that_is_not_a_number_is_no_plate(analysis: Path) -> None:
    write(analysis / FIRST / "Image.csv", IMAGE_HEADER, (1, "NAN", "A01", 1, 2, 2))
    report, backend = write_and_build(analysis)
    assert report.is_complete
    assert backend.table("Image")["Metadata_Plate"].to_list() == [PLATE, PLATE]


def test_text_in_an_image_column_of_a_combined_file_is_text(analysis: Path) -> None:
    for number, well in ((1, "A01"), (2, "A02")):
        folder = analysis / f"{PLATE}-{well}-1"
        for name in ("Cells", "Nuclei"):
            (folder / f"{name}.csv").unlink()
        write_combined(folder / "object.csv", number, ("Quality", "bad" if number == 1 else "1.5"))
    report, backend = write_and_build(analysis)
    assert backend.table("Cells")["Cells_Quality"].to_list() == ["bad", "bad", "1.5", "1.5"]
    assert any("Cells_Quality is text" in problem for problem in report.problems)


def test_text_among_numbers_keeps_every_value_and_is_told(analysis: Path) -> None:
    write(analysis / FIRST / "Cells.csv", HEADERS["Cells"], (1, 1, "large", 5, 1), (1, 2, "2.5", 5, 1))
    report, backend = write_and_build(analysis)
    assert backend.table("Cells")["Cells_AreaShape_Area"].to_list()[:2] == ["large", "2.5"]
    assert (
        "column Cells_AreaShape_Area is text, and in no profile: 1 sets have text, such as 'large'"
        in (report.problems[0])
    )
    assert "Cells_AreaShape_Area" not in backend.profile.columns
    assert "Nuclei_AreaShape_Area" in backend.profile.columns


def test_text_of_another_plate_is_no_reason_to_leave_a_column_out(analysis: Path) -> None:
    header = (*IMAGE_HEADER, "Granularity_1_DNA")
    write(analysis / FIRST / "Image.csv", header, (1, PLATE, "A01", 1, 2, 2, 5.5))
    write(analysis / "other/Image.csv", header, (1, "P2", "A01", 1, 2, 2, "bad"))
    report, backend = write_and_build(analysis)
    assert report.is_complete
    assert backend.profile["Image_Granularity_1_DNA"].to_list() == [5.5, None]


def test_metadata_may_have_commas_quotes_and_line_ends(analysis: Path) -> None:
    note = 'two, "cells"\r\n\r\nand 5" more'
    write(analysis / FIRST / "Image.csv", (*IMAGE_HEADER, "Metadata_Note"), (1, PLATE, "A01", 1, 2, 2, note))
    report, backend = write_and_build(analysis)
    assert report.is_complete
    assert backend.table("Image")["Metadata_Note"].to_list() == [note, None]
    assert backend.in_sqlite("SELECT Metadata_Note FROM Image") == [(note,), (None,)]


def test_experiment_that_is_broken_is_odd_and_no_more(analysis: Path) -> None:
    (analysis / FIRST / "Experiment.csv").write_bytes(b"Key,Value\r\nonly\r\n")
    write(analysis / f"{PLATE}-A02-1/Experiment.csv", ("Key", "Value"), ("CellProfiler_Version", "4.2.8"))
    report, backend = write_and_build(analysis)
    assert report.is_complete
    assert [one.file for one in report.oddities] == [f"{FIRST}/Experiment.csv"]
    assert backend.table("Experiment")["Value"].to_list() == ["4.2.8"]


def test_pipeline_of_any_length_is_kept_and_other_tables_keep_their_limit(analysis: Path) -> None:
    usual, pipeline = csv.field_size_limit(), "LoadData" * 100_000
    write(analysis / FIRST / "Experiment.csv", ("Key", "Value"), ("Pipeline_Pipeline", pipeline))
    report, backend = write_and_build(analysis)
    assert report.is_complete
    assert backend.table("Experiment")["Value"].to_list() == [pipeline]
    assert csv.field_size_limit() == usual


def test_relationships_are_left_out_and_named(analysis: Path) -> None:
    write(analysis / FIRST / "Object relationships.csv", ("Module", "First"), ("x", 1))
    report, _ = write_and_build(analysis)
    assert report.is_complete
    assert report.left_out == (f"{FIRST}/Object relationships.csv",)


def test_csv_that_is_nowhere_a_table_of_objects_is_left_out_and_no_image_set_is_the_worse_for_it(
    analysis: Path,
) -> None:
    write(analysis / FIRST / "notes.csv", ("who", "what"), ("me", "looked at it"))
    report, _ = write_and_build(analysis)
    assert report.is_complete
    assert report.left_out == (f"{FIRST}/notes.csv",)
    assert "Notes" not in report.tables


def test_csv_that_is_a_table_of_objects_elsewhere_is_damaged(analysis: Path) -> None:
    write(analysis / FIRST / "Nuclei.csv", ("who", "what"), ("me", "looked at it"))
    report, _ = write_and_build(analysis)
    assert not report.is_complete
    assert "neither ImageNumber nor ObjectNumber" in report.problems[0]


def test_prefix_of_all_files_of_a_folder_is_no_part_of_their_names(analysis: Path) -> None:
    for path in (analysis / FIRST).iterdir():
        path.rename(path.with_name(f"MyExpt_{path.name}"))
    report, backend = write_and_build(analysis)
    assert report.is_complete
    assert set(backend.tables()) == {"Image", *COMPARTMENTS}


def test_more_columns_than_sqlite_has_room_for_are_in_parquet_and_in_the_profile(analysis: Path) -> None:
    names = [f"Feature_{number}" for number in range(2000)]
    write(
        analysis / FIRST / "Cells.csv",
        ("ImageNumber", "ObjectNumber", *names),
        (1, 1, *names_to_numbers(names)),
        (1, 2, *names_to_numbers(names)),
    )
    report, backend = write_and_build(analysis)
    assert len(report.refusals) == 1
    assert "no SQLite: Cells has 2006 columns, and a table of SQLite at most 2000" in report.refusals[0]
    assert not report.is_complete
    assert not backend.sqlite.exists()
    assert backend.table("Cells").width == 2006
    assert backend.profile["Cells_Feature_1999"].to_list() == [1999, None]


def names_to_numbers(names: list[str]) -> list[int]:
    return [int(name.rpartition("_")[2]) for name in names]


def test_columns_that_differ_by_case_are_in_parquet_alone(analysis: Path) -> None:
    write(analysis / FIRST / "Cells.csv", ("ImageNumber", "ObjectNumber", "X", "x"), (1, 1, 2, 3), (1, 2, 2, 3))
    report, backend = write_and_build(analysis)
    assert "no SQLite: the columns Cells_X, Cells_x of Cells differ in nothing but their case" in report.refusals[0]
    assert backend.table("Cells")["Cells_x"].to_list() == [3, 3, None, None]


def test_table_that_was_asked_for_and_is_nowhere_is_told(analysis: Path) -> None:
    report, _ = write_and_build(analysis, compartments=("Cells", "Vacuoles"))
    assert report.refusals == ("no Vacuoles: no image set of the plate has a file of it",)
    assert "Nuclei" not in report.tables


@pytest.mark.parametrize("name", ["Cells.csv", "Image.csv"])
@pytest.mark.parametrize("is_deleted", [True, False])
def test_file_that_changes_after_it_was_listed_is_left_out(analysis: Path, name: str, is_deleted: bool) -> None:
    found = open_analysis(FolderStorage(analysis), "")
    path = analysis / FIRST / name

    def change(done: int, total: int) -> None:
        """After the images are known, and before anything else is read."""
        if done == total and path.exists():
            path.unlink() if is_deleted else path.write_bytes(path.read_bytes() + b"1,9,9,9,9\r\n")

    target = Target(FolderStorage(analysis.parent / "out"), "", "", PLATE)
    report = ingest(found, target, Manner(), Tell(index=change))
    assert states(report) == {"P1-A01-1": "input_damaged", "P1-A02-1": "done"}
    assert f"{FIRST}/{name}" in {one.file for one in report.rejections}
    backend = ParquetBackend(analysis.parent / "out" / PLATE)
    images = {key for rows in backend.rows(backend.tables()["Image"], ("TableNumber",)) for key in rows["TableNumber"]}
    cells = {key for rows in backend.rows(backend.tables()["Cells"], ("TableNumber",)) for key in rows["TableNumber"]}
    assert cells <= images
    assert aggregate_backend(backend, "mean")["Metadata_Object_Count"].sum() == 2


def test_file_larger_than_a_block_is_the_same_in_blocks(analysis: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(analysis / FIRST / "Cells.csv", *object_rows("Cells", "A01", 200))
    write(analysis / FIRST / "Image.csv", IMAGE_HEADER, (1, PLATE, "A01", 1, 200, 2))
    _, whole = write_and_build(analysis)
    for module in (batch, csv_blocks):
        monkeypatch.setattr(module, "BLOCK", 700)
    monkeypatch.setattr(pieces, "BATCH_BYTES", 500)  # less than a block, as it is
    report = build(analysis, analysis.parent / "blocks", force=True)
    assert report.is_complete
    in_blocks = Backend(analysis.parent / "blocks" / PLATE)
    assert all(table.equals(in_blocks.table(name)) for name, table in whole.tables().items())
    assert in_blocks.profile.equals(whole.profile)


def test_object_that_is_in_two_blocks_of_a_large_file_is_taken_once(
    analysis: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(analysis / FIRST / "Image.csv", IMAGE_HEADER, (1, PLATE, "A01", 1, 40, 2))
    header, *rows = object_rows("Cells", "A01", 40)
    write(analysis / FIRST / "Cells.csv", header, *rows, *rows[:2])
    for module in (batch, csv_blocks):
        monkeypatch.setattr(module, "BLOCK", 300)
    report, backend = write_and_build(analysis)
    assert report.problems == [f"{FIRST}/Cells.csv: ImageNumber 1: it is there more than once (2 rows)"]
    assert backend.table("Cells").height == 42


def test_infinite_values_are_no_warning_and_no_number(analysis: Path) -> None:
    write(analysis / FIRST / "Cells.csv", HEADERS["Cells"], (1, 1, "inf", 5, 1), (1, 2, "-inf", 5, 1))
    report, backend = write_and_build(analysis)
    assert report.is_complete
    assert backend.profile["Cells_AreaShape_Area"].to_list()[0] is None
