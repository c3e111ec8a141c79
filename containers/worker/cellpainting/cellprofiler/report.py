"""What one run of CellProfiler over a group reported, and how it ended, as one frozen object."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from cellpainting.cellprofiler.process import Event


@dataclass(frozen=True)
class ReportedImageSet:
    """One image set as CellProfiler's input modules found it; `files` are local paths."""

    number: int
    metadata: Mapping[str, str]
    files: frozenset[Path]


@dataclass(frozen=True)
class Ending:
    """How the run ended. `status` is CellProfiler's own word, `Complete` or `Failure`; it is empty if the process did
    not come to its end: killed as `timed_out`, or dead by itself with `exit_status`, negative for a signal.
    """

    status: str
    timed_out: bool = False
    exit_status: int | None = None
    resident_mib: float = 0.0
    peak_memory_mib: float = 0.0


@dataclass(frozen=True)
class Report:
    """One observed run. `errors` is what went wrong beside image sets, in order.

    `failed` maps ImageNumber to `Module: reason`, `skipped` to the module that ended the image set on purpose.
    `at_work` is the image set that was at work when the process ended, `at_work_s` for how long.
    """

    ending: Ending
    image_sets: tuple[ReportedImageSet, ...] = ()
    modules: tuple[str, ...] = ()
    measured: frozenset[int] = frozenset()
    failed: Mapping[int, str] = field(default_factory=dict)
    skipped: Mapping[int, str] = field(default_factory=dict)
    errors: tuple[str, ...] = ()
    at_work: int | None = None
    at_work_s: float = 0.0

    @property
    def is_complete(self) -> bool:
        """Whether CellProfiler came to its end and says that all went well."""
        return self.ending.status == "Complete"


def make_report(events: Sequence[Event], ending: Ending, at_work_s: float) -> Report:
    """Sort the events of one run; `at_work_s` is how long ago an image set was begun last."""
    prepared: Event = next((event for event in events if event["event"] == "image_sets"), {})
    measured = frozenset(event["number"] for event in events if event["event"] == "measured")
    failed = {e["number"]: f"{e['module']}: {e['reason']}" for e in events if e["event"] == "failed"}
    begun = [event["number"] for event in events if event["event"] == "begun"]
    at_work = begun[-1] if begun and begun[-1] not in measured | set(failed) else None
    return Report(
        ending=ending,
        image_sets=reported_image_sets(prepared),
        modules=tuple(prepared.get("modules", ())),
        measured=measured,
        failed=failed,
        skipped={event["number"]: event["module"] for event in events if event["event"] == "skipped"},
        errors=tuple(event["reason"] for event in events if event["event"] == "logged_error"),
        at_work=at_work,
        at_work_s=at_work_s if at_work is not None else 0.0,
    )


def reported_image_sets(event: Event) -> tuple[ReportedImageSet, ...]:
    """The image sets of an `image_sets` event."""
    return tuple(
        ReportedImageSet(item["number"], item["metadata"], frozenset(map(Path, item["files"])))
        for item in event.get("image_sets", ())
    )
