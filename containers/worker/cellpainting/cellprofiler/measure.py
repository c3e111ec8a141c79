"""One group measured by a living CellProfiler: whoever makes the run fail is set aside, and the rest is run again."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from cellpainting.cellprofiler.driver import Driver
from cellpainting.cellprofiler.group import PlacedGroup
from cellpainting.cellprofiler.process import Event
from cellpainting.cellprofiler.report import Report, reported_image_sets
from cellpainting.cellprofiler.tally import Tally
from cellpainting.cellprofiler.verdict import find_culprits
from cellpainting.errors import CellProfilerFailed
from cellpainting.ledger import ImageSet, Outcome
from cellpainting.ledger.manifest import Acceleration

Listed = Callable[[Sequence[ImageSet]], None]


@dataclass(frozen=True)
class Rules:
    """What the request says of bad image sets and of time."""

    keeps_others: bool
    timeout_s: float


@dataclass
class GroupRun:
    """A group at work, and then the last run over it.

    `settled` are the image sets that are not to be run, by number in the shard; `numbers` are those that CellProfiler
    listed in the last run, by their number there. `contradiction` tells that it found others than were planned.
    """

    placed: PlacedGroup
    settled: dict[int, Outcome]
    image_sets: tuple[ImageSet, ...]
    numbers: dict[int, ImageSet] = field(default_factory=dict)
    report: Report | None = None
    output: Path | None = None
    contradiction: str = ""
    seconds: float = 0.0
    peak_memory_mib: float = 0.0
    acceleration: Acceleration | None = None

    @property
    def left(self) -> dict[int, ImageSet]:
        """The image sets of the last run that are not settled, by their number there."""
        return {number: item for number, item in self.numbers.items() if item.number not in self.settled}

    @property
    def has_work(self) -> bool:
        """Whether an image set may be left to be measured; of a folder nothing is known before the first run."""
        return not self.image_sets or len(self.settled) < len(self.image_sets)


def measure(placed: PlacedGroup, driver: Driver, rules: Rules, tally: Tally, listed: Listed) -> GroupRun:
    """Run a group until CellProfiler completes, or nobody is left to blame.

    `listed` is told which image sets a plain folder has, as soon as CellProfiler has listed them.

    Raises
    ------
    CellProfilerFailed
        If CellProfiler or its pipeline cannot start at all.
    """
    run = GroupRun(placed, placed.unusable(), placed.image_sets)
    started = time.monotonic()
    attempt = 0
    while run.has_work and (rules.keeps_others or not run.settled):
        driver.wait_until_ready()
        _run_once(run, driver, attempt, tally, listed)
        culprits = find_culprits(run.report, run.left, rules.timeout_s) if run.report else []
        if not culprits:
            break
        for culprit in culprits:
            tally.set_aside(culprit.image_set, culprit.reason)
            run.settled[culprit.image_set.number] = culprit
        attempt += 1
    run.seconds = time.monotonic() - started
    return run


def _run_once(run: GroupRun, driver: Driver, attempt: int, tally: Tally, listed: Listed) -> None:
    task = run.placed.task(attempt, run.settled.keys())
    run.output, run.report, run.numbers = task.output, None, {}

    def follow(event: Event) -> None:
        if event["event"] == "image_sets":
            _number(run, event, listed)
        elif event.get("number") in run.numbers:
            tally.follow(run.numbers[event["number"]], event)

    try:
        run.report = driver.run(task, follow)
    except CellProfilerFailed as error:
        run.contradiction = str(error)
        return
    run.acceleration = driver.acceleration
    run.peak_memory_mib = max(run.peak_memory_mib, run.report.ending.peak_memory_mib)


def _number(run: GroupRun, event: Event, listed: Listed) -> None:
    reported = reported_image_sets(event)
    run.numbers = run.placed.number_image_sets(reported, run.settled.keys())
    if not run.image_sets:
        run.image_sets = tuple(run.numbers.values())
        run.settled |= run.placed.damaged_in_folder(reported)
        listed(run.image_sets)
