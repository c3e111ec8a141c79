"""One profile per treatment is pycytominer's."""

import warnings
from dataclasses import replace
from typing import get_args

import pandas as pd
import pycytominer
import pytest

from cellpainting.errors import InvalidRequest
from cellpainting.profiles.config import Consensus, ConsensusStep
from cellpainting.profiles.consensus import WELLS, consensus
from tests.worker.profiles.made_plates import CONTROL, TREATMENT, assert_same, made_plate


@pytest.mark.parametrize("operation", get_args(Consensus))
@pytest.mark.parametrize("columns", [(TREATMENT,), (TREATMENT, CONTROL)])
def test_a_consensus_is_that_of_pycytominer(operation: Consensus, columns: tuple[str, ...]) -> None:
    plate = made_plate(features=100)
    made, _ = consensus(plate, ConsensusStep(columns, operation))
    wells = plate.frame()[plate.has_cells() & plate.metadata[TREATMENT].notna()]
    with warnings.catch_warnings(action="ignore"):
        theirs = pycytominer.consensus(
            wells, replicate_columns=list(columns), operation=operation, features=list(plate.features)
        )
    assert_same(made, theirs)
    for column in columns:
        assert made.metadata[column].tolist() == theirs[column].tolist()


def test_wells_without_cells_are_in_no_consensus_and_the_others_are_counted() -> None:
    plate = made_plate(features=100)
    made, _ = consensus(plate, ConsensusStep((TREATMENT,)))
    counts = dict(zip(made.metadata[TREATMENT], made.metadata[WELLS], strict=True))
    assert counts["BRD-2"] == 3  # one of four is a control
    assert counts["BRD-0"] == 2  # and of these, one has no cell
    assert sum(counts.values()) == (plate.has_cells() & plate.metadata[TREATMENT].notna()).sum()


def test_wells_without_a_treatment_are_told_by_name() -> None:
    plate = made_plate(features=100, wells=24)
    made, unnamed = consensus(plate, ConsensusStep((TREATMENT,)))
    assert unnamed == ("P1 A01", "P1 A09", "P1 A17")
    assert made.metadata[TREATMENT].notna().all()


def test_a_column_that_is_not_there_is_told() -> None:
    with pytest.raises(InvalidRequest, match=r"there is no column 'Metadata_dose' for a consensus; .*Metadata_Plate"):
        consensus(made_plate(features=100), ConsensusStep((TREATMENT, "Metadata_dose")))


def test_that_no_well_has_a_treatment_is_told() -> None:
    plate = made_plate(features=100)
    nameless = replace(plate, metadata=plate.metadata.assign(**{TREATMENT: pd.Series([None] * 384, dtype=object)}))
    with pytest.raises(InvalidRequest, match=f"no well has a value in {TREATMENT}"):
        consensus(nameless, ConsensusStep((TREATMENT,)))
