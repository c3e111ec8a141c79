"""The features that are left are pycytominer's, and every one that is not is told by operation."""

from dataclasses import replace
from functools import cache

import numpy as np
import pandas as pd
import pycytominer
import pytest

from cellpainting.errors import InvalidRequest
from cellpainting.profiles.config import OPERATIONS, USUAL_OPERATIONS, NormalizeStep, Operation, SelectStep, Thresholds
from cellpainting.profiles.normalize import normalize
from cellpainting.profiles.profile_report import INFINITE
from cellpainting.profiles.profiles import Profiles
from cellpainting.profiles.select_features import Selected, select_features
from tests.worker.profiles.made_plates import TREATMENT, made_plate

pytestmark = [
    # pycytominer's own, of features without a value
    pytest.mark.filterwarnings("ignore:Degrees of freedom:RuntimeWarning"),
    pytest.mark.filterwarnings("ignore:All-NaN slice encountered:RuntimeWarning"),
]
NOISE = Thresholds(noise_removal_perturb_groups=TREATMENT, noise_removal_stdev_cutoff=0.8)
ORDERS: tuple[tuple[Operation, ...], ...] = (
    *((operation,) for operation in OPERATIONS),
    USUAL_OPERATIONS,
    (*USUAL_OPERATIONS, "drop_outliers"),
    tuple(reversed(OPERATIONS)),
)


@cache
def normalized(epsilon: float = 1e-18) -> Profiles:
    """A normalized plate, some of whose features exploded."""
    plate = made_plate()
    return normalize(plate, plate.features, plate.has_cells(), NormalizeStep(epsilon=epsilon)).profiles


def select(profiles: Profiles, step: SelectStep) -> Selected:
    return select_features(profiles, profiles.features, profiles.has_cells(step.min_cells), step)


def theirs(profiles: Profiles, step: SelectStep) -> set[str]:
    """The features that pycytominer leaves, by the wells that have cells."""
    cuts = step.thresholds
    selected = pycytominer.feature_select(
        profiles.take(profiles.has_cells()).frame(),
        features=list(profiles.features),
        operation=list(step.operations),
        na_cutoff=cuts.na_cutoff,
        corr_threshold=cuts.corr_threshold,
        freq_cut=cuts.freq_cut,
        unique_cut=cuts.unique_cut,
        min_variance=cuts.min_variance,
        outlier_cutoff=cuts.outlier_cutoff,
        noise_removal_perturb_groups=cuts.noise_removal_perturb_groups,
        noise_removal_stdev_cutoff=cuts.noise_removal_stdev_cutoff,
    )
    return {name for name in selected if not name.startswith("Metadata_")}


@pytest.mark.parametrize("operations", ORDERS, ids="-".join)
def test_features_are_selected_as_by_pycytominer(operations: tuple[Operation, ...]) -> None:
    step = SelectStep(operations=operations, thresholds=NOISE)
    selected = select(normalized(), step)
    assert set(selected.features) == theirs(normalized(), step)
    assert len(selected.features) < len(normalized().features)


@pytest.mark.parametrize(
    "thresholds",
    [
        replace(NOISE, na_cutoff=0.3, corr_threshold=0.7),
        replace(NOISE, freq_cut=0.3, unique_cut=0.2, min_variance=0.9),
        replace(NOISE, outlier_cutoff=8.0, noise_removal_stdev_cutoff=1.2),
    ],
)
def test_thresholds_are_those_of_pycytominer(thresholds: Thresholds) -> None:
    step = SelectStep(operations=OPERATIONS, thresholds=thresholds)
    assert set(select(normalized(), step).features) == theirs(normalized(), step)


@pytest.mark.parametrize("operations", ORDERS, ids="-".join)
def test_removed_features_and_those_left_add_up(operations: tuple[Operation, ...]) -> None:
    selected = select(normalized(), SelectStep(operations=operations, thresholds=NOISE))
    assert tuple(selected.removed) == operations
    told = [*selected.features, *(name for names in selected.removed.values() for name in names)]
    assert sorted(told) == sorted(normalized().features)


def test_features_keep_their_order() -> None:
    profiles = normalized()
    selected = select(profiles, SelectStep())
    assert selected.features == tuple(name for name in profiles.features if name in set(selected.features))


def test_infinite_features_are_removed_first_and_the_rest_is_as_by_pycytominer() -> None:
    profiles = normalized(epsilon=0)
    infinite = {
        name
        for name, values in zip(profiles.features, profiles.values.T, strict=True)
        if np.isinf(values[profiles.has_cells()]).any()
    }
    selected = select(profiles, SelectStep())
    assert infinite
    assert set(selected.removed[INFINITE]) == infinite
    finite = profiles.keep(set(profiles.features) - infinite)
    assert set(selected.features) == theirs(finite, SelectStep())


def test_wells_without_cells_do_not_count() -> None:
    profiles = normalized()
    values = profiles.values.copy()
    values[~profiles.has_cells()] = 1e9
    assert select(replace(profiles, values=values), SelectStep()) == select(profiles, SelectStep())


def of_columns(**columns: list[float]) -> Profiles:
    """Profiles of a few numbers."""
    frame = pd.DataFrame(columns)
    metadata = pd.DataFrame(
        {"Metadata_Plate": "P1", "Metadata_Well": [f"A{one:02}" for one in range(1, len(frame) + 1)]}
    )
    return Profiles(metadata, frame.to_numpy(), tuple(columns))


def test_that_no_feature_is_left_is_told_by_operation() -> None:
    profiles = of_columns(Cells_A=[1.0, 1.0, 1.0], Cells_B=[1.0, 9999.0, 3.0])
    step = SelectStep(operations=("variance_threshold", "drop_outliers"))
    with pytest.raises(InvalidRequest, match="no feature is left of 2: 1 by variance_threshold, 1 by drop_outliers"):
        select(profiles, step)


def test_that_there_is_no_well_to_choose_by_is_told() -> None:
    profiles = of_columns(Cells_A=[1.0, 2.0])
    with pytest.raises(InvalidRequest, match="no well has 1 cells or more, to choose features by"):
        select_features(profiles, profiles.features, np.zeros(2, dtype=np.bool_), SelectStep())


def test_a_column_for_noise_removal_that_is_not_there_is_told() -> None:
    step = SelectStep(operations=("noise_removal",), thresholds=NOISE)
    with pytest.raises(InvalidRequest, match=f"there is no column '{TREATMENT}' for noise_removal"):
        select(of_columns(Cells_A=[1.0, 2.0]), step)
