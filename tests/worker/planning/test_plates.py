"""The plates of a table are told by their text, in its order."""

import pytest

from cellpainting.errors import InvalidRequest
from cellpainting.load_data import Column, LoadData, ValueType
from cellpainting.planning.plates import plates_of, rows_of_plate
from tests.worker.planning.conftest import table_of

TABLE = table_of([("42", "A01", "1"), ("0042", "A01", "1"), ("42", "A02", "1")])


def test_plates_are_in_the_table_s_order_each_once_and_by_their_text() -> None:
    assert plates_of(TABLE) == ("42", "0042")


def test_rows_of_a_plate_are_those_with_its_text() -> None:
    one = rows_of_plate(TABLE, "42")
    assert one.columns == TABLE.columns
    assert one.rows == (TABLE.rows[0], TABLE.rows[2])


def test_a_plate_that_is_not_there_is_refused_with_those_that_are() -> None:
    with pytest.raises(InvalidRequest, match="no plate '7'; it has 42, 0042"):
        rows_of_plate(TABLE, "7")


def test_a_table_without_plates_is_refused() -> None:
    with pytest.raises(InvalidRequest, match=r"no column Metadata_Plate.*URL_DNA"):
        plates_of(LoadData((Column("URL_DNA", ValueType.TEXT),), (("a.tif",),)))
