"""A plate of 384 wells with 5,792 features comes out as pycytominer makes it, from its own slow functions.

Here is what size may matter to; every method and operation is compared on fewer features beside.
"""

import warnings
from collections.abc import Iterator

import pandas as pd
import pycytominer
import pytest

from cellpainting.profiles.config import USUAL_OPERATIONS, NormalizeStep, Operation, SelectStep
from cellpainting.profiles.normalize import normalize
from cellpainting.profiles.profiles import Profiles
from cellpainting.profiles.select_features import select_features
from tests.worker.profiles.made_plates import NEGCON, assert_same, made_plate, negative

pytestmark = [pytest.mark.peers, pytest.mark.timeout(600)]
FEATURES = 5792
MEASURED = "Metadata_Object_Count > 0"
USUAL = NormalizeStep(method="mad_robustize", epsilon=1e-18)


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    """pycytominer warns of features without a value."""
    with warnings.catch_warnings(action="ignore", category=RuntimeWarning):
        yield


@pytest.fixture(scope="module")
def plate() -> Profiles:
    return made_plate(FEATURES)


@pytest.fixture(scope="module")
def normalized(plate: Profiles) -> Profiles:
    with warnings.catch_warnings(action="error"):  # none of ours
        return normalize(plate, plate.features, plate.has_cells(), USUAL).profiles


@pytest.fixture(scope="module")
def measured(normalized: Profiles) -> pd.DataFrame:
    """The wells that have cells, as pycytominer takes them."""
    return normalized.take(normalized.has_cells()).frame()


def normalized_by_pycytominer(plate: Profiles, samples: str) -> pd.DataFrame:
    return pycytominer.normalize(
        plate.frame(),
        features=list(plate.features),
        samples=samples,
        method=USUAL.method,
        mad_robustize_epsilon=USUAL.epsilon,
    )


def test_it_is_normalized_to_the_whole_plate_as_by_pycytominer(plate: Profiles, normalized: Profiles) -> None:
    assert_same(normalized, normalized_by_pycytominer(plate, MEASURED))


def test_it_is_normalized_to_negative_controls_as_by_pycytominer(plate: Profiles) -> None:
    made = normalize(plate, plate.features, negative(plate), USUAL)
    assert_same(made.profiles, normalized_by_pycytominer(plate, f"{MEASURED} and {NEGCON}"))


@pytest.mark.parametrize("operations", [("frequency_threshold",), (*USUAL_OPERATIONS, "drop_outliers")], ids="-".join)
def test_features_are_selected_as_by_pycytominer(
    normalized: Profiles, measured: pd.DataFrame, operations: tuple[Operation, ...]
) -> None:
    # With a missing value anywhere, pandas takes half a minute for the correlations.
    whole = [name for name in normalized.features if measured[name].notna().all()]
    profiles = normalized.keep(whole)
    selected = select_features(profiles, whole, profiles.has_cells(), SelectStep(operations=operations))
    theirs = pycytominer.feature_select(
        measured[[*profiles.metadata, *whole]], features=whole, operation=list(operations)
    )
    assert selected.features == tuple(name for name in theirs if not name.startswith("Metadata_"))
    assert 100 < len(selected.features) < FEATURES
