"""Nothing vanishes: what a step dropped, removed or found odd is in the report beside the profile."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from cellpainting.profiles.profile_report import INFINITE, MakingReport, ProfileReport
from cellpainting.profiles.profiles import Profiles
from tests.worker.backend.plates import write_plate, write_set
from tests.worker.profiles.made_plates import (
    PROFILED,
    WELLS,
    Workspace,
    config_text,
    made_plate,
    reasons,
    rows,
)

PLATES = {"B1": ["P1", "P2"]}
CONFIG = config_text(PLATES, *PROFILED)
FEATURES = 100


@pytest.fixture
def made(workspace: Workspace) -> Workspace:
    """Two plates profiled elsewhere, with a platemap that has not the last well, and has one that was not measured."""
    plate = made_plate(features=FEATURES, wells=48)
    workspace.put_profile("B1", plate)
    workspace.put_profile("B1", made_plate(features=FEATURES, wells=48, plate="P2", seed=1), "P2")
    workspace.put_maps("B1", ["P1", "P2"], [*WELLS[:47], "P24"])
    report = workspace.make(CONFIG)
    assert reasons(report) == []
    return workspace


def remarks(report: ProfileReport) -> dict[str, tuple[str, ...]]:
    return {remark.text: remark.items for remark in report.findings.remarks}


def test_unmatched_wells_are_kept_and_told(made: Workspace) -> None:
    told = remarks(made.report("B1/P1/P1_augmented"))
    assert told["the platemap has not these wells; they are kept, without its columns"] == (WELLS[47],)
    assert told["wells of the platemap that were not measured have no profile"] == ("P24",)
    assert WELLS[47] in made.profile("B1/P1/P1_augmented").metadata["Metadata_Well"].tolist()
    assert made.report("B1/P1/P1_augmented").wells == 48


def test_unmatched_wells_are_dropped_and_told_where_it_is_asked_for(made: Workspace) -> None:
    edit = ("annotate:\n  perform: true", "annotate:\n  drop_unmatched: true")
    assert made.make(config_text(PLATES, *PROFILED, edit)).is_complete
    (dropped,) = made.report("B1/P1/P1_augmented").findings.dropped
    assert (dropped.text, dropped.items) == ("the platemap has not these wells", (WELLS[47],))
    assert made.report("B1/P1/P1_augmented").wells == 47


def test_wells_without_any_of_the_sites_that_count_are_told(workspace: Workspace, tmp_path: Path) -> None:
    analysis = write_plate(tmp_path / "analysis")
    write_set(analysis / "P1-A01-2", "A01", "2", number=2)
    workspace.put_backend("B1", analysis, "P1")
    workspace.make(config_text({"B1": ["P1"]}, ("fields: all", "fields: [2]")))
    (dropped,) = workspace.report("B1/P1/P1").findings.dropped
    assert (dropped.text, dropped.items) == ("no image set of the wells is of site 2", ("A02",))


def test_treatments_without_a_row_are_told(made: Workspace) -> None:
    made.write("metadata/external_metadata/treatments.tsv", rows(("broad_sample", "target"), ("BRD-1", "x")))
    made.make(CONFIG)
    told = next(items for text, items in remarks(made.report("B1/P1/P1_augmented")).items() if "without a row" in text)
    assert told == tuple(f"BRD-{number}" for number in range(12) if number != 1)


def test_controls_and_reference_wells_are_counted_by_plate(made: Workspace) -> None:
    assert made.report("B1/P1/P1_augmented").findings.controls == {"P1": 6}
    assert made.report("B1/P1/P1_normalized").findings.reference == {"P1": 46}
    assert made.report("B1/P1/P1_normalized_negcon").findings.reference == {"P1": 6}
    assert made.report("B1/P2/P2_normalized_feature_select_batch").findings.reference == {"P1": 46, "P2": 46}


def test_removed_features_by_operation_and_those_left_add_up(made: Workspace) -> None:
    report = made.report("B1/P1/P1_normalized_feature_select_batch")
    removed = report.findings.removed
    assert removed
    assert list(removed) == ["variance_threshold", "correlation_threshold", "drop_na_columns", "blocklist"]
    names = [name for found in removed.values() for name in found]
    left = made.profile("B1/P1/P1_normalized_feature_select_batch").features
    assert report.features == len(left)
    assert sorted([*names, *left]) == sorted(made.profile("B1/P1/P1_normalized").features)


def test_odd_features_are_told_by_name(made: Workspace) -> None:
    profiles = made.profile("B1/P1/P1")
    findings = made.report("B1/P1/P1_normalized").findings
    assert findings.without_values == (profiles.features[44],)
    assert set(findings.without_spread) >= set(profiles.features[30:36])
    exploded = {one.feature: one for one in findings.exploded}
    assert profiles.features[46] in exploded
    assert exploded[profiles.features[46]].well == "P1 A06"


def test_infinite_features_are_told_as_removed_before_all_others(made: Workspace) -> None:
    fudge = ("mad_robustize_fudge_factor: 1e-18", "mad_robustize_fudge_factor: 0")
    made.make(config_text(PLATES, *PROFILED, fudge))
    removed = made.report("B1/P1/P1_normalized_feature_select_batch").findings.removed
    assert removed
    assert next(iter(removed)) == INFINITE
    assert removed[INFINITE]


def test_features_of_other_compartments_are_told(made: Workspace) -> None:
    assert made.make(config_text(PLATES, *PROFILED, ("  - nuclei\n", ""))).is_complete
    told = remarks(made.report("B1/P1/P1_normalized"))[
        "features that are not among those to be normalized are left out"
    ]
    assert set(told) == {name for name in made_plate(features=FEATURES, wells=48).features if name.startswith("Nuclei")}


def test_every_report_is_the_same_after_it_was_read(made: Workspace) -> None:
    paths = [path for folder in ("profiles", "gct") for path in (made.root / folder).rglob("P*.json")]
    assert len(paths) == 2 * 6
    for path in paths:
        content = path.read_bytes()
        assert ProfileReport.from_json(content).to_json() == content
    whole = (made.root / "profiles" / "profiles.json").read_bytes()
    assert MakingReport.from_json(whole).to_json() == whole


def test_inputs_and_outputs_are_told_with_their_sizes(made: Workspace) -> None:
    report = made.report("B1/P1/P1_augmented")
    assert [one.uri.rsplit("/", 1)[1] for one in report.inputs] == ["map.txt", "treatments.tsv"]
    for output in report.outputs:
        assert (made.root / output.name).stat().st_size == output.size
    given = made.report("B1/P1/P1")
    assert given.inputs[0].size == (made.root / "profiles/B1/P1/P1.csv.gz").stat().st_size


def test_wells_without_a_cell_are_told_by_the_first_profile(workspace: Workspace) -> None:
    workspace.put_backend("B1")
    workspace.put_maps("B1", ["BR00099001"], ["A01", "A02", "B01", "B02"])
    workspace.make(config_text({"B1": ["BR00099001"]}))
    told = remarks(workspace.report("B1/BR00099001/BR00099001"))["wells without a cell have a row, and no measurements"]
    assert "BR00099001 B01" in told


def test_features_that_cannot_be_sphered_are_told(made: Workspace) -> None:
    method = ("normalize:\n  perform: true\n  method: mad_robustize", "normalize:\n  method: spherize")
    made.make(config_text(PLATES, *PROFILED, method))
    told = next(items for text, items in remarks(made.report("B1/P1/P1_normalized")).items() if "sphered" in text)
    before, after = made.profile("B1/P1/P1_augmented"), made.profile("B1/P1/P1_normalized")
    assert set(told) == set(before.features) - set(after.features)
    assert set(told) >= set(before.features[30:36])
    measured: Profiles = after.take(after.has_cells())
    assert np.isfinite(measured.values).all()


def test_a_plate_without_counts_of_cells_counts_in_full(workspace: Workspace) -> None:
    plate = made_plate(features=FEATURES, wells=48)
    workspace.put_profile("B1", replace(plate, metadata=plate.metadata.drop(columns="Metadata_Object_Count")))
    workspace.put_profile("B1", made_plate(features=FEATURES, wells=48, plate="P2", seed=1), "P2")
    workspace.put_maps("B1", ["P1", "P2"])
    workspace.make(CONFIG)
    reference = workspace.report("B1/P1/P1_normalized_feature_select_batch").findings.reference
    assert reference == {"P1": 48, "P2": 46}
