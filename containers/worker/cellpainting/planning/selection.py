"""Which rows of the load data a requested group covers."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product

from cellpainting.load_data import LoadData
from cellpainting.load_data.value_type import canonical

Values = tuple[str, ...]


@dataclass(frozen=True)
class Selection:
    """Groups in the order of the request, or of the load data: each group's values with the numbers of its rows.

    `unmatched` are requested groups that no row belongs to, `uncovered` the numbers of rows that no group covers.
    """

    group_by: tuple[str, ...]
    rows: Mapping[Values, tuple[int, ...]]
    unmatched: tuple[Values, ...]
    uncovered: tuple[int, ...]


def select_all(table: LoadData, group_by: Sequence[str]) -> Selection:
    """Every group that the load data has, named by its text."""
    positions = [table.positions[name] for name in group_by]
    groups: dict[Values, list[int]] = {}
    for number, row in enumerate(table.rows):
        groups.setdefault(tuple(row[at] for at in positions), []).append(number)
    return Selection(tuple(group_by), _frozen(groups), (), ())


def select(table: LoadData, group_by: Sequence[str], groups: Sequence[Mapping[str, str]]) -> Selection:
    """The requested groups only. A value matches a cell's text, or what CellProfiler makes of it: `1` matches `01`."""
    wanted = dict.fromkeys(tuple(group[name] for name in group_by) for group in groups)
    found: dict[Values, list[int]] = {}
    uncovered = []
    for number, row in enumerate(table.rows):
        names = [name for name in _names(table, group_by, row) if name in wanted]
        for name in names[:1]:
            found.setdefault(name, []).append(number)
        if not names:
            uncovered.append(number)
    matched = {name: found[name] for name in wanted if name in found}
    unmatched = tuple(name for name in wanted if name not in found)
    return Selection(tuple(group_by), _frozen(matched), unmatched, tuple(uncovered))


def _names(table: LoadData, group_by: Sequence[str], row: Values) -> Iterator[Values]:
    """What the group of a row may be called: each value as text, or as CellProfiler has it."""
    forms = []
    for name in group_by:
        at = table.positions[name]
        forms.append(dict.fromkeys((row[at], canonical(row[at], table.columns[at].type))))
    yield from product(*forms)


def _frozen(groups: Mapping[Values, list[int]]) -> dict[Values, tuple[int, ...]]:
    return {values: tuple(rows) for values, rows in groups.items()}
