"""Features that say what another one says already."""

import warnings

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cellpainting.profiles.profiles import Values

BLOCK = 512  # features whose pairs are looked at together
MOST_PATTERNS = 128  # of missing values; with more of them, pandas is the faster one


def correlated_features(values: Values, threshold: float) -> list[int]:
    """Positions of features to remove, so that no two correlate above `threshold` (Pearson's, with its sign).

    Of two that do, the one is removed that correlates more with all features; the sum of absolute correlations says so.
    The outcome is that of pycytominer.operations.correlation_threshold, which puts every pair of features into a table:
    16 million rows for 5,792 features. Where values are missing, and the sums of two features differ in the last bit
    only, as those of copies, the other one may be removed.

    Parameters
    ----------
    values
        float64 of shape (wells, features); missing values are left out pair by pair.
    threshold
        From 0 to 1.
    """
    table = _correlations(values)
    correlations = table.to_numpy()
    # By pandas, as there: the order of additions tells features that say the same apart, by the last bit of their sums.
    least_first = table.abs().sum().sort_values().index
    ranks = np.empty(len(table), dtype=np.int64)
    ranks[least_first] = np.arange(len(table))
    removed = np.zeros(len(table), dtype=np.bool_)
    for start in range(0, len(table), BLOCK):
        above = np.tril(correlations[start : start + BLOCK] > threshold, k=start - 1)
        first, second = np.nonzero(above)
        first += start
        removed[np.where(ranks[first] > ranks[second], first, second)] = True
    return [int(position) for position in np.flatnonzero(removed)]


def _correlations(values: Values) -> pd.DataFrame:
    """All pairs, of shape (features, features); NaN where a feature does not vary."""
    is_there = np.isfinite(values)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        if is_there.all():
            by_feature = np.ascontiguousarray(values.T)  # as frames have them in memory: it decides the last bit, too
            return pd.DataFrame(np.atleast_2d(np.corrcoef(by_feature)))
        patterns = _patterns(is_there)
        if len(patterns) > MOST_PATTERNS:
            return pd.DataFrame(values).corr()
        return pd.DataFrame(_by_pattern(values, is_there, patterns))


def _patterns(is_there: NDArray[np.bool_]) -> list[NDArray[np.int64]]:
    """Features that have values in the same wells, by position: few wells lack some, and they lack them together."""
    found: dict[bytes, list[int]] = {}
    for position, packed in enumerate(np.packbits(is_there, axis=0).T):
        found.setdefault(packed.tobytes(), []).append(position)
    return [np.array(positions) for positions in found.values()]


def _by_pattern(values: Values, is_there: NDArray[np.bool_], patterns: list[NDArray[np.int64]]) -> Values:
    """Correlations in the wells that both features have, a block for each two patterns."""
    correlations = np.full((values.shape[1], values.shape[1]), np.nan)
    for number, first in enumerate(patterns):
        for second in patterns[: number + 1]:
            wells = is_there[:, first[0]] & is_there[:, second[0]]
            block = _block(values[np.ix_(wells, first)], values[np.ix_(wells, second)])
            correlations[np.ix_(first, second)] = block
            correlations[np.ix_(second, first)] = block.T
    varies = ~np.isnan(np.diagonal(correlations))
    correlations[varies, varies] = 1.0  # and not the last bit less
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
