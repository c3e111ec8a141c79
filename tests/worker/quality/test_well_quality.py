"""Image quality per well: every flag has the value it is based on, and what was not measured is not called good."""

import sqlite3
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from cellpainting.backend.read_backend import Backend, open_backend
from cellpainting.quality.well_quality import PlateQuality, WellQuality, plate_quality
from tests.conftest import REPOSITORY
from tests.worker.backend.plates import build

REAL = REPOSITORY.parent / "shared" / "data" / "analysis_csv"
SATURATION, SLOPE = "ImageQuality_PercentMaximal_OrigDNA", "ImageQuality_PowerLogLogSlope_OrigDNA"
Rows = Sequence[Mapping[str, Any]]
Open = Callable[[Rows], Backend]


def site(well: str | None, number: int = 1, **measured: object) -> dict[str, Any]:
    """One image set; the best that can be measured, unless something else is said."""
    usual = {"Count_Cells": 100.0, SATURATION: 0.0001, SLOPE: -2.0 + 0.01 * (number % 3)}
    return {"Metadata_Plate": "P1", "Metadata_Well": well, "Metadata_Site": str(number), **usual, **measured}


def plate_of(wells: int = 12, sites: int = 3) -> list[dict[str, Any]]:
    """A plate with nothing wrong."""
    return [site(f"A{well:02}", number) for well in range(1, wells + 1) for number in range(1, sites + 1)]


def without(rows: Rows, *names: str) -> list[dict[str, Any]]:
    return [{name: value for name, value in row.items() if name not in names} for row in rows]


@pytest.fixture(params=["parquet", "sqlite"])
def opened(request: pytest.FixtureRequest, tmp_path: Path) -> Open:
    """Makes a backend of rows of image sets, in either form."""

    def make(rows: Rows) -> Backend:
        frame = pl.DataFrame(rows, infer_schema_length=None).with_row_index("ImageNumber", offset=1)
        table = frame.with_columns(pl.lit(1).alias("TableNumber"))
        folder = tmp_path / str(len([*tmp_path.iterdir()]))
        folder.mkdir()
        if request.param == "parquet":
            table.write_parquet(folder / "Image.parquet")
            return open_backend(folder)
        path = folder / "P1.sqlite"
        kinds = [f'"{name}" {"TEXT" if kind == pl.String else "REAL"}' for name, kind in table.schema.items()]
        with closing(sqlite3.connect(path)) as connection, connection:
            connection.execute(f"CREATE TABLE Image ({', '.join(kinds)})")
            connection.executemany(f"INSERT INTO Image VALUES ({', '.join('?' * table.width)})", table.rows())  # noqa: S608
        return open_backend(path)

    return make


def wells(quality: PlateQuality) -> dict[str, WellQuality]:
    return {one.well: one for one in quality.wells}


def test_a_good_plate_has_no_flags_and_no_remarks(opened: Open) -> None:
    quality = plate_quality(opened(plate_of()), "P1")
    assert (quality.plate, quality.channels, quality.remarks) == ("P1", ("OrigDNA",), ())
    assert len(quality.wells) == 12
    assert {(one.sites, one.cells, one.flags, one.not_known) for one in quality.wells} == {(3, 300, (), ())}


def test_a_well_is_saturated_by_its_worst_site_and_channel(opened: Open) -> None:
    rows = [{**row, "ImageQuality_PercentMaximal_OrigER": 0.5} for row in plate_of()]
    rows[4]["ImageQuality_PercentMaximal_OrigER"] = 1.5
    rows[7][SATURATION] = 1.0  # not more than the threshold
    found = wells(plate_quality(opened(rows), "P1"))
    assert (found["A02"].flags, found["A02"].saturation, found["A02"].saturated_channel) == (
        ("saturated",),
        1.5,
        "OrigER",
    )
    assert (found["A03"].flags, found["A03"].saturation, found["A03"].saturated_channel) == ((), 1.0, "OrigDNA")


def test_a_well_is_blurred_far_below_the_slopes_of_its_plate(opened: Open) -> None:
    rows = [{**row, "ImageQuality_PowerLogLogSlope_OrigER": row[SLOPE]} for row in plate_of()]
    slopes = np.array([row[SLOPE] for row in rows])
    deviation = 1.4826 * float(np.median(np.abs(slopes - np.median(slopes))))
    median = float(np.median(slopes))
    rows[4]["ImageQuality_PowerLogLogSlope_OrigER"] = median - 5.01 * deviation
    rows[7][SLOPE] = median - 4.99 * deviation
    rows[10][SLOPE] = median + 50 * deviation  # sharper than others
    found = wells(plate_quality(opened(rows), "P1"))
    assert (found["A02"].flags, found["A02"].blurred_channel) == (("blurred",), "OrigER")
    assert found["A02"].slope_deviation == pytest.approx(-5.01)
    assert found["A03"].flags == ()
    assert found["A03"].slope_deviation == pytest.approx(-4.99)
    assert found["A04"].flags == ()


@pytest.mark.parametrize("count", [0.0, 4.9])
def test_a_well_without_cells_or_next_to_none_is_empty(opened: Open, count: float) -> None:
    rows = plate_of()
    for row in rows[3:6]:
        row["Count_Cells"] = count
    found = wells(plate_quality(opened(rows), "P1"))
    assert found["A02"].flags == ("empty",)
    assert {one.flags for well, one in found.items() if well != "A02"} == {()}


def test_a_well_that_lost_sites_is_not_empty_for_that(opened: Open) -> None:
    rows = [site("B01"), *plate_of(sites=40)]
    found = wells(plate_quality(opened(rows), "P1"))
    assert (found["B01"].cells, found["B01"].sites, found["B01"].flags) == (100, 1, ())


def test_a_plate_without_any_cells_is_empty_all_over(opened: Open) -> None:
    rows = [{**row, "Count_Cells": 0.0} for row in plate_of()]
    assert {one.flags for one in plate_quality(opened(rows), "P1").wells} == {("empty",)}


def test_without_measurements_of_image_quality_nothing_is_called_good(opened: Open) -> None:
    quality = plate_quality(opened(without(plate_of(), SATURATION, SLOPE)), "P1")
    assert quality.channels == ()
    assert {one.not_known for one in quality.wells} == {("saturated", "blurred")}
    (remark,) = quality.remarks
    assert "did not measure image quality (MeasureImageQuality)" in remark


def test_flags_that_want_one_measurement_are_not_known_without_it(opened: Open) -> None:
    quality = plate_quality(opened(without(plate_of(), SLOPE, "Count_Cells")), "P1")
    assert {(one.flags, one.not_known, one.cells) for one in quality.wells} == {((), ("blurred", "empty"), None)}
    assert [remark.split(":")[0] for remark in quality.remarks] == [
        "Whether they are blurred is not known of 12 of 12 wells",
        "Whether they are empty is not known of 12 of 12 wells",
    ]


@pytest.mark.parametrize("rows", [plate_of(wells=7), [{**row, SLOPE: -2.0} for row in plate_of()]])
def test_blur_is_not_known_with_few_wells_or_slopes_that_do_not_vary(opened: Open, rows: Rows) -> None:
    quality = plate_quality(opened(rows), "P1")
    assert {(one.slope_deviation, one.not_known) for one in quality.wells} == {(None, ("blurred",))}


def test_original_images_count_where_there_are_some_and_illumination_never(opened: Open) -> None:
    odd = {"ImageQuality_PercentMaximal_IllumDNA": 60.0, "ImageQuality_PercentMaximal_CorrDNA": 50.0}
    rows = [{**row, **odd} for row in plate_of()]
    assert plate_quality(opened(rows), "P1").channels == ("OrigDNA",)
    corrected = plate_quality(opened(without(rows, SATURATION, SLOPE)), "P1")
    assert corrected.channels == ("CorrDNA",)
    assert {one.saturation for one in corrected.wells} == {50.0}


def test_a_plate_that_is_saturated_all_over_is_told_to_be_clipped(opened: Open) -> None:
    quality = plate_quality(opened([{**row, SATURATION: 1.2} for row in plate_of()]), "P1")
    assert {one.flags for one in quality.wells} == {("saturated",)}
    assert quality.remarks[0].startswith(
        "12 of 12 wells are saturated: exposure was too long, or the images were clipped"
    )


@pytest.mark.parametrize(
    ("counts", "expected"),
    [
        ({"Count_Nuclei": 7.0, "Count_Cells": 5.0}, 5),
        ({"Count_Spots": 9.0, "Count_Nuclei": 7.0}, 7),
        ({"Count_Spots": 9.0, "Count_Blobs": 8.0}, 9),
    ],
)
def test_cells_are_counted_by_cells_or_nuclei_or_what_there_is(
    opened: Open, counts: dict[str, float], expected: int
) -> None:
    rows = [{**row, **counts} for row in without(plate_of(sites=1), "Count_Cells")]
    assert {one.cells for one in plate_quality(opened(rows), "P1").wells} == {expected}


def test_values_that_are_missing_or_infinite_or_text_are_none(opened: Open) -> None:
    rows = [{**row, SLOPE: 0.01 * number} for number, row in enumerate(plate_of(sites=1))]
    texts = ["0.2", "", "nan", "inf", "1e400", "many", None, *["0.3"] * 5]
    for row, text in zip(rows, texts, strict=True):
        row[SATURATION], row["Count_Cells"] = text, text
    found = wells(plate_quality(opened(rows), "P1"))
    assert [found[well].saturation for well in sorted(found)] == [0.2, *[None] * 6, *[0.3] * 5]
    assert found["A02"].cells is None
    assert found["A02"].not_known == ("saturated", "empty")


@pytest.mark.parametrize("missing", ["", None, " "])
def test_image_sets_without_a_well_are_left_out_and_counted(opened: Open, missing: str | None) -> None:
    quality = plate_quality(opened([site(missing), site(missing, 2), *plate_of()]), "P1")
    assert len(quality.wells) == 12
    assert quality.remarks == ("2 image sets have no well, and were left out.",)


def test_a_backend_without_wells_has_none(opened: Open) -> None:
    quality = plate_quality(opened(without(plate_of(), "Metadata_Well")), "P1")
    assert quality.wells == ()
    assert quality.remarks == ("36 image sets have no well, and were left out.",)


def test_columns_of_older_backends_are_read(opened: Open) -> None:
    rows = [{f"Image_{name}": value for name, value in row.items()} for row in plate_of()]
    assert plate_quality(opened(rows), "P1") == plate_quality(opened(plate_of()), "P1")


def test_wells_are_in_the_order_of_the_plate(opened: Open) -> None:
    names = ["odd", "AA01", "B10", "B2", "A02", "P24"]
    quality = plate_quality(opened([site(name) for name in names]), "P1")
    assert [one.well for one in quality.wells] == ["A02", "B2", "B10", "P24", "AA01", "odd"]


def test_json_and_csv_have_everything(opened: Open) -> None:
    rows = plate_of()
    rows[0].update({SATURATION: 2.0, "Count_Cells": 0.0})
    rows[1]["Count_Cells"] = rows[2]["Count_Cells"] = 0.0
    quality = plate_quality(opened(without(rows, SLOPE)), "P1")
    assert PlateQuality.from_json(quality.to_json()) == quality
    header, first, second, *_ = quality.to_csv().decode().splitlines()
    assert header == (
        "plate,well,sites,cells,saturation,saturated_channel,slope_deviation,blurred_channel,flags,not_known"
    )
    assert first == "P1,A01,3,0,2.0,OrigDNA,,,saturated;empty,blurred"
    assert second == 'P1,A02,3,300,0.0001,OrigDNA,,,"",blurred'


def test_real_images_of_a_jump_plate_are_not_saturated(tmp_path: Path) -> None:
    if not REAL.is_dir():
        pytest.skip(f"there are no CSVs of a JUMP plate in {REAL}")
    build(REAL, tmp_path, "BR00121431")
    folder = tmp_path / "BR00121431"
    quality = plate_quality(open_backend(folder), "BR00121431")
    assert quality == plate_quality(open_backend(folder / "BR00121431.sqlite"), "BR00121431")
    assert [(one.well, one.sites, one.cells, one.flags) for one in quality.wells] == [
        ("A01", 1, 89, ()),
        ("A02", 1, 36, ()),
    ]
    one_pixel = 100 / 1080**2
    assert [one.saturation for one in quality.wells] == pytest.approx([one_pixel, one_pixel])
    assert {"OrigDNA", "OrigER", "OrigRNA", "OrigAGP", "OrigMito"} < set(quality.channels)
    assert {one.not_known for one in quality.wells} == {("blurred",)}
