"""`cpb ingest` beside cytominer-database and pycytominer: what is the same, over the same CSVs."""

from pathlib import Path

import pytest

from tests.peers.plates import OPERATIONS, Made, read_csv
from tests.peers.tables import AVERAGED, PARSED, columns, crc, differences, indexes, rows, table_numbers, tables, wells

pytestmark = [pytest.mark.peers, pytest.mark.timeout(1200)]


def test_the_same_tables(made: Made) -> None:
    assert tables(made.ours.database) == tables(made.theirs.database)


def test_the_same_columns_in_the_same_order(made: Made) -> None:
    for table in tables(made.theirs.database):
        assert columns(made.ours.database, table) == columns(made.theirs.database, table), table


def test_the_same_table_numbers_for_all_folders_that_they_take(made: Made) -> None:
    theirs, ours = table_numbers(made.theirs.database), table_numbers(made.ours.database)
    images = [path for path in made.analysis.folder.rglob("*") if path.name.casefold() == "image.csv"]
    assert theirs
    assert theirs <= ours <= {crc(path) for path in images}


def test_the_same_cell_values(made: Made) -> None:
    for table in tables(made.theirs.database):
        theirs, ours = rows(made.theirs.database, table), rows(made.ours.database, table)
        assert theirs.keys() <= ours.keys(), table
        assert list(differences(ours, theirs, theirs, PARSED))[:10] == [], table


def test_no_more_rows_of_the_folders_that_they_take(made: Made) -> None:
    taken = table_numbers(made.theirs.database)
    for table in tables(made.theirs.database):
        ours = {key for key in rows(made.ours.database, table) if key[0] in taken}
        assert ours == rows(made.theirs.database, table).keys(), table


def test_the_same_indexes(made: Made) -> None:
    assert indexes(made.ours.database) == indexes(made.theirs.database)


@pytest.mark.parametrize("operation", OPERATIONS)
def test_the_same_columns_of_well_profiles_in_the_same_order(made: Made, operation: str) -> None:
    ours, theirs = made.profiles(operation)
    assert header(ours) == header(theirs)


@pytest.mark.parametrize("operation", OPERATIONS)
def test_the_same_well_profiles(made: Made, operation: str) -> None:
    ours, theirs = map(wells, made.profiles(operation))
    assert theirs.keys() <= ours.keys()
    assert list(differences(ours, theirs, theirs, AVERAGED))[:10] == []


def header(path: Path) -> list[str]:
    """The columns of a CSV."""
    return list(read_csv(path)[0])
