"""A plate map for the terminal: a letter and a colour per well, each readable without the other."""

from rich.console import Group, RenderableType
from rich.text import Text

from cellpainting.ledger.image_set import State
from cellpainting.ledger.plate_map import WORST_FIRST, PlateMap, row_name

# Letters for who sees no colours; colours (Okabe and Ito's palette) that colour-blind people tell apart.
SIGNS = {
    State.DONE: ("o", "#009E73"),
    State.NO_CELLS: ("-", "#56B4E9"),
    State.NOT_RUN: (".", "#999999"),
    State.INPUT_MISSING: ("M", "#F0E442"),
    State.INPUT_DAMAGED: ("D", "#E69F00"),
    State.QUARANTINED: ("Q", "#CC79A7"),
    State.FAILED: ("F", "#D55E00"),
}
WIDEST_WITH_GAPS = 24  # columns; those of a plate with 1,536 wells fit a terminal of 80 characters without gaps only


def render(plate: PlateMap) -> RenderableType:
    """The map of one plate, under a heading with its counts."""
    gap = " " if plate.columns <= WIDEST_WITH_GAPS else ""
    numbers = [f"{column + 1:2}" for column in range(plate.columns)]
    header = [Text("   " + gap.join(number[digit] for number in numbers), style="dim") for digit in (0, 1)]
    return Group(_heading(plate), *header, *(_row(plate, row, gap) for row in range(plate.rows)))


def legend() -> Text:
    """What the letters stand for."""
    signs = [Text.assemble((letter, f"bold {colour}"), f" {state.value}") for state, (letter, colour) in SIGNS.items()]
    return Text("  ").join([*signs, Text("(a well's worst image set)", style="dim")])


def _heading(plate: PlateMap) -> Text:
    counts = [f"{plate.counts[state]} {state.value}" for state in reversed(WORST_FIRST) if plate.counts.get(state)]
    if plate.elsewhere:
        counts.append(f"{plate.elsewhere} in no well of a plate")
    return Text(f"plate {plate.plate or '(without a name)'}: ", style="bold").append(", ".join(counts))


def _row(plate: PlateMap, row: int, gap: str) -> Text:
    wells = [plate.states.get((row, column)) for column in range(plate.columns)]
    name = Text(f"{row_name(row):>2} ", style="dim")
    return Text.assemble(name, Text(gap).join(map(_well, wells)))


def _well(state: State | None) -> Text:
    if state is None:
        return Text(" ")
    letter, colour = SIGNS[state]
    return Text(letter, style=f"bold {colour}")
