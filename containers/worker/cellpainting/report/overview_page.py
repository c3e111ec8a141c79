"""Several plates on one page, each with a link to its own."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from importlib.metadata import version

import numpy as np

from cellpainting.errors import DamagedTable
from cellpainting.profiles.profiles import Profiles, stack
from cellpainting.report.page_data import Figure, Oddity, PageData, PlateLine, ProfileMap, Replication, Stage, Verdict
from cellpainting.report.plate_page import replication_of
from cellpainting.report.profile_map import profile_map
from cellpainting.report.sources import PlateSources
from cellpainting.report.verdict import flagged_wells

WORST_FIRST = (Verdict.BAD, Verdict.LOOK, Verdict.GOOD)


def overview_page(title: str, plates: Sequence[tuple[PlateSources, PageData, str]]) -> PageData:
    """The page of several plates, each given with its own page and the address of that."""
    pages = [page for _, page, _ in plates]
    lines = tuple(_line(*one) for one in plates)
    counted = {verdict: sum(page.verdict is verdict for page in pages) for verdict in WORST_FIRST}
    return PageData(
        title=title,
        subtitle=f"{len(plates)} plates",
        version=version("cellpainting"),
        verdict=min((page.verdict for page in pages), key=WORST_FIRST.index),
        reasons=tuple(f"{page.title}: {page.reasons[0]}" for page in pages if page.reasons),
        figures=tuple(_figures(lines, counted)),
        plates=lines,
        replication=_replication([sources for sources, _, _ in plates]),
        profile_map=_map([sources for sources, _, _ in plates]),
        oddities=tuple(replace(one, stage=f"{page.title}, {one.stage}") for page in pages for one in _problems(page)),
        stages=tuple(_stages(pages)),
        price_note=next((page.price_note for page in pages if page.price_note), ""),
    )


def _line(sources: PlateSources, page: PageData, href: str) -> PlateLine:
    found = sources.replicates
    precisions = (
        [one.mean_average_precision for one in found.treatments if one.mean_average_precision is not None]
        if found
        else []
    )
    return PlateLine(
        plate=page.title,
        batch=sources.batch,
        href=href,
        verdict=page.verdict,
        image_sets=len(sources.outcomes),
        image_sets_done=sum(one.state.is_success for one in sources.outcomes),
        wells=len(page.plate.wells) if page.plate else 0,
        wells_flagged=flagged_wells(sources) if page.plate else 0,
        cells=sum(sources.ingest.objects.values()) if sources.ingest else None,
        percent_replicating=found.percent_replicating if found else None,
        mean_map=float(np.mean(precisions)) if precisions else None,
    )


def _figures(lines: Sequence[PlateLine], counted: Mapping[Verdict, int]) -> Iterator[Figure]:
    yield Figure("plates good", f"{counted[Verdict.GOOD]} of {len(lines)}")
    planned, done = sum(line.image_sets for line in lines), sum(line.image_sets_done for line in lines)
    if planned:
        yield Figure("image sets done", f"{done:,} of {planned:,}")
    cells = [line.cells for line in lines if line.cells is not None]
    if cells:
        yield Figure("cells", f"{sum(cells):,}")


def _replication(plates: Sequence[PlateSources]) -> Replication | None:
    """That of all plates together, where features were chosen for them together."""
    found = {one.replicates.to_json(): one for one in plates if one.replicates}
    if len(found) != 1 or len(plates) < 2:
        return None
    sources = next(iter(found.values()))
    return replication_of(sources.replicates, sources.selected or "")


def _map(plates: Sequence[PlateSources]) -> ProfileMap | None:
    """All wells, by the features that every plate has kept."""
    parts = [found for one in plates if (found := _selected(one))]
    if not parts:
        return None
    common = set(parts[0].features).intersection(*(part.features for part in parts))
    kept: list[Profiles] = [part.keep(common) for part in parts]
    return profile_map(stack(kept), f"{len(parts)} plates", plates[0].naming)


def _selected(plate: PlateSources) -> Profiles | None:
    """The selected profile; a damaged one is told on the plate's own page."""
    with suppress(DamagedTable):
        return plate.profile(plate.selected) if plate.selected else None
    return None


def _problems(page: PageData) -> list[Oddity]:
    return [one for one in page.oddities if one.is_problem]


def _stages(pages: Sequence[PageData]) -> Iterator[Stage]:
    """The stages of all plates, those of one name together."""
    names = dict.fromkeys(stage.name for page in pages for stage in page.stages)
    for name in names:
        found = [stage for page in pages for stage in page.stages if stage.name == name]
        memory = [stage.peak_memory_mib for stage in found if stage.peak_memory_mib is not None]
        yield Stage(
            name=name,
            work=f"{len(found)} plates",
            seconds=_total([stage.seconds for stage in found]),
            peak_memory_mib=max(memory, default=None),
            usd=_total([stage.usd for stage in found]),
        )


def _total(numbers: Sequence[float | None]) -> float | None:
    known = [number for number in numbers if number is not None]
    return sum(known) if known else None
