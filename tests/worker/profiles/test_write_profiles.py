"""What is written is read back by the programs it is for, number by number."""

import gzip
import io
from dataclasses import replace
from pathlib import Path

import anndata
import numpy as np
import pandas as pd
import pycytominer
import pytest
from pycytominer.cyto_utils import load_profiles

from cellpainting.errors import InvalidTable
from cellpainting.profiles.profiles import Profiles, stack
from cellpainting.profiles.write_profiles import read_csv, read_parquet, write_profiles
from tests.worker.profiles.made_plates import CSV_GZ, made_plate

NAMES = ["2,4-D", 'a "b" c', "a\tb", "Zürich", "β-x", None, "two\nlines", "x;y"]


def odd() -> Profiles:
    """Names with all that separates columns, and numbers of all sizes."""
    plate = made_plate(features=100, wells=len(NAMES))
    values = plate.values.copy()
    values[0, 0], values[1, 0], values[2, 0], values[4, 1] = 5e-324, 1.7976931348623157e308, 1 / 3, np.inf
    metadata = plate.metadata.assign(
        Metadata_compound=pd.Series(NAMES, dtype=object),
        Metadata_dose=[0.1, None, 2.0, 3.0, 4.0, 5.0, 6.0, 1e-9],
        Metadata_rank=range(len(NAMES)),
        Metadata_nothing=pd.Series([None] * len(NAMES), dtype=object),
    )
    return replace(plate, metadata=metadata, values=values)


def assert_read_back(frame: pd.DataFrame, written: Profiles) -> None:
    """The same columns, values and names; a text of nothing but missing values has no type in CSV."""
    np.testing.assert_array_equal(frame[list(written.features)].to_numpy(np.float64), written.values)
    assert list(frame.columns) == [*written.metadata, *written.features]
    compounds = [None if pd.isna(name) else name for name in frame["Metadata_compound"]]
    assert compounds == NAMES
    np.testing.assert_array_equal(frame["Metadata_dose"], written.metadata["Metadata_dose"])


def test_parquet_has_everything_in_full(tmp_path: Path) -> None:
    (path,) = write_profiles(odd(), tmp_path, "P1", (), "%.5g")
    read = read_parquet(path)
    assert read.features == odd().features
    assert_read_back(read.frame(), odd())


def test_csv_is_read_by_pandas_with_the_same_numbers(tmp_path: Path) -> None:
    _, path = write_profiles(odd(), tmp_path, "P1", ("csv.gz",), None)
    assert path.name == f"P1{CSV_GZ}"
    assert_read_back(pd.read_csv(path, float_precision="round_trip"), odd())


def test_csv_is_read_by_pycytominer(tmp_path: Path) -> None:
    _, path = write_profiles(odd(), tmp_path, "P1", ("csv.gz",), None)
    frame = load_profiles(str(path))
    np.testing.assert_allclose(
        frame[list(odd().features)].to_numpy(), odd().values, rtol=1e-12
    )  # pandas reads fast, not exactly
    assert len(pycytominer.normalize(frame, features=list(odd().features[50:60]))) == len(NAMES)


@pytest.mark.parametrize("float_format", ["%.5g", "%.12g", "%.0g", "%.3e", "%.2f"])
def test_csv_has_the_numbers_that_python_prints(tmp_path: Path, float_format: str) -> None:
    profiles = made_plate(features=100, wells=24)
    _, path = write_profiles(profiles, tmp_path, "P1", ("csv.gz",), float_format)
    read = pd.read_csv(path, float_precision="round_trip")[list(profiles.features)].to_numpy(np.float64)
    printed = [[float(float_format % value) for value in row] for row in profiles.values.tolist()]
    np.testing.assert_array_equal(read, printed)


def test_the_same_profile_is_the_same_file(tmp_path: Path) -> None:
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
        write_profiles(odd(), tmp_path / name, "P1", ("csv.gz", "gct"), "%.5g")
    for name in (f"P1{CSV_GZ}", "P1.gct"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "other" / name).read_bytes()


def test_anndata_has_numbers_metadata_and_parts_of_names(tmp_path: Path) -> None:
    _, path = write_profiles(odd(), tmp_path, "P1", ("h5ad",), None)
    read = anndata.read_h5ad(path)
    np.testing.assert_array_equal(read.X, odd().values)
    assert tuple(read.var_names) == odd().features
    assert read.obs_names.tolist()[:2] == ["P1_A01", "P1_A02"]
    assert [None if pd.isna(name) else name for name in read.obs["Metadata_compound"]] == NAMES
    assert read.obs["Metadata_rank"].tolist() == list(range(len(NAMES)))
    assert read.var.loc[odd().features[0], ["compartment", "category"]].tolist() == ["Cells", "AreaShape"]


def test_anndata_takes_metadata_named_with_a_slash(tmp_path: Path) -> None:
    profiles = odd()
    metadata = profiles.metadata.rename(columns={"Metadata_dose": "Metadata_dose (mg/ml)"})
    _, path = write_profiles(replace(profiles, metadata=metadata), tmp_path, "P1", ("h5ad",), None)
    read = anndata.read_h5ad(path)
    assert read.obs["Metadata_dose (mg_ml)"].tolist()[0] == 0.1


def test_wells_that_are_there_twice_have_numbers_for_names(tmp_path: Path) -> None:
    _, path = write_profiles(stack([odd(), odd()]), tmp_path, "P1", ("h5ad",), None)
    assert anndata.read_h5ad(path).obs_names.tolist() == [str(number) for number in range(2 * len(NAMES))]


def test_gct_has_a_column_per_well_and_no_cell_that_breaks_a_line(tmp_path: Path) -> None:
    _, path = write_profiles(odd(), tmp_path, "P1", ("gct",), "%.5g")
    lines = path.read_text(encoding="utf-8").split("\n")
    profiles = odd()
    assert lines[0] == "#1.3"
    assert lines[1] == f"100\t{len(NAMES)}\t1\t{len(profiles.metadata.columns)}"
    assert {len(line.split("\t")) for line in lines[2:-1]} == {len(NAMES) + 2}
    first = lines[3 + len(profiles.metadata.columns)].split("\t")
    assert first[:2] == [profiles.features[0]] * 2
    np.testing.assert_array_equal([float(text) for text in first[2:]], profiles.values[:, 0])
    compounds = next(line for line in lines if line.startswith("compound\t")).split("\t")[2:]
    assert compounds == ["2,4-D", 'a "b" c', "a b", "Zürich", "β-x", "na", "two lines", "x;y"]


def test_plates_whose_metadata_is_of_different_kinds_are_stacked_and_written(tmp_path: Path) -> None:
    plate = made_plate(features=100, wells=4)
    doses: list[list[object]] = [[1, 2, 3, 4], ["5 uM", "DMSO", "7", "x"], [None] * 4, [1.5, None, 2.0, 3.0]]
    stacked = stack([replace(plate, metadata=plate.metadata.assign(Metadata_dose=dose)) for dose in doses])
    (path,) = write_profiles(stacked, tmp_path, "all", (), None)
    read = read_parquet(path).metadata["Metadata_dose"]
    expected = ["1", "2", "3", "4", "5 uM", "DMSO", "7", "x", *[None] * 4, "1.5", None, "2", "3"]
    assert [None if pd.isna(dose) else dose for dose in read] == expected


def test_a_feature_that_one_plate_has_not_is_missing_there() -> None:
    one, other = made_plate(features=100, wells=4), made_plate(features=100, wells=8, plate="P2")
    stacked = stack([one.keep(one.features[50:]), other])
    assert set(stacked.features) == set(other.features)
    part = stacked.keep(other.features[:50]).values
    assert np.isnan(part[:4]).all()
    assert np.isfinite(part[5]).any()


def test_a_profile_of_another_program_is_read_with_names_as_text(tmp_path: Path) -> None:
    text = "Image_Metadata_Plate,Image_Metadata_Well,Metadata_x,Cells_A\n0042,A01,NA,0.1\n0042,A02,y,\n"
    (tmp_path / "p.csv.gz").write_bytes(gzip.compress(text.encode()))
    read = read_csv(tmp_path / "p.csv.gz", "p.csv.gz")
    assert read.places == ["0042 A01", "0042 A02"]
    assert read.features == ("Cells_A",)
    np.testing.assert_array_equal(read.values[:, 0], [0.1, np.nan])


def zipped(content: bytes) -> bytes:
    """Without the time, which would be in the name of the test."""
    return gzip.compress(content, mtime=0)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "p.csv.gz is no CSV that can be read"),
        (b"a,b\n1,2\n", "is no CSV that can be read .*gzip"),
        (zipped(b""), "is no CSV that can be read"),
        (zipped(b"a,b\n1,2\n" * 1000)[:-20], "is no CSV that can be read"),
        (zipped(b"a,b\n1,2\n1,2,3\n"), "is no CSV that can be read .*line 3"),
        (zipped("Metadata_Plate\nü\n".encode("latin-1")), "is no CSV that can be read"),
        (zipped(b"Metadata_Plate,Cells_A\nP1,2\n"), "line 1: there is no column 'Metadata_Well'"),
    ],
)
def test_a_profile_that_cannot_be_read_is_told_by_file(tmp_path: Path, content: bytes, told: str) -> None:
    path = tmp_path / "p.csv.gz"
    path.write_bytes(content)
    with pytest.raises(InvalidTable, match=told):
        read_csv(path, "p.csv.gz")


def test_what_is_no_text_of_numbers_is_metadata() -> None:
    frame = pd.read_csv(io.StringIO("Metadata_Plate,Cells_A,Cells_Note\nP1,1,x\n"))
    read = Profiles.of_frame(frame)
    assert (read.features, list(read.metadata)) == (("Cells_A",), ["Metadata_Plate", "Cells_Note"])
