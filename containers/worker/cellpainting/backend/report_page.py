"""The report on an ingest as one page, which needs nothing beside itself."""

from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, StrictUndefined
from rich.filesize import decimal

from cellpainting.backend.report import IngestReport
from cellpainting.ledger.plate_map import PlateMap, row_name, well_position

SHOWN = 200  # rows of each list; the JSON has all
TEMPLATE = Path(__file__).with_suffix(".html")
# Light to dark blue, in equal steps of lightness: told apart by everyone, and in print.
LEAST, MOST = (0xE8, 0xF1, 0xFA), (0x08, 0x30, 0x6B)


@dataclass(frozen=True)
class Cell:
    """One well of the drawn plate."""

    title: str
    colour: str
    ink: str
    mark: str
    is_done: bool


@dataclass(frozen=True)
class Row:
    """One row of the drawn plate; None for wells that it has not."""

    name: str
    wells: tuple[Cell | None, ...]


@dataclass(frozen=True)
class DrawnPlate:
    """The plate as the page draws it."""

    columns: int
    cells: tuple[Row, ...]
    largest: int
    least: str
    most: str


def report_page(report: IngestReport) -> str:
    """The page as HTML."""
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True)
    return environment.from_string(TEMPLATE.read_text(encoding="utf-8")).render(
        report=report,
        not_done=[one for one in report.outcomes if not one.state.is_success],
        plate=_drawn(report),
        shown=SHOWN,
        size=decimal,
    )


def _drawn(report: IngestReport) -> DrawnPlate | None:
    """The wells with their cells; None if the image sets name no wells of a plate."""
    plate = PlateMap.of(report.plate, report.outcomes)
    if not plate.states:
        return None
    objects = {well_position(name): count for name, count in report.objects.items()}
    largest = max(objects.values(), default=0)
    rows = []
    for row in range(plate.rows):
        wells = tuple(
            _cell(plate, row, column, objects.get((row, column), 0), largest) for column in range(plate.columns)
        )
        rows.append(Row(row_name(row), wells))
    return DrawnPlate(plate.columns, tuple(rows), largest, _colour(0.0), _colour(1.0))


def _cell(plate: PlateMap, row: int, column: int, count: int, largest: int) -> Cell | None:
    state = plate.states.get((row, column))
    if state is None:
        return None
    share = count / largest if largest else 0.0
    return Cell(
        title=f"{row_name(row)}{column + 1:02}: {count} cells, {state.value}",
        colour=_colour(share),
        ink="#fff" if share > 0.5 else "#1b1f24",
        mark="!" if not state.is_success else "" if count else "0",
        is_done=state.is_success,
    )


def _colour(share: float) -> str:
    return "#" + "".join(f"{round(low + share * (high - low)):02x}" for low, high in zip(LEAST, MOST, strict=True))
