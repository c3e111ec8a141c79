"""A few sites of each control and of the treatments that stand out, side by side."""

from collections.abc import Sequence

from cellpainting.profiles.platemap import canonical_well
from cellpainting.report.page_data import Montage, Tile
from cellpainting.report.pictures import Picture, pictures_of, spread
from cellpainting.report.sources import PlateSources
from cellpainting.report.treatments import Treatment

TILES = 6  # of each treatment or control
TREATMENTS = 12  # that are shown, beside the controls
ALL_WELLS = "all wells"
WELLS = 24  # that are shown where nobody says what is in them


def montages_of(sources: PlateSources) -> tuple[Montage, ...]:
    """Controls first, then treatments, those with the highest mean average precision before others."""
    first: dict[str, Picture] = {}
    for picture in sorted(pictures_of(sources), key=lambda one: one.outlined is None):  # not all runs draw outlines
        first.setdefault(canonical_well(picture.image_set.well) or picture.image_set.label, picture)
    groups: dict[Treatment, list[Picture]] = {}
    for well, picture in sorted(first.items()):
        groups.setdefault(sources.treatments.get(well, Treatment()), []).append(picture)
    if set(groups) <= {Treatment()}:
        return _montage(Treatment(ALL_WELLS), list(first.values()), WELLS)
    treated = _ranked([one for one in groups if not one.is_control and one.name], sources)[:TREATMENTS]
    chosen = [*(one for one in groups if one.is_control), *treated]
    ordered = sorted(chosen, key=lambda one: one.rank[0])  # treatments keep their order among each other
    return tuple(montage for one in ordered for montage in _montage(one, groups[one], TILES))


def _ranked(treated: Sequence[Treatment], sources: PlateSources) -> list[Treatment]:
    scores = (
        {one.treatment: one.mean_average_precision for one in sources.replicates.treatments}
        if sources.replicates
        else {}
    )
    return sorted(treated, key=lambda one: (-(scores.get(one.name) or 0.0), one.name))


def _montage(treatment: Treatment, pictures: Sequence[Picture], most: int) -> tuple[Montage, ...]:
    """A montage, or none if there is no picture."""
    tiles = []
    for position in spread(len(pictures), most):
        drawn = pictures[position].draw()
        if drawn:
            image_set = pictures[position].image_set
            tiles.append(Tile(image_set.well or image_set.label, image_set.site, *drawn))
    return (Montage(treatment.name or treatment.kind, treatment.kind, tuple(tiles)),) if tiles else ()
