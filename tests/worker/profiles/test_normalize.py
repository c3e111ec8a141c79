"""Normalized profiles are pycytominer's, and what cannot be normalized is told by name."""

from dataclasses import replace
from functools import cache

import numpy as np
import pandas as pd
import pycytominer
import pytest
from pycytominer.operations import Spherize

from cellpainting.errors import InvalidRequest
from cellpainting.profiles.config import SPHERIZE_METHODS, Method, NormalizeStep, SpherizeMethod
from cellpainting.profiles.normalize import normalize
from cellpainting.profiles.profiles import Profiles
from tests.worker.profiles.made_plates import NEGCON, assert_same, made_plate, negative

pytestmark = [
    # pycytominer's own, of features without a value
    pytest.mark.filterwarnings("ignore:All-NaN slice encountered:RuntimeWarning"),
    pytest.mark.filterwarnings("ignore:Degrees of freedom:RuntimeWarning"),
    pytest.mark.filterwarnings("ignore:Mean of empty slice:RuntimeWarning"),
    pytest.mark.filterwarnings("ignore:After omitting NaNs:RuntimeWarning"),
]
MEASURED = "Metadata_Object_Count > 0"
STEPS = (
    NormalizeStep(method="standardize"),
    NormalizeStep(method="robustize"),
    NormalizeStep(method="mad_robustize", epsilon=0),
    NormalizeStep(method="mad_robustize", epsilon=1e-18),
)


def theirs(frame: pd.DataFrame, features: list[str], step: NormalizeStep, samples: str) -> pd.DataFrame:
    """What pycytominer makes of the same."""
    return pycytominer.normalize(
        frame,
        features=features,
        samples=samples,
        method=step.method,
        mad_robustize_epsilon=step.epsilon,
        spherize_method=step.spherize_method,
        spherize_epsilon=step.spherize_epsilon,
    )


def of_wells(values: dict[str, list[float]]) -> Profiles:
    """Profiles of a few numbers."""
    wells = len(next(iter(values.values())))
    metadata = pd.DataFrame({"Metadata_Plate": "P1", "Metadata_Well": [f"A{one:02}" for one in range(1, wells + 1)]})
    return Profiles(metadata, np.array(list(values.values())).T, tuple(values))


@cache
def sphered_plate() -> Profiles:
    """Fewer features than wells, all different; one well has no cell."""
    plate = made_plate()
    return plate.keep(plate.features[50:90])


@pytest.mark.parametrize("step", STEPS, ids=lambda step: f"{step.method}-{step.epsilon:g}")
@pytest.mark.parametrize("samples", [MEASURED, f"{MEASURED} and {NEGCON}"])
def test_a_plate_is_normalized_as_by_pycytominer(step: NormalizeStep, samples: str) -> None:
    plate = made_plate()
    reference = negative(plate) if NEGCON in samples else plate.has_cells()
    made = normalize(plate, plate.features, reference, step)
    with np.errstate(all="ignore"):
        assert_same(made.profiles, theirs(plate.frame(), list(plate.features), step, samples))
    pd.testing.assert_frame_equal(made.profiles.metadata, plate.metadata)


@pytest.mark.parametrize("method", SPHERIZE_METHODS)
@pytest.mark.parametrize("samples", [MEASURED, f"{MEASURED} and {NEGCON}"])
def test_a_plate_is_sphered_as_by_pycytominer(method: SpherizeMethod, samples: str) -> None:
    plate = sphered_plate().keep(sphered_plate().features[:20])
    step = NormalizeStep(method="spherize", spherize_method=method)
    reference = negative(plate) if NEGCON in samples else plate.has_cells()
    made = normalize(plate, plate.features, reference, step)
    assert_same(made.profiles, theirs(plate.frame(), list(plate.features), step, samples))
    assert made.left_out == ()


def test_more_features_than_wells_are_sphered_as_by_pycytominer() -> None:
    plate = sphered_plate()
    reference = negative(plate) & (np.arange(384) < 200)
    made = normalize(plate, plate.features, reference, NormalizeStep(method="spherize"))
    scaler = Spherize(method="ZCA-cor", return_numpy=True).fit(pd.DataFrame(plate.values[reference]))
    assert reference.sum() < len(plate.features)
    expected = scaler.transform(pd.DataFrame(plate.values))
    np.testing.assert_allclose(made.profiles.values, expected, rtol=1e-9)


def test_principal_components_are_not_named_after_features() -> None:
    plate = sphered_plate()
    step = NormalizeStep(method="spherize", spherize_method="PCA")
    made = normalize(plate, plate.features[:5], plate.has_cells(), step)
    assert made.profiles.features == (*plate.features[5:], "PC1", "PC2", "PC3", "PC4", "PC5")
    np.testing.assert_array_equal(made.profiles.values[:, :-5], plate.values[:, 5:])


def test_features_that_are_not_named_stay_as_they_are() -> None:
    plate = made_plate()
    made = normalize(plate, plate.features[50:60], plate.has_cells(), NormalizeStep())
    others = plate.keep(set(plate.features) - set(plate.features[50:60]))
    kept = made.profiles.keep(others.features)
    np.testing.assert_array_equal(kept.values, others.values)


def test_a_well_with_few_cells_is_normalized_but_does_not_say_what_is_normal() -> None:
    profiles = of_wells({"Cells_A": [1.0, 2.0, 3.0, 100.0]})
    made = normalize(profiles, ["Cells_A"], np.array([True, True, True, False]), NormalizeStep(method="standardize"))
    assert made.profiles.values[:3].mean() == pytest.approx(0)
    assert made.profiles.values[3, 0] == pytest.approx(98 / np.std([1, 2, 3]))


@pytest.mark.parametrize("step", STEPS, ids=lambda step: f"{step.method}-{step.epsilon:g}")
def test_features_without_values_or_spread_are_named(step: NormalizeStep) -> None:
    nan = float("nan")
    profiles = of_wells({"Cells_A": [1.0, 2, 3, 4], "Cells_Flat": [5.0] * 4, "Cells_Empty": [nan] * 4})
    made = normalize(profiles, profiles.features, np.ones(4, dtype=np.bool_), step)
    assert made.without_spread == ("Cells_Flat",)
    assert made.without_values == ("Cells_Empty",)
    assert made.profiles.features == profiles.features


def test_exploded_features_are_named_with_their_worst_well() -> None:
    flat = [1.0] * 8
    profiles = of_wells({"Cells_A": [*flat, 1.0, 2.0, 4.0], "Cells_B": [*range(10), 1e4], "Cells_C": [*range(11)]})
    made = normalize(profiles, profiles.features, np.ones(11, dtype=np.bool_), NormalizeStep())
    by_name = {one.feature: one for one in made.exploded}
    assert set(by_name) == {"Cells_A", "Cells_B"}
    assert (by_name["Cells_A"].wells, by_name["Cells_A"].well) == (2, "P1 A11")
    assert by_name["Cells_A"].largest == pytest.approx(3e18)
    assert by_name["Cells_B"].wells == 1


def test_a_feature_divided_by_nothing_is_told_as_infinite() -> None:
    profiles = of_wells({"Cells_A": [1.0, 1.0, 1.0, 2.0]})
    made = normalize(profiles, ["Cells_A"], np.ones(4, dtype=np.bool_), NormalizeStep(epsilon=0))
    (exploded,) = made.exploded
    assert exploded.largest is None
    assert np.isposinf(made.profiles.values[3, 0])


@pytest.mark.parametrize("method", ["standardize", "robustize", "spherize"])
def test_a_feature_with_an_infinite_value_is_left_out_where_it_cannot_be_computed_with(method: Method) -> None:
    plate = sphered_plate()
    values = plate.values.copy()
    values[7, 2] = np.inf
    made = normalize(replace(plate, values=values), plate.features, plate.has_cells(), NormalizeStep(method=method))
    assert made.left_out == (plate.features[2],)
    assert len(made.profiles.features) == len(plate.features) - 1


def test_a_missing_value_of_a_treated_well_does_not_take_the_whole_well_along_when_sphered() -> None:
    plate = sphered_plate()
    values = plate.values.copy()
    assert plate.metadata["Metadata_control_type"][9] == "trt"
    values[9, 4] = np.nan
    made = normalize(replace(plate, values=values), plate.features, negative(plate), NormalizeStep(method="spherize"))
    assert made.left_out == (plate.features[4],)
    assert np.isfinite(made.profiles.values[9]).all()


def test_wells_that_cannot_be_sphered_are_refused_by_number() -> None:
    profiles = of_wells({"Cells_A": [1.0, 1.0, 1.0]})
    with pytest.raises(InvalidRequest, match=r"3 wells of 0 features cannot be sphered: .*another method"):
        normalize(profiles, ["Cells_A"], np.ones(3, dtype=np.bool_), NormalizeStep(method="spherize"))
