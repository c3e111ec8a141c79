"""The modules that are tried, a file for each part (parts.py). CellProfiler is imported when a module is made.

Each file has the name of its PART and SETTINGS, modules by what is set. The first is tried on all inputs, others on a
few. If there are any, NOT_TRIED has the inputs that CellProfiler's own module does not survive, and LEFT those that are
left to it although others accelerate them.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any

_FILES = [
    importlib.import_module(f".{path.stem}", __package__) for path in sorted(Path(__file__).parent.glob("[!_]*.py"))
]
MODULES: dict[str, Mapping[str, Callable[[], Any]]] = {file.PART: file.SETTINGS for file in _FILES}
NOT_TRIED: dict[str, Collection[str]] = {file.PART: getattr(file, "NOT_TRIED", ()) for file in _FILES}
LEFT: dict[str, Collection[str]] = {file.PART: getattr(file, "LEFT", ()) for file in _FILES}


def runs(part: str, inputs: Collection[str], few: Collection[str]) -> list[tuple[str, str]]:
    """Which settings of a part are tried on which inputs."""
    first = next(iter(MODULES[part]))
    return [
        (settings, given)
        for settings in MODULES[part]
        for given in (inputs if settings == first else few)
        if given not in NOT_TRIED[part]
    ]
