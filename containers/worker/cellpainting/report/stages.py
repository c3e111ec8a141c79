"""What each stage took: time, memory, money."""

from collections.abc import Iterator

from cellpainting.cost.prices import shipped_prices
from cellpainting.jobs import RunCellProfiler
from cellpainting.report.page_data import Stage
from cellpainting.report.sources import PlateSources, RunSource

GIVEN_VCPUS = 1  # of a job that does not say how many it wants


def stages_of(sources: PlateSources) -> tuple[Stage, ...]:
    """The stages of a plate, in their order."""
    return tuple(_stages(sources))


def _stages(sources: PlateSources) -> Iterator[Stage]:
    for run in sources.runs:
        yield _measuring(run, sources.plate)
    if sources.ingest:
        report = sources.ingest
        work = f"{len(report.outcomes)} image sets, {report.bytes_read / 1e6:,.0f} MB of CSV"
        yield _stage("backend", work, report.seconds, report.peak_memory_mib, GIVEN_VCPUS)
    reports = sources.reports.values()
    if reports:
        seconds, memory = sum(one.seconds for one in reports), max(one.peak_memory_mib for one in reports)
        wells = max(one.wells for one in reports)
        yield _stage("profiles", f"{len(reports)} profiles, {wells} wells", seconds, memory, GIVEN_VCPUS)


def _measuring(run: RunSource, plate: str) -> Stage:
    """A run's time for one plate: that of the groups with image sets of it."""
    groups = [
        group
        for manifest in run.manifests
        for group in manifest.groups
        if any(outcome.image_set.plate == plate for outcome in group.outcomes)
    ]
    count = sum(outcome.image_set.plate == plate for outcome in run.ledger.outcomes)
    vcpus = run.job.resources.vcpus or GIVEN_VCPUS if isinstance(run.job, RunCellProfiler) else GIVEN_VCPUS
    seconds = sum(group.seconds for group in groups)
    memory = max((group.peak_memory_mib for group in groups), default=None)
    if not groups:
        return Stage(f"CellProfiler, {run.run_id}", f"{count} image sets", None, None, None)
    return _stage(f"CellProfiler, {run.run_id}", f"{count} image sets", seconds, memory, vcpus)


def _stage(name: str, work: str, seconds: float, memory: float | None, vcpus: int) -> Stage:
    return Stage(name, work, seconds, memory, shipped_prices().on_demand.of(seconds, vcpus, memory or 0.0))
