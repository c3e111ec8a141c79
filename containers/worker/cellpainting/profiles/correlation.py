"""Features that say what another one says already."""

import warnings
from collections.abc import Iterator

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cellpainting.profiles.profiles import Values

Positions = NDArray[np.int64]

BLOCK = 512  # features whose pairs are looked at together
MOST_PATTERNS = 128  # of missing values; with more of them, pandas is the faster one
ROUNDING = 1e-9  # relative; sums of thousands of correlations are closer to each other than this only if they are equal


def correlated_features(values: Values, threshold: float) -> list[int]:
    """Positions of features to remove, so that no two correlate above `threshold` (Pearson's, with its sign).

    Of two that do, the one is removed that correlates more with all features; the sum of absolute correlations says so.
    The outcome is that of pycytominer.operations.correlation_threshold, which puts every pair of features into a table:
    16 million rows for 5,792 features.

    Parameters
    ----------
    values
        float64 of shape (wells, features); missing values are left out pair by pair.
    threshold
        From 0 to 1.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # of features that do not vary
        table = _correlations(values, threshold)
    # By pandas, as there: the order of additions tells features that say the same apart, by the last bit of their sums.
    ranks = np.empty(len(table), dtype=np.int64)
    ranks[table.abs().sum().sort_values().index] = np.arange(len(table))
    removed = np.zeros(len(table), dtype=np.bool_)
    for first, second in _pairs(table.to_numpy(), threshold):
        removed[np.where(ranks[first] > ranks[second], first, second)] = True
    return [int(position) for position in np.flatnonzero(removed)]


def _pairs(correlations: Values, threshold: float) -> Iterator[tuple[Positions, Positions]]:
    """The pairs above a threshold, each once, those of some features at a time."""
    for start in range(0, len(correlations), BLOCK):
        first, second = np.nonzero(np.tril(correlations[start : start + BLOCK] > threshold, k=start - 1))
        yield first + start, second


def _correlations(values: Values, threshold: float) -> pd.DataFrame:
    """All pairs, of shape (features, features); NaN where a feature does not vary. In memory they are as in
    pycytominer's table, which decides the order of additions.
    """
    is_there = np.isfinite(values)
    if is_there.all():
        by_feature = np.ascontiguousarray(values.T)  # as frames have them in memory: it decides the last bit, too
        return pd.DataFrame(np.atleast_2d(np.corrcoef(by_feature)))
    patterns = _patterns(is_there)
    if len(patterns) > MOST_PATTERNS:
        return pd.DataFrame(values).corr()
    correlations = _by_pattern(values, is_there, patterns)
    _correct(correlations, values, _undecided(correlations, threshold))
    return pd.DataFrame(correlations, copy=False)


def _undecided(correlations: Values, threshold: float) -> Positions:
    """Features whose removal may be decided by a rounding: copies of each other, or as close to the threshold; and all
    with the same sums, since how equal ones are sorted depends on every comparison.
    """
    sums = np.nansum(np.abs(correlations), axis=0)
    found = [np.empty(0, dtype=np.int64)]
    for first, second in _pairs(correlations, threshold - ROUNDING):
        is_close = np.abs(sums[first] - sums[second]) <= ROUNDING * sums[first]
        is_close |= np.abs(correlations[first, second] - threshold) <= ROUNDING
        found += [first[is_close], second[is_close]]
    decided_by_a_bit = sums[np.unique(np.concatenate(found))]
    is_equal = np.abs(sums[:, None] - decided_by_a_bit) <= ROUNDING * sums[:, None]
    return np.flatnonzero(is_equal.any(axis=1))


def _correct(correlations: Values, values: Values, features: Positions) -> None:
    """Put pandas' own numbers, to the last bit, where some features are: of columns in the order that they have."""
    if len(features) == 0:
        return
    others = np.setdiff1d(np.arange(len(correlations)), features)
    for start in range(0, max(len(others), 1), len(features)):
        part = np.sort(np.concatenate([features, others[start : start + len(features)]]))
        exact = pd.DataFrame(values[:, part]).corr().to_numpy()
        is_one = np.isin(part, features)
        correlations[np.ix_(part[is_one], part)] = exact[is_one]
        correlations[np.ix_(part, part[is_one])] = exact[:, is_one]


def _patterns(is_there: NDArray[np.bool_]) -> list[Positions]:
    """Features that have values in the same wells, by position: few wells lack some, and they lack them together."""
    found: dict[bytes, list[int]] = {}
    for position, packed in enumerate(np.packbits(is_there, axis=0).T):
        found.setdefault(packed.tobytes(), []).append(position)
    return [np.array(positions) for positions in found.values()]


def _by_pattern(values: Values, is_there: NDArray[np.bool_], patterns: list[Positions]) -> Values:
    """Correlations in the wells that both features have, a block for each two patterns."""
    correlations = np.full((values.shape[1], values.shape[1]), np.nan)
    for number, first in enumerate(patterns):
        for second in patterns[: number + 1]:
            wells = is_there[:, first[0]] & is_there[:, second[0]]
            block = _block(values[np.ix_(wells, first)], values[np.ix_(wells, second)])
            correlations[np.ix_(first, second)] = block
            correlations[np.ix_(second, first)] = block.T
    return correlations


def _block(first: Values, second: Values) -> Values:
    """Correlations of the columns of two arrays without missing values; NaN for those that do not vary."""
    if len(first) == 0:
        return np.full((first.shape[1], second.shape[1]), np.nan)
    return np.clip(_standardized(first).T @ _standardized(second), -1.0, 1.0)


def _standardized(columns: Values) -> Values:
    """Columns with mean 0 and length 1."""
    centred = columns - columns.mean(axis=0)
    lengths = np.sqrt((centred**2).sum(axis=0))
    lengths[columns.max(axis=0) == columns.min(axis=0)] = np.nan
    return np.asarray(centred / lengths, dtype=np.float64)
