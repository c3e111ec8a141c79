"""Whether a plate is good, and why not."""

from collections.abc import Iterator, Sequence

from cellpainting.profiles.platemap import canonical_well
from cellpainting.report.page_data import EdgeEffect, Oddity, Plate, Verdict
from cellpainting.report.sources import PlateSources
from cellpainting.report.treatments import EMPTY, Treatment

MANY_FLAGGED = 0.05  # of the wells
STRONG_EDGE = 1.0  # robust deviations
FEW_REPLICATING = 0.5  # of the treatments


def verdict_of(
    sources: PlateSources, plate: Plate | None, oddities: Sequence[Oddity]
) -> tuple[Verdict, tuple[str, ...]]:
    """Bad if something that was asked for is not there, to be looked at if something is out of the ordinary."""
    bad = tuple(f"{one.stage}: {one.text}" for one in oddities if one.is_problem)
    if plate is None:
        bad = (*bad, "there is no well to show")
    look = tuple(_suspicious(sources, plate))
    verdict = Verdict.BAD if bad else Verdict.LOOK if look else Verdict.GOOD
    return verdict, (*bad, *look)


def _suspicious(sources: PlateSources, plate: Plate | None) -> Iterator[str]:
    flagged = flagged_wells(sources)
    if sources.quality and flagged > MANY_FLAGGED * len(sources.quality.wells):
        yield f"{flagged} of {len(sources.quality.wells)} wells are saturated, blurred or empty"
    for effect in _strong(plate.edge_effects if plate else ()):
        yield f"{effect.layer}: outer wells are {effect.deviations:+.1f} robust deviations from the inner ones"
    score = sources.replicates.percent_replicating if sources.replicates else None
    if score is not None and score < FEW_REPLICATING:
        yield f"only {score:.0%} of the treatments replicate"


def flagged_wells(sources: PlateSources) -> int:
    """How many wells have a flag, without those that are empty on purpose."""
    wells = sources.quality.wells if sources.quality else ()
    flagged = [canonical_well(one.well) or one.well for one in wells if one.flags]
    return sum(sources.treatments.get(well, Treatment()).kind != EMPTY for well in flagged)


def _strong(effects: Sequence[EdgeEffect]) -> Iterator[EdgeEffect]:
    """Of cells and image quality: of many features, one or the other will always be so."""
    for effect in effects:
        if effect.layer in ("cells", "saturation", "sharpness") and abs(effect.deviations or 0.0) >= STRONG_EDGE:
            yield effect
