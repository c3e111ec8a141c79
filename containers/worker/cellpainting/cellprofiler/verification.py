"""A pipeline over the same image sets twice, by CellProfiler's own means and accelerated."""

import csv
import resource
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from cellpainting.cellprofiler.compare_tables import ColumnDifference, compare_tables
from cellpainting.cellprofiler.driver import Driver, Setting, Task
from cellpainting.cellprofiler.environment import CellProfiler
from cellpainting.cellprofiler.inputs import Inputs
from cellpainting.errors import CellProfilerFailed, InvalidRequest
from cellpainting.ledger.manifest import Acceleration
from cellpainting.load_data import LoadData
from cellpainting.load_data.write_csv import write_csv
from cellpainting.storage import Storage

EXECUTION_TIME = "ExecutionTime_"
TIMEOUT_S = 24 * 3600
NO_LIMIT_MIB = float("inf")


@dataclass(frozen=True)
class Measured:
    """One way of measuring. Processor seconds of each module are summed over image sets; `cpu_s` is the whole process,
    its start included; memory in MiB.
    """

    output: Path
    module_s: Mapping[str, float]
    cpu_s: float
    wall_s: float
    peak_memory_mib: float
    acceleration: Acceleration | None


@dataclass(frozen=True)
class Verification:
    """Both ways, and every column that was compared."""

    original: Measured
    accelerated: Measured
    differences: tuple[ColumnDifference, ...]

    @property
    def unequal(self) -> list[ColumnDifference]:
        """The columns that are out of tolerance."""
        return [item for item in self.differences if not item.is_equal]

    @property
    def is_equal(self) -> bool:
        """Whether there is something to compare, and nothing is out of tolerance."""
        return bool(self.differences) and not self.unequal


def choose_rows(table: LoadData, count: int) -> LoadData:
    """So many image sets, evenly spread over the table."""
    total = len(table.rows)
    chosen = sorted({number * total // min(count, total) for number in range(min(count, total))})
    return LoadData(table.columns, tuple(table.rows[number] for number in chosen))


def verify(
    cellprofiler: CellProfiler,
    pipeline: Path,
    plugins: Path | None,
    table: LoadData,
    images: Storage,
    scratch: Path,
    on_line: Callable[[str], None],
) -> Verification:
    """Measure the image sets of a table twice, one process at a time, and compare all tables.

    Raises
    ------
    InvalidRequest
        If an image is missing or damaged.
    CellProfilerFailed
        If CellProfiler does not measure them all, or not the same of them.
    """
    inputs = Inputs(images, images, scratch / "images", [])
    try:
        paths = _fetch(inputs, [place for row in table.rows for place in table.images(row)])
    finally:
        inputs.close()
    setting = Setting(cellprofiler.python, pipeline, plugins, NO_LIMIT_MIB, TIMEOUT_S, accelerate=False)
    original = _measure(setting, _task(scratch / "original", table, paths), on_line)
    setting = replace(setting, accelerate=True)
    accelerated = _measure(setting, _task(scratch / "accelerated", table, paths), on_line)
    return Verification(original, accelerated, tuple(compare_tables(original.output, accelerated.output)))


def _fetch(inputs: Inputs, places: Sequence[str]) -> dict[str, Path]:
    found = inputs.fetch(places)
    for place, item in found.items():
        if item.missing or item.damage:
            raise InvalidRequest(f"the image {place}: {item.missing or item.damage}; mend it, or choose other sites")
    return {place: item.path for place, item in found.items()}


def _task(folder: Path, table: LoadData, paths: Mapping[str, Path]) -> Task:
    output, temporary, images = folder / "output", folder / "temporary", folder / "images"
    for made in (output, temporary, images):
        made.mkdir(parents=True)
    load_data, file_list = folder / "load_data.csv", folder / "files.txt"
    load_data.write_text(write_csv(table, paths), encoding="utf-8")
    file_list.write_text("\n".join(map(str, paths.values())), encoding="utf-8")
    types = {column.name: column.type.value for column in table.columns if not column.is_image}
    return Task(output, temporary, images, load_data, types, file_list)


def _measure(setting: Setting, task: Task, on_line: Callable[[str], None]) -> Measured:
    before, started = _children_cpu_s(), time.monotonic()
    driver = Driver(setting, task.temporary / "home", on_line)
    try:
        report = driver.run(task, lambda event: None)
    finally:
        driver.stop()
    wall_s = time.monotonic() - started
    if not report.is_complete or report.failed or report.errors:
        reasons = [*report.failed.values(), *report.errors] or ["it did not come to its end; see its log"]
        raise CellProfilerFailed(f"not all image sets were measured: {reasons[0]}")
    module_s = module_seconds(task.output)
    cpu_s = _children_cpu_s() - before
    return Measured(task.output, module_s, cpu_s, wall_s, report.ending.peak_memory_mib, driver.acceleration)


def _children_cpu_s() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def module_seconds(output: Path) -> Mapping[str, float]:
    """Processor seconds by module name, from the columns `ExecutionTime_<number><module>` of the image tables."""
    seconds: defaultdict[str, float] = defaultdict(float)
    for path in output.rglob("*Image.csv"):
        with path.open(newline="") as file:
            for row in csv.DictReader(file):
                for column, value in row.items():
                    if column.startswith(EXECUTION_TIME):
                        seconds[column.removeprefix(EXECUTION_TIME).lstrip("0123456789")] += float(value)
    return seconds
