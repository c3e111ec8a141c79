"""Requested groups against the load data: why one matches nothing, and which image sets none covers."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from cellpainting.load_data import LoadData
from cellpainting.load_data.value_type import canonical
from cellpainting.planning.selection import Selection
from cellpainting.preflight.finding import Finding, Severity
from cellpainting.preflight.wells import parse_well

WELL = "Metadata_Well"
SHOWN = 6
PHANTOM = "a requested group is of a well that the load data has not (a phantom well)"
UNMATCHED = "a requested group matches no image set"


@dataclass(frozen=True)
class NearMiss:
    """Why a requested group matches nothing, one key of it: the value asked for and what the load data has."""

    group: str
    column: str
    asked: str
    has: str
    why: str


def find_near_misses(table: LoadData, selection: Selection) -> tuple[NearMiss, ...]:
    """The keys at fault of every requested group without image sets."""
    if not selection.unmatched:
        return ()
    columns = tuple(_ColumnValues.of(table, name) for name in selection.group_by)
    rows = {tuple(column.forms[row[column.at]] for column in columns) for row in table.rows}
    without = [{(*row[:key], *row[key + 1 :]) for row in rows} for key in range(len(columns))]
    return tuple(miss for values in selection.unmatched for miss in _why(values, columns, without))


def check_groups(selection: Selection, misses: Sequence[NearMiss], labels: Sequence[str]) -> Iterator[Finding]:
    """What requested groups leave out, and what they ask for in vain; the near misses say why."""
    by_group: Mapping[str, list[NearMiss]] = defaultdict(list)
    for miss in misses:
        by_group[miss.group].append(miss)
    for group, at_fault in by_group.items():
        yield Finding(
            Severity.ERROR,
            group,
            PHANTOM if [(miss.column, miss.has) for miss in at_fault] == [(WELL, "")] else UNMATCHED,
            "write the group as the load data has it, or take it out",
            (),
        )
    for number in selection.uncovered:
        yield Finding(
            Severity.WARNING,
            labels[number],
            "no requested group covers an image set of the load data",
            "add its group, unless it is left out on purpose",
        )


@dataclass(frozen=True)
class _ColumnValues:
    """One column: `forms` are its texts, and what CellProfiler makes of them, each with the latter."""

    name: str
    at: int
    forms: Mapping[str, str]
    numbers: Mapping[float, str]
    folded: Mapping[str, str]
    wells: Mapping[tuple[int, int] | None, str]

    @classmethod
    def of(cls, table: LoadData, name: str) -> "_ColumnValues":
        at = table.positions[name]
        texts = dict.fromkeys(row[at] for row in table.rows)
        canon = {text: canonical(text, table.columns[at].type) for text in texts}
        return cls(
            name=name,
            at=at,
            forms={form: form for form in canon.values()} | canon,
            numbers={number: text for text in texts if (number := _number(text)) is not None},
            folded={text.strip().casefold(): text for text in texts},
            wells={parse_well(text): text for text in texts} if name == WELL else {},
        )

    def miss(self, group: str, asked: str) -> NearMiss:
        """Why a value that is not in the column is not."""
        number, well = _number(asked), parse_well(asked)
        if number is not None and number in self.numbers:
            near = self.numbers[number]
            return NearMiss(group, self.name, asked, near, f"is written {near!r} in the load data")
        if near := self.folded.get(asked.strip().casefold(), ""):
            return NearMiss(group, self.name, asked, near, f"differs from {near!r} in case or spaces")
        if well is not None and well in self.wells:
            near = self.wells[well]
            return NearMiss(group, self.name, asked, near, f"is the well that the load data calls {near!r}")
        return NearMiss(group, self.name, asked, "", f"is not in the load data, which has {_few(self.folded.values())}")


def _why(
    values: Sequence[str], columns: Sequence[_ColumnValues], without: Sequence[set[tuple[str, ...]]]
) -> Iterator[NearMiss]:
    group = "-".join(values)
    absent = [
        column.miss(group, asked) for column, asked in zip(columns, values, strict=True) if asked not in column.forms
    ]
    if absent:
        yield from absent
        return
    forms = [column.forms[asked] for column, asked in zip(columns, values, strict=True)]
    at_fault = [key for key in range(len(columns)) if (*forms[:key], *forms[key + 1 :]) in without[key]]
    for key in at_fault[-1:] or range(len(columns)):  # the finest key: of well and plate, the well
        others = ", ".join(
            f"{column.name} {asked!r}" for column, asked in zip(columns, values, strict=True) if column != columns[key]
        )
        yield NearMiss(group, columns[key].name, values[key], "", f"is in the load data, but not with {others}")


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _few(values: Iterable[str]) -> str:
    listed = list(values)
    return ", ".join(map(repr, listed[:SHOWN])) + (f" and {len(listed) - SHOWN} more" if len(listed) > SHOWN else "")
