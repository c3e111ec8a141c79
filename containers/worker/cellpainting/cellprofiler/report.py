"""What the driver reported: its JSON lines as one frozen object."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class ReportedImageSet:
    """One image set as CellProfiler's input modules found it; `files` are local paths."""

    number: int
    metadata: Mapping[str, str]
    files: tuple[Path, ...]


@dataclass(frozen=True)
class Report:
    """One observed run. `errors` is what went wrong beside image sets, in order.

    `failed` maps ImageNumber to `Module: reason`, `skipped` to the module that ended the image set on purpose.
    """

    version: str = ""
    image_sets: tuple[ReportedImageSet, ...] = ()
    modules: tuple[str, ...] = ()
    measured: frozenset[int] = frozenset()
    failed: Mapping[int, str] = field(default_factory=dict)
    skipped: Mapping[int, str] = field(default_factory=dict)
    errors: tuple[str, ...] = ()


def read_report(path: Path) -> Report:
    """Read a report, also one that is still being written: an unfinished last line is not read."""
    lines = path.read_text(encoding="utf-8").split("\n")[:-1]
    events = [json.loads(line) for line in lines]
    nothing: dict[str, Any] = {"image_sets": [], "modules": []}
    prepared = next((event for event in events if event["event"] == "image_sets"), nothing)
    return Report(
        version=next((event["version"] for event in events if event["event"] == "started"), ""),
        image_sets=tuple(
            ReportedImageSet(item["number"], item["metadata"], tuple(Path(file) for file in item["files"]))
            for item in prepared["image_sets"]
        ),
        modules=tuple(prepared["modules"]),
        measured=frozenset(event["number"] for event in events if event["event"] == "measured"),
        failed={e["number"]: f"{e['module']}: {e['reason']}" for e in events if e["event"] == "failed"},
        skipped={event["number"]: event["module"] for event in events if event["event"] == "skipped"},
        errors=tuple(event["reason"] for event in events if event["event"] in ("crashed", "logged_error")),
    )
