"""The few features of thousands that the page draws plates of."""

from collections.abc import Sequence

import numpy as np

from cellpainting.errors import InvalidRequest
from cellpainting.profiles.profiles import Profiles
from cellpainting.report.sources import PlateSources
from cellpainting.report.treatments import Naming, row_treatments

# What a biologist looks at first, where it was measured.
FAMILIAR = (
    "Cells_AreaShape_Area",
    "Nuclei_AreaShape_Area",
    "Cells_AreaShape_FormFactor",
    "Cells_Neighbors_NumberOfNeighbors_Adjacent",
)
MOST = 24  # beside those and the ones that are named


def choose_features(profiles: Profiles, sources: PlateSources, wanted: Sequence[str]) -> list[str]:
    """Those that are wanted, familiar ones, and of each compartment and category the selected feature in which treated
    wells are farthest from what is normal.

    Raises
    ------
    InvalidRequest
        If one is wanted that is not there.
    """
    there = set(profiles.features)
    for name in wanted:
        if name not in there:
            raise InvalidRequest(
                f"the normalized profile of {sources.plate} has no feature {name!r}; correct '--features'"
            )
    selected = sources.profile(sources.selected) if sources.selected else None
    candidates = profiles.keep(selected.features) if selected else profiles
    return list(
        dict.fromkeys([*wanted, *(name for name in FAMILIAR if name in there), *_telling(candidates, sources.naming)])
    )


def _telling(profiles: Profiles, naming: Naming) -> list[str]:
    is_treated = np.array([not one.is_control for one in row_treatments(profiles, naming)], dtype=np.bool_)
    rows = profiles.has_cells() & (is_treated if is_treated.any() else True)
    values = np.abs(profiles.values[rows])
    usable = np.isfinite(values).all(axis=0) if len(values) else np.zeros(len(profiles.features), dtype=np.bool_)
    best: dict[tuple[str, ...], tuple[float, str]] = {}
    for position in np.flatnonzero(usable):
        name = profiles.features[position]
        kind = tuple(name.split("_")[:2])
        distance = float(np.median(values[:, position]))
        if kind not in best or distance > best[kind][0]:
            best[kind] = (distance, name)
    ranked = sorted(best.values(), reverse=True)[:MOST]
    return sorted(name for _, name in ranked)
