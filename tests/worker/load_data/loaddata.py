"""Asks CellProfiler's own LoadData, in its own Python, what it makes of a table."""

import csv
import json
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from cellpainting.cellprofiler.environment import CellProfiler
from cellpainting.load_data import ValueType

SCRIPT = Path(__file__).with_name("prepare_loaddata.py")


@dataclass(frozen=True)
class Answer:
    """A column in CellProfiler: its type, and the text of each value as `get_groupings` has it."""

    type: ValueType
    texts: list[str]


Asked = Mapping[str, Answer]


def ask_loaddata(cellprofiler: CellProfiler, path: Path, columns: Mapping[str, Sequence[str]]) -> Asked:
    """Write the columns as CSV and have LoadData prepare a run of it."""
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([columns, *zip(*columns.values(), strict=True)])
    return ask_loaddata_of(cellprofiler, path)


def ask_loaddata_of(cellprofiler: CellProfiler, path: Path) -> Asked:
    """Have LoadData prepare a run of a CSV."""
    command = [cellprofiler.python, SCRIPT, path]
    done = subprocess.run(command, capture_output=True, encoding="utf-8", check=True)
    return {name: Answer(_type(type), texts) for name, (type, texts) in json.loads(done.stdout).items()}


def _type(coltype: str) -> ValueType:
    return ValueType.TEXT if coltype.startswith("varchar") else ValueType(coltype)
