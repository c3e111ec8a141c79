"""Two scores of replicates, by copairs: their correlation against chance, and their mean average precision.

copairs is imported where it is used: that takes seconds.
"""

import math
import os
import tempfile
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cellpainting.profiles.profiles import Rows, Values
from cellpainting.quality.replicate_wells import ReplicateWells

SEED = 0
NULL_SAMPLES = 1_000
MOST_PAIRS = 50  # of one sample of the null, as copairs.replicating has it
NULL_SIZE = 10_000
SIGNIFICANT = 0.05
MEMORY = 256 * 2**20  # bytes that all of copairs' threads may take for pairs of profiles
COPIES = 12  # arrays of a batch of pairs that one thread has at a time, at most


@dataclass(frozen=True)
class Correlations:
    """`medians` has the median correlation of each group with two wells or more; `score` is percent replicating."""

    medians: dict[int, float]
    null: tuple[float, ...] = ()
    score: float | None = None
    threshold: float | None = None


@dataclass(frozen=True)
class Precision:
    """Mean average precision of one group, its p-value, and that with Benjamini and Hochberg's correction."""

    mean: float
    p_value: float
    corrected_p_value: float


@dataclass(frozen=True)
class Precisions:
    """The precision of groups that have one. `wells_alone` are those on plates without negative controls.

    `by_chance` counts groups whose few controls chance alone ranks behind all replicates in more than 1 of 20 cases.
    """

    groups: dict[int, Precision]
    wells_alone: int = 0
    by_chance: int = 0


def replicate_correlations(found: ReplicateWells) -> Correlations:
    """Correlate replicates, and random wells of different treatments; negative controls are no treatments.

    The same numbers as those of copairs.replicating.correlation_test, in memory that does not grow with the number of
    processors: that function takes half a gigabyte per thread.

    Source: copairs.replicating.
    """
    medians = {
        int(group): _median_correlation(found.values[rows])
        for group, rows in found.wells.groupby("group").indices.items()
        if len(rows) > 1
    }
    treated = ~found.is_negative
    groups, values = found.groups[treated], found.values[treated]
    _, wells = np.unique(groups, return_counts=True)
    if len(wells) < 2 or wells.max() < 2:
        return Correlations(medians)
    from copairs.replicating import CorrelationTestResult

    pairs = min(int(np.median(wells[wells > 1] - 1)), MOST_PAIRS)
    null = _null(groups, values, pairs)
    ours = pd.DataFrame({"median": [medians[group] for group in np.unique(groups) if group in medians]})
    score, threshold = CorrelationTestResult(ours, pd.Series(null)).percent_score_right()
    return Correlations(medians, tuple(map(float, null)), float(score), float(threshold))


def _median_correlation(values: Values) -> float:
    """The median Pearson correlation of all pairs of rows."""
    correlations = np.atleast_2d(np.corrcoef(values))
    return float(np.median(correlations[np.triu_indices(len(values), k=1)]))


def _null(groups: NDArray[np.int64], values: Values, pairs: int) -> NDArray[np.float32]:
    """Medians of the correlations of so many random pairs of different groups."""
    from copairs.compute import get_similarity_fn
    from copairs.matching import Matcher

    matcher = Matcher(pd.DataFrame({"group": groups}), ["group"], seed=SEED)
    drawn = np.array([matcher.sample_null_pair(["group"]) for _ in range(NULL_SAMPLES * pairs)])
    correlate = get_similarity_fn("correlation", progress_bar=False)
    correlations = correlate(values, drawn, batch_size=_batch_size(values.shape[1]))
    return np.asarray(np.median(correlations.reshape(-1, pairs), axis=1), dtype=np.float32)


def replicate_precisions(found: ReplicateWells) -> Precisions:
    """How far up replicates are where a well's own replicates and the negative controls of its plate are ranked by
    their cosine similarity with it.

    Source: copairs.map.
    """
    plates, is_negative = found.plates, found.is_negative
    has_controls = np.isin(plates, plates[is_negative])
    wells_alone = int((~has_controls).sum()) if is_negative.any() else 0
    treated = found.groups[has_controls & ~is_negative]
    if len(treated) == len(np.unique(treated)):
        return Precisions({}, wells_alone)
    ranked = _ranked(found, has_controls)
    return Precisions(_scored(ranked), wells_alone, _ranked_by_chance(ranked))


def _ranked(found: ReplicateWells, rows: Rows) -> pd.DataFrame:
    """The average precision of some wells: those that have replicates."""
    from copairs.map import average_precision

    references = np.where(found.is_negative, np.arange(len(rows)), -1)  # no control is the replicate of another
    table = pd.DataFrame({"plate": found.plates, "group": found.groups, "reference": references})
    ranked = average_precision(
        table[rows].reset_index(drop=True),
        found.values[rows],
        pos_sameby=["group", "reference"],
        pos_diffby=[],
        neg_sameby=["plate"],
        neg_diffby=["group", "reference"],
        batch_size=_batch_size(found.values.shape[1]),
        progress_bar=False,
    )
    return ranked[ranked["n_pos_pairs"] > 0]


def _scored(ranked: pd.DataFrame) -> dict[int, Precision]:
    """The mean average precision of each group of wells."""
    from copairs.map import mean_average_precision

    # With a cache that lasts, p-values would depend on what was scored before.
    with tempfile.TemporaryDirectory() as cache:
        scores = mean_average_precision(
            ranked, ["group"], NULL_SIZE, SIGNIFICANT, SEED, progress_bar=False, cache_dir=cache
        )
    columns = scores[["group", "mean_average_precision", "p_value", "corrected_p_value"]]
    return {int(group): Precision(float(mean), float(p), float(q)) for group, mean, p, q in columns.to_numpy()}


def _ranked_by_chance(ranked: pd.DataFrame) -> int:
    """In how many groups a perfect precision is no wonder. copairs counts only what is better than perfect: nothing."""
    chances: dict[int, float] = {}
    for group, replicates, compared in ranked[["group", "n_pos_pairs", "n_total_pairs"]].to_numpy(dtype=np.int64):
        chances[group] = chances.get(group, 1.0) / math.comb(int(compared), int(replicates))
    return sum(chance > SIGNIFICANT for chance in chances.values())


def _batch_size(features: int) -> int:
    """How many pairs of profiles a thread of copairs may take at a time; it has a thread per processor."""
    threads = os.cpu_count() or 1
    return max(1, MEMORY // (threads * COPIES * features * np.dtype(np.float64).itemsize))
