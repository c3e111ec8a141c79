"""Which image sets are of a plate, what they are called, and how those of different sets are told apart."""

import zlib
from pathlib import Path

import pytest

from cellpainting.backend.analysis import open_analysis
from cellpainting.backend.ingest import Manner, Target, Tell, ingest
from cellpainting.backend.profile import WELLS
from cellpainting.backend.read_backend import ParquetBackend, aggregate_backend
from cellpainting.errors import InvalidRequest
from cellpainting.storage import FolderStorage
from tests.worker.backend.plates import (
    FIRST,
    HEADERS,
    IMAGE_HEADER,
    PLATE,
    build,
    csv_bytes,
    states,
    write,
    write_and_build,
    write_plate,
    write_set,
)


def write_two_plates(analysis: Path) -> None:
    write(analysis / "x/Image.csv", IMAGE_HEADER, (1, "P1", "A01", 1, 1, 1), (2, "P2", "A01", 1, 2, 2))
    write(analysis / "x/Cells.csv", HEADERS["Cells"], (1, 1, 5, 5, 1), (2, 1, 6, 5, 1), (2, 2, 7, 5, 1))


@pytest.mark.parametrize(("plate", "cells"), [("P1", 1), ("P2", 2)])
def test_each_of_two_plates_in_a_folder_has_its_own_rows(tmp_path: Path, plate: str, cells: int) -> None:
    write_two_plates(tmp_path / "a")
    report, backend = write_and_build(tmp_path / "a", plate=plate)
    assert report.is_complete
    assert states(report) == {f"{plate}-A01-1": "done"}
    table = report.tables["Cells"]
    assert (table.rows_in, table.rows_out, table.rows_of_other_plates) == (cells, cells, 3 - cells)
    assert backend.table("Cells").height == cells


def test_image_number_that_another_plate_has_twice_is_no_matter_of_this_one(analysis: Path) -> None:
    write(analysis / "other/Image.csv", IMAGE_HEADER, (1, "P2", "A01", 1, 0, 0), (1, "P2", "A02", 1, 0, 0))
    report, _ = write_and_build(analysis)
    assert report.is_complete


@pytest.mark.parametrize(
    ("rows", "plate", "message"),
    [
        ([(1, "P1", "A01", 1, 0, 0), (2, "P2", "A01", 1, 0, 0)], None, "names the plates P1, P2; say which one"),
        ([(1, "", "A01", 1, 0, 0)], None, "names no plate: no Image.csv has Metadata_Plate"),
        ([(1, "P1", "A01", 1, 0, 0)], "P9", "has no image set of plate 'P9', it names P1"),
    ],
)
def test_plate_that_is_not_known_is_refused_and_nothing_is_written(
    tmp_path: Path, rows: list[tuple[object, ...]], plate: str | None, message: str
) -> None:
    write(tmp_path / "a/x/Image.csv", IMAGE_HEADER, *rows)
    with pytest.raises(InvalidRequest, match=message):
        build(tmp_path / "a", tmp_path / "out", plate)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("plate", ["../elsewhere", "/elsewhere", "a/b", ".."])
def test_plate_whose_name_leads_elsewhere_is_refused(tmp_path: Path, plate: str) -> None:
    write(tmp_path / "analysis" / FIRST / "Image.csv", IMAGE_HEADER, (1, plate, "A01", 1, 0, 0))
    with pytest.raises(InvalidRequest, match="Metadata_Plate"):
        ingest(
            open_analysis(FolderStorage(tmp_path / "analysis"), ""),
            Target(FolderStorage(tmp_path / "backend"), "", "", None),
            Manner(),
            Tell(),
        )
    assert not (tmp_path / "backend").exists()


def test_plate_that_is_named_as_a_table_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidRequest, match="has the name of a table"):
        build(write_plate(tmp_path / "a", plate="Cells"), tmp_path / "out", "Cells")


def test_plate_without_a_name_has_the_one_that_is_given(tmp_path: Path) -> None:
    write(tmp_path / "a/x/Image.csv", ("ImageNumber", "Metadata_Well"), (1, "A01"))
    report, backend = write_and_build(tmp_path / "a", plate="Named")
    assert report.is_complete
    assert backend.table("Image")["Metadata_Plate"].to_list() == ["Named"]
    assert backend.profile["Metadata_Plate"].to_list() == ["Named"]


@pytest.mark.parametrize(("plate", "written"), [("0042", "42"), ("1e5", "100000.0")])
def test_plate_that_load_data_takes_for_a_number_keeps_its_name(tmp_path: Path, plate: str, written: str) -> None:
    report, backend = write_and_build(write_plate(tmp_path / "a", plate=written), plate=plate)
    assert states(report) == {f"{plate}-A01-1": "done", f"{plate}-A02-1": "done"}
    assert backend.table("Image")["Metadata_Plate"].to_list() == [plate, plate]
    assert backend.profile["Metadata_Plate"].to_list() == [plate, plate]
    assert aggregate_backend(ParquetBackend(backend.folder), "mean", WELLS).equals(backend.profile)


def test_plate_that_is_there_by_its_own_name_is_no_other_that_is_the_same_number(tmp_path: Path) -> None:
    write(tmp_path / "a/x/Image.csv", IMAGE_HEADER, (1, "0042", "A01", 1, 0, 0), (2, "42", "A02", 1, 0, 0))
    report, _ = write_and_build(tmp_path / "a", plate="0042")
    assert states(report) == {"0042-A01-1": "no_cells"}


def test_well_of_row_and_column_has_a_name(tmp_path: Path) -> None:
    header = ("ImageNumber", "Metadata_Plate", "Metadata_WellRow", "Metadata_WellCol")
    write(tmp_path / "a/x/Image.csv", header, (1, PLATE, "B", "3"))
    _, backend = write_and_build(tmp_path / "a")
    assert backend.table("Image")["Metadata_Well"].to_list() == ["B03"]
    assert backend.profile["Metadata_Well"].to_list() == ["B03"]
    assert aggregate_backend(ParquetBackend(backend.folder), "mean", WELLS).equals(backend.profile)


def test_image_sets_without_a_well_are_kept(tmp_path: Path) -> None:
    write(tmp_path / "a/x/Image.csv", ("ImageNumber", "Metadata_Plate"), (1, PLATE), (2, PLATE))
    write(tmp_path / "a/x/Cells.csv", HEADERS["Cells"], (1, 1, 5, 5, 1), (2, 1, 6, 5, 1))
    report, backend = write_and_build(tmp_path / "a")
    assert report.is_complete
    assert len(report.outcomes) == 2
    assert backend.profile["Cells_AreaShape_Area"].to_list() == [5.5]


def twin(content: bytes, filler: bytes) -> bytes:
    """Another text with the CRC-32 of this one: some letters of its filler are `b`. What each letter changes adds up by
    exclusive or, and of 40 such changes some come to nothing together.
    """
    start, crc = content.index(filler), zlib.crc32(content)
    known: dict[int, tuple[int, frozenset[int]]] = {}  # by highest bit: a change, and the letters that make it
    for at in range(start, start + len(filler)):
        change, letters = zlib.crc32(content[:at] + b"b" + content[at + 1 :]) ^ crc, frozenset({at})
        while change and change.bit_length() in known:
            other, more = known[change.bit_length()]
            change, letters = change ^ other, letters ^ more
        if not change:
            return bytes(ord("b") if at in letters else byte for at, byte in enumerate(content))
        known[change.bit_length()] = (change, letters)
    raise AssertionError("40 changes of 32 bits")


def test_images_with_the_same_crc_have_numbers_of_their_own(tmp_path: Path) -> None:
    filler = "a" * 40
    first = csv_bytes(IMAGE_HEADER, (1, PLATE, "A01", filler, 2, 2))
    second = twin(first, filler.encode())
    assert first != second
    assert zlib.crc32(first) == zlib.crc32(second)
    for name, content in (("one", first), ("two", second)):
        write_set(tmp_path / "a" / name)
        (tmp_path / "a" / name / "Image.csv").write_bytes(content)
    report, backend = write_and_build(tmp_path / "a")
    assert report.is_complete
    assert [one.file for one in report.oddities] == ["two/Image.csv"]
    numbers = {zlib.crc32(first), zlib.crc32(first) + 1}
    assert set(backend.table("Image")["TableNumber"]) == set(backend.table("Cells")["TableNumber"]) == numbers


@pytest.mark.parametrize("well", ["A01", "A02"])
def test_flagged_image_set_with_fewer_columns_is_a_row_of_its_own_be_it_the_first_or_the_last(
    analysis: Path, well: str
) -> None:
    folder = analysis / f"{PLATE}-{well}-1"
    write(folder / "Image.csv", IMAGE_HEADER[:4], (1, PLATE, well, 1))
    for name in ("Cells", "Cytoplasm", "Nuclei"):
        (folder / f"{name}.csv").unlink()
    report, backend = write_and_build(analysis)
    assert report.is_complete
    assert states(report)[f"{PLATE}-{well}-1"] == "no_cells"
    assert [(one.table, one.columns, one.lacking) for one in report.differences] == [("Image", IMAGE_HEADER[4:], 1)]
    images = backend.table("Image")
    assert images.columns == ["TableNumber", *IMAGE_HEADER]
    counts = dict(zip(images["Metadata_Well"], images["Count_Cells"], strict=True))
    assert counts == {"A01": 2.0, "A02": 2.0} | {well: None}
