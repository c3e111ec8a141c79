"""The features that are removed are those that pycytominer removes."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pycytominer.operations import correlation_threshold

from cellpainting.profiles.correlation import BLOCK, MOST_PATTERNS, correlated_features
from cellpainting.profiles.profiles import Values
from tests.worker.profiles.made_plates import made_plate

pytestmark = pytest.mark.filterwarnings("ignore:invalid value encountered:RuntimeWarning")  # numpy's, of constants


def theirs(values: Values, threshold: float) -> set[int]:
    """The positions that pycytominer removes."""
    names = [f"Cells_F{position}" for position in range(values.shape[1])]
    removed = correlation_threshold(pd.DataFrame(values, columns=names), names, threshold=threshold)
    return {names.index(name) for name in removed}


@st.composite
def tables(draw: st.DrawFn) -> Values:
    """Random columns, then some that are copies, opposites or almost copies of these, constant or not whole."""
    wells, columns = draw(st.integers(3, 12)), draw(st.integers(1, 5))
    random = np.random.default_rng(draw(st.integers(0, 2**32)))
    values = random.normal(size=(wells, columns))
    kinds = st.sampled_from(["same", "opposite", "close", "constant", "missing"])
    for kind in draw(st.lists(kinds, max_size=8)):
        of = values[:, random.integers(values.shape[1])]
        added = {
            "same": of,
            "opposite": -of,
            "close": of + 0.3 * random.normal(size=wells),
            "constant": np.full(wells, 2.0),
            "missing": np.where(random.random(wells) < 0.3, np.nan, of),
        }[kind]
        values = np.column_stack([values, added])
    return values[:, random.permutation(values.shape[1])]


@settings(max_examples=300, deadline=None)
@given(tables(), st.sampled_from([0.0, 0.5, 0.9, 0.99, 1.0]))
def test_the_same_features_are_removed_as_by_pycytominer(values: Values, threshold: float) -> None:
    assert set(correlated_features(values, threshold)) == theirs(values, threshold)


@pytest.mark.parametrize("patterns", [3, MOST_PATTERNS + 1])
def test_missing_values_are_left_out_pair_by_pair(patterns: int) -> None:
    values = made_plate(features=400, wells=384).values[:, 60:]
    values = values[~np.isnan(values).all(axis=1)]
    for number in range(patterns):
        values[number % len(values), number % values.shape[1] :: patterns] = np.nan
    assert set(correlated_features(values, 0.5)) == theirs(values, 0.5)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32), st.sampled_from([0.5, 0.9]))
def test_ties_of_small_whole_numbers_are_broken_as_by_pycytominer(seed: int, threshold: float) -> None:
    values = np.random.default_rng(seed).integers(0, 3, size=(6, 40)).astype(np.float64)
    assert set(correlated_features(values, threshold)) == theirs(values, threshold)


def test_pairs_are_found_across_blocks() -> None:
    plate = made_plate(features=BLOCK + 140, wells=96)
    values = plate.values[plate.has_cells()][:, 50:]
    values[:, -1], values[:, BLOCK] = values[:, 0], values[:, BLOCK - 1]
    removed = set(correlated_features(values, 0.9))
    assert removed == theirs(values, 0.9)
    assert {0, values.shape[1] - 1} & removed
    assert {BLOCK, BLOCK - 1} & removed


def test_no_two_features_that_are_left_correlate_above_the_threshold() -> None:
    plate = made_plate()
    values = np.delete(plate.values[plate.has_cells()], range(30, 48), axis=1)
    left = np.delete(values, correlated_features(values, 0.7), axis=1)
    pairs = np.triu(np.corrcoef(left.T), k=1)
    assert 1 < left.shape[1] < values.shape[1]
    assert pairs.max() <= 0.7


def test_opposites_are_both_kept() -> None:
    one = np.arange(10.0)
    assert correlated_features(np.column_stack([one, -one]), 0.9) == []


def test_one_feature_alone_stays() -> None:
    assert correlated_features(np.arange(5.0)[:, None], 0.0) == []
