"""How alike replicates are: the numbers are those of copairs, and what cannot be known is None, with a reason."""

import json
from collections.abc import Sequence
from dataclasses import replace
from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from copairs.map import average_precision, mean_average_precision
from copairs.replicating import correlation_test

from cellpainting.errors import InvalidRequest
from cellpainting.profiles.config import Controls
from cellpainting.profiles.profiles import Profiles
from cellpainting.quality.replicates import ReplicateQuality, TreatmentQuality, replicate_quality

TREATMENT = "Metadata_broad_sample"
FEATURES = 40
Well = tuple[str, str | None, str | None]  # plate, treatment, control type


def profiles_of(wells: Sequence[Well], strength: float = 1.0, seed: int = 0) -> Profiles:
    """Wells whose treatments have a signature each, of some strength against noise of 1; controls have none."""
    random = np.random.default_rng(seed)
    signatures = {name: random.normal(size=FEATURES) for name in dict.fromkeys(name for _, name, _ in wells)}
    values = np.array(
        [
            random.normal(size=FEATURES) + (0 if kind == "negcon" else strength) * signatures[name]
            for _, name, kind in wells
        ]
    )
    metadata = pd.DataFrame(
        {
            "Metadata_Plate": [plate for plate, _, _ in wells],
            "Metadata_Well": [f"A{number:02}" for number in range(1, len(wells) + 1)],
            TREATMENT: [name for _, name, _ in wells],
            "Metadata_control_type": [kind for _, _, kind in wells],
        }
    )
    return Profiles(metadata, values, tuple(f"Cells_F{number}" for number in range(FEATURES)))


def plate_of(treatments: int = 12, wells: int = 3, controls: int = 16, plate: str = "P1") -> list[Well]:
    """The wells of one plate; DMSO has no name, as on JUMP's platemaps."""
    treated: list[Well] = [(plate, f"T{number:02}", None) for number in range(treatments) for _ in range(wells)]
    return [*treated, *[(plate, None, "negcon")] * controls]


def quality_of(profiles: Profiles, controls: Controls | None = None) -> ReplicateQuality:
    return replicate_quality(profiles, TREATMENT, controls or Controls())


def treatment(quality: ReplicateQuality, name: str) -> TreatmentQuality:
    (found,) = [one for one in quality.treatments if one.treatment == name]
    return found


@pytest.mark.parametrize(("wells", "strength"), [(2, 1.0), (3, 0.3), (5, 0.5)])
def test_percent_replicating_is_that_of_copairs(wells: int, strength: float) -> None:
    profiles = profiles_of(plate_of(wells=wells), strength)
    quality = quality_of(profiles)
    treated = profiles.take(np.asarray(profiles.metadata[TREATMENT].notna()))
    theirs = correlation_test(treated.values, treated.metadata[[TREATMENT]], [TREATMENT], [], 1000, progress_bar=False)
    score, threshold = theirs.percent_score_right()
    assert quality.percent_replicating == score
    assert quality.threshold == pytest.approx(threshold)
    assert quality.null == pytest.approx(theirs.null_dist.tolist())
    assert len(quality.null) == 1000
    for name, correlation in theirs.corr_dist.items():
        assert treatment(quality, name).correlation == pytest.approx(correlation, abs=1e-6)


def test_correlation_of_a_treatment_is_the_median_of_all_its_pairs() -> None:
    profiles = profiles_of(plate_of(wells=4))
    rows = np.flatnonzero(profiles.metadata[TREATMENT] == "T03")
    pairs = [np.corrcoef(profiles.values[one], profiles.values[other])[0, 1] for one, other in combinations(rows, 2)]
    assert len(pairs) == 6
    assert treatment(quality_of(profiles), "T03").correlation == pytest.approx(np.median(pairs))


def test_mean_average_precision_is_that_of_copairs(tmp_path: Path) -> None:
    profiles = profiles_of([*plate_of(plate="P1"), *plate_of(plate="P2", controls=8)], strength=0.5)
    quality = quality_of(profiles)
    is_control = profiles.metadata[TREATMENT].isna().to_numpy()
    table = pd.DataFrame(
        {
            "plate": profiles.metadata["Metadata_Plate"],
            "treatment": profiles.metadata[TREATMENT].fillna("DMSO"),
            "reference": np.where(is_control, np.arange(len(is_control)), -1),
        }
    )
    keys = ["treatment", "reference"]
    ranked = average_precision(table, profiles.values, keys, [], ["plate"], keys, progress_bar=False)
    theirs = mean_average_precision(ranked, ["treatment"], 10_000, 0.05, 0, progress_bar=False, cache_dir=tmp_path)
    assert len(theirs) == 12
    for row in theirs.itertuples():
        ours = treatment(quality, row.treatment)
        assert ours.mean_average_precision == pytest.approx(row.mean_average_precision)
        assert (ours.p_value, ours.corrected_p_value) == (row.p_value, row.corrected_p_value)
    assert quality.significant == theirs["below_corrected_p"].mean()
    assert quality.significant not in (0, 1)


def test_mean_average_precision_is_that_of_a_computation_by_hand() -> None:
    profiles = profiles_of(plate_of(treatments=3, wells=3, controls=6), strength=0.4)
    units = profiles.values / np.linalg.norm(profiles.values, axis=1, keepdims=True)
    similarity = units @ units.T
    precisions = []
    for query in range(3):  # the wells of T00
        others = [row for row in (*range(3), *range(9, 15)) if row != query]
        ranking = sorted(others, key=lambda row: -similarity[query, row])
        places = [place for place, row in enumerate(ranking, start=1) if row < 3]
        precisions.append(np.mean([found / place for found, place in enumerate(places, start=1)]))
    assert treatment(quality_of(profiles), "T00").mean_average_precision == pytest.approx(np.mean(precisions))


def test_only_controls_of_the_own_plate_are_compared_with() -> None:
    wells = [
        *plate_of(plate="P1"),
        *((plate, name and f"{name} too", kind) for plate, name, kind in plate_of(plate="P2")),
    ]
    profiles = profiles_of(wells)
    before = treatment(quality_of(profiles), "T00")
    is_elsewhere = (profiles.metadata["Metadata_Plate"] == "P2") & profiles.metadata[TREATMENT].isna()
    profiles.values[is_elsewhere] = profiles.values[0]  # more alike than any replicate
    after = treatment(quality_of(profiles), "T00")
    assert (after.mean_average_precision, after.p_value) == (before.mean_average_precision, before.p_value)


def test_strong_treatments_replicate_and_noise_does_not() -> None:
    strong, noise = quality_of(profiles_of(plate_of(), strength=3.0)), quality_of(profiles_of(plate_of(), strength=0.0))
    assert strong.percent_replicating == strong.significant == 1.0
    assert noise.percent_replicating is not None
    assert noise.percent_replicating < 0.3
    assert noise.significant == 0.0
    assert strong.remarks == noise.remarks == ()


def test_numbers_do_not_depend_on_what_was_scored_before() -> None:
    first = quality_of(profiles_of(plate_of(), 0.4))
    assert quality_of(profiles_of([*plate_of(), *plate_of(wells=5, plate="P2")], 0.4)) != first
    assert quality_of(profiles_of(plate_of(), 0.4)) == first


def test_negative_controls_are_listed_as_such_and_are_no_treatment() -> None:
    quality = quality_of(profiles_of(plate_of(), strength=3.0))
    control = treatment(quality, "negcon")  # its control type stands for a name that it has not
    assert (control.kind, control.wells) == ("negcon", 16)
    assert control.correlation is not None
    assert abs(control.correlation) < 0.2
    assert (control.mean_average_precision, control.p_value, control.corrected_p_value) == (None, None, None)
    assert {one.kind for one in quality.treatments} == {"negcon", "trt"}
    assert quality.percent_replicating == 1.0  # 12 of 12, with the control it were 12 of 13


def test_negative_controls_may_be_named_and_positive_ones_keep_their_kind() -> None:
    wells: list[Well] = [("P1", "DMSO", "vehicle")] * 8 + [("P1", "AMG900", "poscon_cp")] * 4 + plate_of(controls=0)
    quality = quality_of(profiles_of(wells, strength=2.0), Controls(negative=("vehicle",)))
    assert (treatment(quality, "DMSO").kind, treatment(quality, "AMG900").kind) == ("negcon", "poscon_cp")
    assert treatment(quality, "AMG900").mean_average_precision is not None
    assert treatment(quality, "DMSO").mean_average_precision is None


def test_no_treatment_with_two_wells_leaves_nothing_to_compare() -> None:
    quality = quality_of(profiles_of(plate_of(wells=1)))
    assert (quality.percent_replicating, quality.threshold, quality.significant, quality.null) == (None, None, None, ())
    assert treatment(quality, "T00").correlation is None
    assert quality.remarks == ("No treatment has two wells: there are no replicates to compare.",)


def test_a_treatment_with_one_well_among_others_is_listed_and_told() -> None:
    quality = quality_of(profiles_of([*plate_of(), ("P1", "alone", None)]))
    lone = treatment(quality, "alone")
    assert (lone.wells, lone.correlation, lone.mean_average_precision) == (1, None, None)
    assert quality.remarks == ("1 of 13 treatments have one well only, so that there is no replicate to compare.",)


def test_without_negative_controls_there_is_no_mean_average_precision() -> None:
    quality = quality_of(profiles_of(plate_of(controls=0)))
    assert quality.percent_replicating is not None
    assert quality.significant is None
    assert {one.mean_average_precision for one in quality.treatments} == {None}
    (remark,) = quality.remarks
    assert remark.startswith("No well has 'negcon' in Metadata_control_type:")


def test_wells_on_a_plate_without_controls_are_not_called_perfect() -> None:
    profiles = profiles_of([*plate_of(plate="P1"), *plate_of(plate="P2", controls=0)], strength=0.0)
    quality = quality_of(profiles)
    first = quality_of(profiles.take(np.asarray(profiles.metadata["Metadata_Plate"] == "P1")))
    assert treatment(quality, "T00").mean_average_precision == treatment(first, "T00").mean_average_precision
    assert quality.remarks == (
        "36 wells are on plates without negative controls, and so in no mean average precision.",
    )


def test_too_few_controls_for_any_p_value_are_told() -> None:
    quality = quality_of(profiles_of(plate_of(wells=2, controls=2), strength=3.0))
    (remark,) = quality.remarks
    assert remark.startswith("12 of 12 treatments have so few replicates and negative controls")
    assert quality.significant is None


def test_one_treatment_has_no_others_to_be_compared_with() -> None:
    quality = quality_of(profiles_of(plate_of(treatments=1)))
    assert (quality.percent_replicating, quality.null) == (None, ())
    assert treatment(quality, "T00").correlation is not None
    assert treatment(quality, "T00").mean_average_precision is not None
    assert quality.remarks == ("There is one treatment only: percent replicating needs others to compare with.",)


def test_wells_without_cells_without_treatment_and_without_values_are_left_out_and_counted() -> None:
    profiles = profiles_of(plate_of())
    expected = quality_of(profiles.take(np.arange(len(profiles.values)) > 3))
    profiles.metadata["Metadata_Object_Count"] = 100.0
    profiles.metadata.loc[0, "Metadata_Object_Count"] = 0.0
    profiles.metadata.loc[1, TREATMENT] = None
    profiles.metadata.loc[2, TREATMENT] = " "
    profiles.values[3] = np.nan
    quality = quality_of(profiles)
    assert quality.treatments == expected.treatments
    assert quality.percent_replicating == expected.percent_replicating
    assert quality.remarks[:3] == (
        "1 well without cells left out.",
        f"2 wells without a treatment in {TREATMENT} left out.",
        "1 well without any value left out.",
    )


def test_features_with_missing_or_infinite_values_are_left_out_and_counted() -> None:
    profiles = profiles_of(plate_of())
    expected = quality_of(profiles.keep(profiles.features[3:]))
    profiles.values[5, 0], profiles.values[6, 1], profiles.values[7, 2] = np.nan, np.inf, -np.inf
    quality = quality_of(profiles)
    assert replace(quality, remarks=()) == replace(expected, remarks=())
    assert quality.remarks == ("3 features with missing or infinite values left out.",)


def test_wells_whose_features_do_not_vary_are_left_out_and_counted() -> None:
    profiles = profiles_of(plate_of())
    expected = quality_of(profiles.take(np.arange(len(profiles.values)) > 0))
    profiles.values[0] = 0.1
    quality = quality_of(profiles)
    assert replace(quality, remarks=()) == replace(expected, remarks=())
    assert quality.remarks == ("1 well with one and the same value in all features left out.",)


@pytest.mark.parametrize("features", [0, 1])
def test_profiles_with_next_to_no_features_give_no_numbers(features: int) -> None:
    profiles = profiles_of(plate_of())
    quality = quality_of(profiles.keep(profiles.features[:features]))
    assert quality.treatments == ()
    assert "No well has a treatment that is no negative control: there is nothing to compare." in quality.remarks


def test_profiles_without_wells_give_no_numbers() -> None:
    profiles = profiles_of(plate_of())
    quality = quality_of(profiles.take(np.zeros(len(profiles.values), dtype=np.bool_)))
    assert (quality.treatments, quality.percent_replicating) == ((), None)


def test_treatments_may_be_numbers_and_have_any_name() -> None:
    profiles = profiles_of(plate_of(treatments=4))
    names = {"T00": 1, "T01": 2.5, "T02": "a 'b'; \"c\"", "T03": "né\n"}
    profiles.metadata[TREATMENT] = profiles.metadata[TREATMENT].map(lambda name: names.get(name, name))
    renamed = profiles.metadata.rename(columns={TREATMENT: 'Metadata odd "column"'})
    quality = replicate_quality(replace(profiles, metadata=renamed), 'Metadata odd "column"', Controls())
    assert [one.treatment for one in quality.treatments] == ["1", "2.5", "a 'b'; \"c\"", "negcon", "né"]


@pytest.mark.parametrize("missing", [TREATMENT, "Metadata_Plate"])
def test_a_column_that_is_not_there_is_refused_by_name(missing: str) -> None:
    profiles = profiles_of(plate_of())
    without = replace(profiles, metadata=profiles.metadata.drop(columns=missing))
    with pytest.raises(InvalidRequest, match=f"no column '{missing}'.*the profiles have Metadata_"):
        quality_of(without)


def test_json_and_csv_have_everything() -> None:
    quality = quality_of(profiles_of([*plate_of(), ("P1", "alone", None)]))
    assert ReplicateQuality.from_json(quality.to_json()) == quality
    assert json.loads(quality.to_json())["treatment_column"] == TREATMENT
    assert quality.frame().rows(named=True)[0] == vars(quality.treatments[0])
    lines = quality.to_csv().decode().splitlines()
    assert lines[0] == "treatment,kind,wells,correlation,mean_average_precision,p_value,corrected_p_value"
    assert lines[-1] == "negcon,negcon,16," + lines[-1].split(",")[3] + ",,,"
    assert "alone,trt,1,,,," in lines


def test_nothing_is_written_to_the_home_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    quality_of(profiles_of(plate_of(treatments=2)))
    assert not [*tmp_path.iterdir()]
