"""A plate map shows each well where it is, in its worst state, with or without colours."""

from itertools import pairwise

import pytest
from rich.console import Console

from cellpainting.cli.plate_map import SIGNS, legend, render
from cellpainting.ledger import ImageSet, Outcome, State
from cellpainting.ledger.plate_map import PlateMap, plate_maps, row_name, well_position


def outcome(well: str, state: State = State.DONE, plate: str = "P1") -> Outcome:
    return Outcome(ImageSet(0, 1, plate=plate, well=well), state)


def drawn(plate: PlateMap, *, width: int = 80) -> list[str]:
    console = Console(width=width, color_system=None)
    with console.capture() as capture:
        console.print(render(plate))
    return capture.get().splitlines()


@pytest.mark.parametrize(
    ("name", "position"),
    [("A01", (0, 0)), ("a1", (0, 0)), ("P24", (15, 23)), ("AA01", (26, 0)), ("AF48", (31, 47)), ("H012", (7, 11))],
)
def test_a_well_has_a_place(name: str, position: tuple[int, int]) -> None:
    assert well_position(name) == position


@pytest.mark.parametrize("name", ["", "01", "A00", "A49", "AG01", "BA01", "A01-1"])
def test_what_is_no_well_has_none(name: str) -> None:
    assert well_position(name) is None


def test_row_names_and_wells_agree() -> None:
    assert [well_position(f"{row_name(row)}01") for row in range(32)] == [(row, 0) for row in range(32)]


@pytest.mark.parametrize(
    ("last", "size"), [("H12", (8, 12)), ("I01", (16, 24)), ("A13", (16, 24)), ("AA01", (32, 48)), ("A25", (32, 48))]
)
def test_a_plate_has_the_smallest_format_that_holds_it(last: str, size: tuple[int, int]) -> None:
    plate = PlateMap.of("P1", [outcome("A01"), outcome(last)])
    assert (plate.rows, plate.columns) == size


def test_a_well_has_its_worst_state() -> None:
    for worse, better in pairwise((State.FAILED, State.QUARANTINED, State.NOT_RUN, State.NO_CELLS, State.DONE)):
        assert PlateMap.of("P1", [outcome("A01", better), outcome("A01", worse)]).states == {(0, 0): worse}


def test_every_state_has_a_letter_and_a_colour_of_its_own() -> None:
    assert set(SIGNS) == set(State)
    assert len({letter for letter, _ in SIGNS.values()}) == len({colour for _, colour in SIGNS.values()}) == len(State)
    assert all(f"{letter} {state}" in legend().plain for state, (letter, _) in SIGNS.items())


def test_wells_are_drawn_below_their_columns_beside_their_rows() -> None:
    lines = drawn(PlateMap.of("P1", [outcome("A01"), outcome("B12", State.FAILED)]))
    assert lines[0] == "plate P1: 1 done, 1 failed"
    row = next(line for line in lines if line.startswith(" B"))
    assert row.index("F") == lines[2].rindex("2")
    assert next(line for line in lines if line.startswith(" A ")).split() == ["A", "o"]


def test_a_plate_of_1536_wells_fits_a_terminal() -> None:
    lines = drawn(PlateMap.of("P1", [outcome("AF48", State.QUARANTINED)]))
    assert max(map(len, lines)) <= 80
    assert lines[-1].split() == ["AF", "Q"]
    assert len(lines) == 1 + 2 + 32


def test_image_sets_outside_a_plate_are_counted_beside_the_map() -> None:
    (plate,) = plate_maps([outcome("A01"), outcome("tube 7")])
    assert drawn(plate)[0] == "plate P1: 2 done, 1 in no well of a plate"


def test_plates_without_wells_have_no_map() -> None:
    maps = plate_maps([outcome("A01", plate="P2"), outcome("", plate="P1"), outcome("A01", plate="P0")])
    assert [one.plate for one in maps] == ["P2", "P0"]
