"""Features that say what another one says already."""

import warnings

import numpy as np
import pandas as pd

from cellpainting.profiles.profiles import Values

BLOCK = 512  # features whose pairs are looked at together


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
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        if np.isfinite(values).all():
            by_feature = np.ascontiguousarray(values.T)  # as frames have them in memory: it decides the last bit, too
            return pd.DataFrame(np.atleast_2d(np.corrcoef(by_feature)))
        return pd.DataFrame(values).corr()
