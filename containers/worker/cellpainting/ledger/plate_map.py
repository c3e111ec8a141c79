"""A plate as its wells, each with the worst state of its image sets."""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from cellpainting.ledger.image_set import Outcome, State

WELL = re.compile(r"([A-Z]|A[A-F])0*([1-9]\d?)")
FORMATS = ((8, 12), (16, 24), (32, 48))  # rows and columns of plates with 96, 384 and 1,536 wells
WORST_FIRST = (
    State.FAILED,
    State.QUARANTINED,
    State.INPUT_DAMAGED,
    State.INPUT_MISSING,
    State.NOT_RUN,
    State.NO_CELLS,
    State.DONE,
)

Well = tuple[int, int]  # row and column, from 0


@dataclass(frozen=True)
class PlateMap:
    """One plate in the smallest of the usual formats that has all its wells.

    `states` has a well's worst state, `counts` the image sets per state, `elsewhere` the number of image sets whose
    well is not one of a plate.
    """

    plate: str
    rows: int
    columns: int
    states: Mapping[Well, State]
    counts: Mapping[State, int]
    elsewhere: int

    @classmethod
    def of(cls, plate: str, outcomes: Iterable[Outcome]) -> "PlateMap":
        """Map one plate's image sets."""
        counts: Counter[State] = Counter()
        states: dict[Well, State] = {}
        elsewhere = 0
        for outcome in outcomes:
            counts[outcome.state] += 1
            if well := well_position(outcome.image_set.well):
                states[well] = min(states.get(well, State.DONE), outcome.state, key=WORST_FIRST.index)
            else:
                elsewhere += 1
        rows, columns = plate_format(states)
        return cls(plate, rows, columns, states, counts, elsewhere)


def plate_maps(outcomes: Iterable[Outcome]) -> tuple[PlateMap, ...]:
    """A map per plate that has wells, in the order of the plan."""
    plates: dict[str, list[Outcome]] = defaultdict(list)
    for outcome in outcomes:
        plates[outcome.image_set.plate].append(outcome)
    maps = (PlateMap.of(plate, members) for plate, members in plates.items())
    return tuple(one for one in maps if one.states)


def well_position(name: str) -> Well | None:
    """Row and column, from 0, of a well such as `A01`, `p24` or `AF48`; None if a plate has no such well."""
    match = WELL.fullmatch(name.strip().upper())
    if not match:
        return None
    letters, column = match[1], int(match[2]) - 1
    row = ord(letters[-1]) - ord("A") + (26 if len(letters) == 2 else 0)
    return (row, column) if column < FORMATS[-1][1] else None


def row_name(row: int) -> str:
    """A to Z, then AA to AF."""
    return chr(ord("A") + row) if row < 26 else "A" + chr(ord("A") + row - 26)


def well_name(well: Well) -> str:
    """A well as plates have it: `A01`."""
    return f"{row_name(well[0])}{well[1] + 1:02}"


def plate_format(wells: Iterable[Well]) -> tuple[int, int]:
    """Rows and columns of the smallest of the usual formats that has all of some wells."""
    wells = list(wells)
    last_row = max((row for row, _ in wells), default=0)
    last_column = max((column for _, column in wells), default=0)
    return next((rows, columns) for rows, columns in FORMATS if last_row < rows and last_column < columns)
