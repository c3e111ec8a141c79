"""Whether wells are alike because they are neighbours: percent matching by row and column."""

import numpy as np
from numpy.typing import NDArray

from cellpainting.profiles.profiles import Values

PERCENTILE = 95


def correlations(values: Values) -> Values:
    """Pearson correlations of all rows with all, of shape (wells, wells).

    Features with a missing or infinite value are left out. A well whose features do not vary has no correlation: NaN.

    Parameters
    ----------
    values
        float64 of shape (wells, features).
    """
    complete = values[:, np.isfinite(values).all(axis=0)]
    varies = np.ptp(complete, axis=1) > 0 if complete.size else np.zeros(len(values), dtype=np.bool_)
    found = np.full((len(values), len(values)), np.nan)
    if varies.any():
        found[np.ix_(varies, varies)] = np.atleast_2d(np.corrcoef(complete[varies]))
    return found


def percent_matching(found: Values, rows: NDArray[np.int64], columns: NDArray[np.int64]) -> Values:
    """The percentage of the correlations of each well with wells of its row or column that are above the 95th
    percentile of its correlations with all others; NaN for a well that has none of either.

    By chance, it is 5 %. A well is not compared with itself.

    Source: profiling-recipe, which finds rows and columns by their letters within the names of wells.

    Parameters
    ----------
    found
        Correlations, of shape (wells, wells).
    rows, columns
        The place of each well.
    """
    is_near = (rows[:, np.newaxis] == rows) | (columns[:, np.newaxis] == columns)
    is_known = ~np.isnan(found)
    np.fill_diagonal(is_known, False)
    matching = np.full(len(found), np.nan)
    for well in range(len(found)):
        near = found[well, is_near[well] & is_known[well]]
        far = found[well, ~is_near[well] & is_known[well]]
        if near.size and far.size:
            matching[well] = 100 * np.mean(near > np.percentile(far, PERCENTILE))
    return matching
