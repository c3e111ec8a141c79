"""A ledger for the terminal: counts, plate maps, and who is not done and why."""

from collections import Counter
from collections.abc import Iterator

from rich.console import Group, RenderableType
from rich.table import Column, Table
from rich.text import Text

from cellpainting.cli.plate_map import legend, render
from cellpainting.cli.stage_table import stage_table
from cellpainting.ledger import Cause, Ledger, ShardState, State
from cellpainting.ledger.plate_map import PlateMap, plate_maps
from cellpainting.ledger.staged_ledger import StagedLedger

PROBLEMS_SHOWN = 20
PLATES_SHOWN = 8


def ledger_view(ledger: Ledger) -> RenderableType:
    """All that there is to see of a run."""
    stages = stage_table(ledger) if isinstance(ledger, StagedLedger) else ()
    return Group(_heading(ledger), *stages, _counts(ledger), *_maps(ledger), *_problems(ledger))


def counts_line(ledger: Ledger) -> str:
    """The run in one line."""
    states = ", ".join(f"{count} {state}" for state, count in ledger.counts.items() if count)
    return f"{ledger.run_id}: {states or 'no image sets are planned yet'}; {_shards(ledger)}"


def _heading(ledger: Ledger) -> Text:
    word = "complete" if ledger.is_complete else "not complete" if ledger.is_over else "under way"
    plan = f"{len(ledger.outcomes)} image sets" if ledger.outcomes else "no image sets are planned yet"
    return Text.assemble((ledger.run_id, "bold"), f": {word}, {plan}; {_shards(ledger)}")


def _shards(ledger: Ledger) -> str:
    states = list(ledger.shards.values())
    words = {
        ShardState.WITH_MANIFEST: "ended",
        ShardState.LOST: "lost",
        ShardState.BLOCKED: "blocked",
        ShardState.HELD: "held by the budget",
        ShardState.AT_WORK: "at work",
        ShardState.WAITING: "waiting",
    }
    told = [f"{states.count(state)} {word}" for state, word in words.items() if state in states]
    return f"{len(states)} shards: {', '.join(told)}" if states else "no shards"


def _counts(ledger: Ledger) -> Table:
    table = Table("state", "cause", Column("image sets", justify="right"))
    counted = Counter((outcome.state, outcome.cause) for outcome in ledger.outcomes)
    for state in State:
        for cause in (None, *Cause):
            if count := counted[state, cause]:
                table.add_row(state, cause or "", f"{count:,}")
    return table


def _maps(ledger: Ledger) -> Iterator[RenderableType]:
    """The plates with something left to do before the others."""
    maps = sorted(plate_maps(ledger.outcomes), key=_is_done)
    for one in maps[:PLATES_SHOWN]:
        yield render(one)
    if len(maps) > PLATES_SHOWN:
        yield Text(f"... and {len(maps) - PLATES_SHOWN} more plates: summary.json counts them")
    if maps:
        yield legend()


def _is_done(plate: PlateMap) -> bool:
    return all(state.is_success for state, count in plate.counts.items() if count)


def _problems(ledger: Ledger) -> Iterator[Text]:
    for problem in ledger.problems[:PROBLEMS_SHOWN]:
        yield Text(problem, style="red", overflow="fold")
    if len(ledger.problems) > PROBLEMS_SHOWN:
        table = "ledger.csv of each stage" if isinstance(ledger, StagedLedger) else "ledger.csv"
        yield Text(f"... and {len(ledger.problems) - PROBLEMS_SHOWN} more: {table} names them all")
