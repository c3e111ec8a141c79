"""Wells in two dimensions, by principal components."""

from collections.abc import Sequence

import numpy as np

from cellpainting.profiles.names import PLATE, WELL
from cellpainting.profiles.profiles import Profiles
from cellpainting.report.page_data import MapPoint, ProfileMap
from cellpainting.report.treatments import Naming, row_treatments

FEWEST = 3  # wells, and features, that span a plane


def profile_map(profiles: Profiles, name: str, naming: Naming) -> ProfileMap | None:
    """The first two principal components of the wells that have cells; None if there are too few.

    Parameters
    ----------
    profiles
        Normalized, of one plate or several; features with missing or infinite values are left out.
    name
        What the profile is called.
    naming
        How to tell what is in a well.
    """
    measured = profiles.take(profiles.has_cells())
    usable = np.isfinite(measured.values).all(axis=0)
    values = measured.values[:, usable]
    if min(values.shape) < FEWEST:
        return None
    centred = values - values.mean(axis=0)
    left, sizes, _ = np.linalg.svd(centred, full_matrices=False)
    shares = sizes**2 / max(float((sizes**2).sum()), np.finfo(float).tiny)
    scores = left[:, :2] * sizes[:2]
    scores *= _signs(scores)
    points = tuple(
        MapPoint(str(plate), str(well), one.name, one.kind, round(float(x), 4), round(float(y), 4))
        for plate, well, one, (x, y) in zip(
            measured.metadata[PLATE], measured.metadata[WELL], row_treatments(measured, naming), scores, strict=True
        )
    )
    left_out = len(profiles.values) - len(points)
    told = f"{len(points)} wells by {values.shape[1]} features of {name}" + (
        f"; {left_out} without cells left out" if left_out else ""
    )
    return ProfileMap("PCA", (_axis(1, shares), _axis(2, shares)), points, told)


def _axis(number: int, shares: Sequence[float] | np.ndarray) -> str:
    return f"PC {number} ({shares[number - 1]:.0%} of variance)"


def _signs(scores: np.ndarray) -> np.ndarray:
    """The sign of a component says nothing; with the farthest well to the right and up, pictures do not flip."""
    farthest = scores[np.abs(scores).argmax(axis=0), [0, 1]]
    return np.where(farthest < 0, -1.0, 1.0)
