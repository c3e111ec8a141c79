"""Types and texts of values are those of CellProfiler's own LoadData, which is asked about each."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cellpainting.cellprofiler.environment import CellProfiler
from cellpainting.load_data import Places, ValueType, canonical, read_csv, value_type

from .loaddata import Answer, Asked, ask_loaddata

TRICKY = [
    ("1", "2", "3"),
    ("01", "02", "10"),
    ("0042", "0042", "0042"),
    ("+7", "-7", "-0"),
    (" 7", "7 ", "\t7"),
    ("1_000", "1", "2"),
    ("1__000", "1", "2"),
    ("2147483647", "-2147483648", "0"),
    ("2147483648", "1", "1"),
    ("-2147483649", "1", "1"),
    ("2147483648", "1.5", "1.5"),
    ("201904261234", "201904261234", "201904261234"),
    ("1E5", "1e5", "1E5"),
    ("1E5", "2", "03"),
    ("1.0", "1", "01"),
    ("1.50", "0.1", "1e16"),
    ("1e-5", "1e22", "123456789.123456789"),
    ("1_0.5", ".5", "5."),
    ("nan", "NaN", "1"),
    ("inf", "-Infinity", "1e400"),
    ("-0.0", "0", "0"),
    ("0x10", "1", "1"),
    ("1,5", "1", "1"),
    ("", "1", "2"),
    ("", "", ""),
    (" ", "1", "2"),
    ("A01", "A02", "P24"),
    ("E05", "5", "5"),
    ("True", "False", "True"),
    ("٣", "1", "1"),
    ("½", "1", "1"),
    ("µM", 'naïve, "quoted"', " spaces "),
]
CASES = [pytest.param(number, id="|".join(values)) for number, values in enumerate(TRICKY)]


@pytest.fixture(scope="module")
def loaddata(cellprofiler: CellProfiler, tmp_path_factory: pytest.TempPathFactory) -> Asked:
    """What LoadData makes of all tricky columns, in one file."""
    columns = {f"Metadata_Case{number}": values for number, values in enumerate(TRICKY)}
    images = {"FileName_DNA": ("1", "2", "3"), "PathName_DNA": ("0", "0", "0")}
    return ask_loaddata(cellprofiler, tmp_path_factory.mktemp("loaddata") / "load_data.csv", {**columns, **images})


@pytest.mark.cellprofiler
@pytest.mark.parametrize("number", CASES)
def test_the_type_of_a_column_is_the_one_loaddata_gives_it(loaddata: Asked, number: int) -> None:
    assert value_type(TRICKY[number]) == loaddata[f"Metadata_Case{number}"].type


@pytest.mark.cellprofiler
@pytest.mark.parametrize("number", CASES)
def test_the_text_of_a_value_is_the_one_groups_have_in_cellprofiler(loaddata: Asked, number: int) -> None:
    asked = loaddata[f"Metadata_Case{number}"]
    assert [canonical(value, asked.type) for value in TRICKY[number]] == asked.texts


@pytest.mark.cellprofiler
def test_a_table_has_the_columns_types_and_texts_of_loaddata(cellprofiler: CellProfiler, tmp_path: Path) -> None:
    path = tmp_path / "load_data.csv"
    columns = {"Metadata_Row": ("A", "B"), "Image_FileName_DNA": ("1", "2")}
    numbers = dict.fromkeys(
        ("Metadata_Col", "Metadata_Column_2", "Metadata_Site", "Image_Dose", "FileName", "URLs"), ("01", "2")
    )
    asked = ask_loaddata(cellprofiler, path, {**columns, **numbers})
    table = read_csv(path.read_bytes(), path.name, Places.of("s3://screens/"))
    made = {
        column.name: Answer(column.type, [canonical(value, column.type) for value in values])
        for column, values in zip(table.columns, zip(*table.rows, strict=True), strict=True)
    }
    assert made.pop("URL_DNA") == Answer(ValueType.TEXT, ["1", "2"])
    assert made == {name: answer for name, answer in asked.items() if not name.endswith("_DNA")}


def test_a_column_without_values_is_integer() -> None:
    assert value_type([]) is ValueType.INTEGER


@given(st.one_of(st.text(), st.integers().map(str), st.floats().map(str)))
def test_canonical_is_idempotent(text: str) -> None:
    kind = value_type([text])
    once = canonical(text, kind)
    assert (canonical(once, kind), value_type([once])) == (once, kind)
