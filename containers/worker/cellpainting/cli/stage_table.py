"""The stages of a run for the terminal: how each stands, plate by plate, and why it is not complete."""

from collections.abc import Iterator, Mapping

from rich.console import RenderableType
from rich.table import Column, Table
from rich.text import Text

from cellpainting.ledger.staged_ledger import StagedLedger, StageLedger, StageState

PLATES_SHOWN = 20
COLOURS = {  # as of the plate map
    StageState.COMPLETE: "#009E73",
    StageState.INCOMPLETE: "#D55E00",
    StageState.BLOCKED: "#E69F00",
    StageState.UNDER_WAY: "#56B4E9",
}

Stages = Mapping[str, StageLedger]


def stage_table(ledger: StagedLedger) -> Iterator[RenderableType]:
    """A row per plate, those with something left to do before the others; then why stages are not complete."""
    plates = sorted(ledger.plates_of_stages.items(), key=lambda plate: _is_complete(plate[1]))
    names = dict.fromkeys(name for _, stages in plates for name in stages)
    table = Table(Column("plate", overflow="fold"), *(name.replace("_", "\n") for name in names), padding=(0, 1, 0, 0))
    for plate, stages in plates[:PLATES_SHOWN]:
        table.add_row(plate, *(_word(stages.get(name)) for name in names))
    yield table
    if len(plates) > PLATES_SHOWN:
        yield Text(f"... and {len(plates) - PLATES_SHOWN} more plates: summary.json has them all")
    yield from (reason for _, stages in plates[:PLATES_SHOWN] for reason in _reasons(stages))


def _is_complete(stages: Stages) -> bool:
    return all(one.state is StageState.COMPLETE for one in stages.values())


def _word(one: StageLedger | None) -> Text:
    return Text(one.state, style=COLOURS[one.state]) if one else Text("-", style="dim")


def _reasons(stages: Stages) -> Iterator[Text]:
    """A line for each stage that has come to an end with something left to do, cut where the terminal ends."""
    for one in stages.values():
        if one.state in (StageState.INCOMPLETE, StageState.BLOCKED):
            yield Text(one.summary["reason"], no_wrap=True, overflow="ellipsis")
