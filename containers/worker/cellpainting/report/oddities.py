"""What was odd, from measuring to profiles: problems first."""

from collections.abc import Iterator, Sequence

from cellpainting.backend.report import IngestReport
from cellpainting.profiles.profile_report import EXPLODED, INFINITE, ProfileReport
from cellpainting.report.page_data import Oddity
from cellpainting.report.sources import PlateSources

NAMED, MEASURING, BACKEND, QUALITY = "runs and backend", "measuring", "backend", "image quality"
SHOWN = 200  # things that are named of many


def oddities_of(sources: PlateSources, missing: Sequence[str] = ()) -> tuple[Oddity, ...]:
    """All that a person should know of the plate; `missing` says what was asked for and has left nothing of it."""
    found = [*(Oddity(NAMED, one, is_problem=True) for one in missing), *_measuring(sources), *_problems(sources)]
    if sources.ingest:
        found += _backend(sources.ingest)
    for report in sources.reports.values():
        found += _profile(report, sources.plate)
    if sources.quality:
        found += [Oddity(QUALITY, remark) for remark in sources.quality.remarks]
    if sources.replicates:
        found += [Oddity("replicates", remark) for remark in sources.replicates.remarks]
    return tuple(sorted(found, key=lambda one: not one.is_problem))


def _measuring(sources: PlateSources) -> Iterator[Oddity]:
    left = [one for one in sources.outcomes if not one.state.is_success]
    by_state: dict[str, list[str]] = {}
    for one in left:
        by_state.setdefault(one.state.value, []).append(f"{one.image_set.label}: {one.reason}")
    for state, lines in by_state.items():
        yield _named(MEASURING, f"image sets are {state.replace('_', ' ')}", lines, is_problem=True)


def _problems(sources: PlateSources) -> Iterator[Oddity]:
    for problem in sources.making.problems if sources.making else ():
        if problem.plate in ("", sources.plate) and problem.batch in ("", sources.batch):
            yield Oddity(problem.step, problem.reason, is_problem=True)


def _backend(report: IngestReport) -> Iterator[Oddity]:
    if report.problems:
        yield _named(BACKEND, "problems: what is not in the backend and should be", report.problems, is_problem=True)
    if report.oddities:
        yield _named(BACKEND, "odd files", [f"{one.file}: {one.problem}" for one in report.oddities])
    for one in report.differences:
        told = f"of {one.sets} image sets lack columns of {one.table} that others have"
        yield Oddity(BACKEND, f"{one.lacking} {told}", False, one.columns[:SHOWN], len(one.columns))
    if report.left_out:
        yield _named(BACKEND, "files that are no tables of objects were left alone", report.left_out)


def _profile(report: ProfileReport, plate: str) -> Iterator[Oddity]:
    found, name = report.findings, report.profile.rsplit("/", 1)[-1].removeprefix(f"{plate}_") or report.step
    for remark in found.dropped:
        yield _named(name, f"wells were dropped: {remark.text}", remark.items)
    for remark in found.remarks:
        yield Oddity(name, remark.text, False, remark.items[:SHOWN], len(remark.items))
    if found.exploded:
        lines = [f"{one.feature}: {_size(one.largest)} at {one.well}, {one.wells} wells" for one in found.exploded]
        yield _named(name, f"features exploded: values beyond {EXPLODED:g} deviations", lines)
    if found.without_spread:
        yield _named(name, "features do not vary among the wells that say what is normal", found.without_spread)
    if found.without_values:
        yield _named(name, "features have no value at all", found.without_values)
    infinite = (found.removed or {}).get(INFINITE, ())  # what operations remove is not odd
    if infinite:
        yield _named(name, "features with infinite values were removed before others were chosen", infinite)


def _named(stage: str, text: str, items: Sequence[str], *, is_problem: bool = False) -> Oddity:
    return Oddity(stage, f"{len(items):,} {text}", is_problem, tuple(items[:SHOWN]), len(items))


def _size(largest: float | None) -> str:
    return "infinite" if largest is None else f"{largest:.3g}"
