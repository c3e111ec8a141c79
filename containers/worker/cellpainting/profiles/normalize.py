"""What is normal, from some of a plate's wells, applied to all of them, by pycytominer's and scikit-learn's scalers.

The classes that pycytominer.normalize uses are called here: that spends seconds of a plate on the names of columns.
"""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from pycytominer.operations import RobustMAD, Spherize
from sklearn.preprocessing import RobustScaler, StandardScaler

from cellpainting.backend.aggregate import median
from cellpainting.errors import InvalidRequest
from cellpainting.profiles.config import Method, NormalizeStep
from cellpainting.profiles.profile_report import EXPLODED, Exploded
from cellpainting.profiles.profiles import Profiles, Rows, Values


@dataclass(frozen=True)
class Normalized:
    """Normalized profiles, and what was odd: features with no value at all, those that do not vary among the wells that
    say what is normal, those that exploded, and those left out because the method cannot compute with them.
    """

    profiles: Profiles
    without_values: tuple[str, ...]
    without_spread: tuple[str, ...]
    exploded: tuple[Exploded, ...]
    left_out: tuple[str, ...]


def normalize(profiles: Profiles, features: Sequence[str], reference: Rows, step: NormalizeStep) -> Normalized:
    """Normalize some features of one plate to its `reference` wells; other features stay as they are, before them.

    Features with infinite values are left out, but for `mad_robustize`; those without spread, or with a missing value
    where others have one, cannot be sphered. PCA has components for features, `PC1`, `PC2`, ..., as pycytominer.

    Source: pycytominer.normalize, operations.RobustMAD and operations.Spherize; scikit-learn's StandardScaler and
    RobustScaler.

    Raises
    ------
    InvalidRequest
        If there are too few wells, or they cannot be sphered.
    """
    considered = profiles.keep(features)
    names = np.array(considered.features, dtype=object)
    normal = considered.values[reference]
    is_empty = np.isnan(normal).all(axis=0)
    is_flat = ~is_empty & _is_flat(normal, step.method)
    is_usable = _is_usable(considered.values, reference, is_flat, step.method)
    used = considered.keep(names[is_usable])
    scaled = replace(used, values=_scaled(used.values, reference, step), features=_names(used.features, step))
    others = profiles.keep(set(profiles.features).difference(considered.features))
    return Normalized(
        replace(
            profiles,
            values=np.hstack([others.values, scaled.values]),
            features=others.features + scaled.features,
        ),
        without_values=tuple(names[is_empty]),
        without_spread=tuple(names[is_flat]),
        exploded=_exploded(scaled),
        left_out=tuple(names[~is_usable]),
    )


def _is_usable(values: Values, reference: Rows, is_flat: Rows, method: Method) -> Rows:
    """Features that the method can compute with. Sphered, a missing value would take its whole well along."""
    if method == "mad_robustize":
        return np.ones(values.shape[1], dtype=np.bool_)
    is_finite = ~np.isinf(values).any(axis=0)
    if method != "spherize":
        return np.asarray(is_finite)
    is_measured = reference | ~np.isnan(values).all(axis=1)
    return np.asarray(is_finite & ~is_flat & ~np.isnan(values[is_measured]).any(axis=0))


def _names(features: tuple[str, ...], step: NormalizeStep) -> tuple[str, ...]:
    """What features are called afterwards: principal components are none of them any more."""
    if step.method == "spherize" and step.spherize_method.startswith("PCA"):
        return tuple(f"PC{number}" for number in range(1, len(features) + 1))
    return features


def _scaled(values: Values, reference: Rows, step: NormalizeStep) -> Values:
    """Values of shape (wells, features), scaled by what the reference wells say."""
    values = np.asfortranarray(values)  # as in frames: the order in memory decides the last bit
    normal = np.asfortranarray(values[reference])
    with warnings.catch_warnings(), np.errstate(divide="ignore", invalid="ignore"):
        warnings.simplefilter("ignore", RuntimeWarning)  # of features without values, which are told by name
        if step.method == "spherize":
            return _sphered(values, normal, step)
        if step.method == "mad_robustize":
            scaler = RobustMAD(epsilon=step.epsilon)
            frame = scaler.fit(pd.DataFrame(normal)).transform(pd.DataFrame(values))
            return np.asarray(frame, dtype=np.float64)
        simple = StandardScaler() if step.method == "standardize" else RobustScaler()
        return np.asarray(simple.fit(normal).transform(values), dtype=np.float64)


def _sphered(values: Values, normal: Values, step: NormalizeStep) -> Values:
    scaler = Spherize(epsilon=step.spherize_epsilon, method=step.spherize_method, return_numpy=True)
    try:
        scaler.fit(pd.DataFrame(normal))
    except ValueError as error:
        told = " ".join(str(error).split())
        raise InvalidRequest(
            f"{len(normal)} wells of {normal.shape[1]} features cannot be sphered: {told} Normalize by another method, "
            "or to more wells"
        ) from error
    return np.asarray(scaler.transform(pd.DataFrame(values)), dtype=np.float64)


def _is_flat(normal: Values, method: Method) -> Rows:
    """Features whose spread, as the method has it, is 0 among the wells that say what is normal."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        if method in ("standardize", "spherize"):
            return np.asarray(np.nanmax(normal, axis=0) == np.nanmin(normal, axis=0))
        low, high = pd.DataFrame(normal).quantile([0.25, 0.75]).to_numpy()
        if method == "robustize":
            return np.asarray(high == low)
        return np.asarray(median(np.abs(normal - median(normal))) == 0)


def _exploded(scaled: Profiles) -> tuple[Exploded, ...]:
    sizes = np.abs(scaled.values)
    beyond = sizes > EXPLODED  # infinite values are, missing ones are not
    places = scaled.places
    found = []
    for position in map(int, np.flatnonzero(beyond.any(axis=0))):
        row = int(np.nanargmax(sizes[:, position]))
        largest = float(scaled.values[row, position])
        found.append(
            Exploded(
                scaled.features[position],
                int(beyond[:, position].sum()),
                largest if np.isfinite(largest) else None,
                places[row],
            )
        )
    return tuple(found)
