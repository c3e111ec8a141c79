"""Metadata is joined as by pycytominer, and no well is lost or given what is not its own."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import pycytominer
import pytest

from cellpainting.errors import InvalidTable
from cellpainting.profiles.annotate import Treatments, annotate
from cellpainting.profiles.platemap import Platemap, read_external_metadata, read_platemap
from cellpainting.profiles.profiles import Profiles
from tests.worker.profiles.made_plates import CONTROL, TREATMENT, rows

WELL = "Metadata_well_position"
HEADER = ("well_position", "broad_sample", "concentration")


def profiles_of(wells: Sequence[str | None]) -> Profiles:
    """A feature that is the well's number."""
    metadata = pd.DataFrame({"Metadata_Plate": "P1", "Metadata_Well": pd.Series(wells, dtype=object)})
    return Profiles(metadata, np.arange(float(len(wells)))[:, None], ("Cells_A",))


def platemap_of(*lines: Sequence[object]) -> Platemap:
    return read_platemap(rows(HEADER, *lines), "map.txt", WELL)


def treatments_of(*lines: Sequence[object], header: Sequence[str] = ("broad_sample", "control_type")) -> Treatments:
    return Treatments("t.tsv", read_external_metadata(rows(header, *lines), "t.tsv", TREATMENT), TREATMENT)


LINES = (("A03", "BRD-2", 5), ("A01", "BRD-1", 10), ("A02", "", 0))
KNOWN = (("BRD-1", "trt"), ("", "negcon"), ("BRD-9", "trt"))


@pytest.mark.parametrize("with_treatments", [False, True])
def test_a_plate_is_annotated_as_by_pycytominer(with_treatments: bool) -> None:
    profiles, platemap = profiles_of(["A01", "A02", "A03"]), platemap_of(*LINES)
    treatments = treatments_of(*KNOWN) if with_treatments else None
    theirs = pycytominer.annotate(
        profiles.frame(),
        platemap.wells,
        join_on=[WELL, "Metadata_Well"],
        external_metadata=treatments.rows if treatments else None,
        external_join_on=[TREATMENT] if treatments else None,
    )
    made, _ = annotate(profiles, platemap, treatments, drop_unmatched=False)
    expected = theirs.sort_values("Metadata_Well", ignore_index=True)
    pd.testing.assert_frame_equal(made.frame(), expected)


@pytest.mark.parametrize("drop_unmatched", [False, True])
def test_wells_that_are_not_on_the_platemap_are_kept_or_dropped_and_told(drop_unmatched: bool) -> None:
    made, unmatched = annotate(
        profiles_of(["B07", "A01", None, "A02"]), platemap_of(*LINES), None, drop_unmatched=drop_unmatched
    )
    assert unmatched.wells == ("B07", None)
    assert unmatched.empty == ("A03",)
    kept = [1.0, 3.0] if drop_unmatched else [0.0, 1.0, 2.0, 3.0]
    assert made.values[:, 0].tolist() == kept
    assert made.metadata[TREATMENT].isna().tolist() == ([False, True] if drop_unmatched else [True, False, True, True])


def test_a_well_that_is_not_on_the_platemap_does_not_get_what_belongs_to_nameless_treatments() -> None:
    made, unmatched = annotate(
        profiles_of(["A01", "A02", "B07"]), platemap_of(*LINES), treatments_of(*KNOWN), drop_unmatched=False
    )
    assert unmatched.wells == ("B07",)
    assert made.metadata[CONTROL].tolist()[:2] == ["trt", "negcon"]
    assert pd.isna(made.metadata[CONTROL][2])


def test_all_wells_may_be_unknown_to_the_platemap() -> None:
    profiles = profiles_of(["B01", "B02"])
    made, unmatched = annotate(profiles, platemap_of(*LINES), treatments_of(*KNOWN), drop_unmatched=False)
    assert unmatched.wells == ("B01", "B02")
    assert made.metadata["Metadata_Well"].tolist() == ["B01", "B02"]
    assert made.metadata[CONTROL].isna().all()
    np.testing.assert_array_equal(made.values, profiles.values)


def test_treatments_without_a_row_are_told_and_their_wells_kept() -> None:
    made, unmatched = annotate(
        profiles_of(["A01", "A02", "A03"]), platemap_of(*LINES), treatments_of(*KNOWN), drop_unmatched=True
    )
    assert unmatched.treatments == ("BRD-2",)
    assert len(made.metadata) == 3


def test_wells_are_found_in_any_form() -> None:
    made, unmatched = annotate(profiles_of(["a1", "A002"]), platemap_of(*LINES), None, drop_unmatched=True)
    assert unmatched.wells == ()
    assert made.metadata["Metadata_Well"].tolist() == ["A01", "A02"]


def test_every_site_of_a_well_is_annotated() -> None:
    made, unmatched = annotate(profiles_of(["A01", "A03", "A01"]), platemap_of(*LINES), None, drop_unmatched=False)
    assert unmatched.wells == ()
    assert made.metadata[TREATMENT].tolist() == ["BRD-1", "BRD-2", "BRD-1"]
    assert made.values[:, 0].tolist() == [0.0, 1.0, 2.0]


def test_treatments_that_are_numbers_in_one_file_only_are_found() -> None:
    platemap = platemap_of(("A01", 1, 5), ("A02", "", 5), ("A03", 20, 5))
    treatments = treatments_of((1, "trt"), ("DMSO", "negcon"), (20, "poscon"))
    made, unmatched = annotate(profiles_of(["A01", "A02", "A03"]), platemap, treatments, drop_unmatched=False)
    assert unmatched.treatments == ()
    assert made.metadata[CONTROL].where(made.metadata[CONTROL].notna(), None).tolist() == ["trt", None, "poscon"]
    assert made.metadata[TREATMENT].tolist()[::2] == ["1", "20"]


def test_a_platemap_without_the_column_to_merge_on_is_told() -> None:
    platemap = read_platemap(rows(("well_position", "compound"), ("A01", "x")), "map.txt", WELL)
    with pytest.raises(InvalidTable, match=f"map.txt, line 1: there is no column '{TREATMENT}' to find .* t.tsv by"):
        annotate(profiles_of(["A01"]), platemap, treatments_of(*KNOWN), drop_unmatched=False)


def test_columns_of_the_same_name_are_both_kept() -> None:
    platemap = read_platemap(rows(("well_position", "Plate"), ("A01", "other")), "map.txt", WELL)
    made, _ = annotate(profiles_of(["A01"]), platemap, None, drop_unmatched=False)
    assert made.metadata[["Metadata_Plate", "Metadata_Plate_platemap"]].to_numpy().tolist() == [["P1", "other"]]


def test_older_names_of_plate_and_well_become_the_usual_ones() -> None:
    older = profiles_of(["a1"])
    renamed = older.metadata.add_prefix("Image_")
    made, _ = annotate(Profiles(renamed, older.values, older.features), platemap_of(*LINES), None, drop_unmatched=True)
    assert made.metadata[["Metadata_Plate", "Metadata_Well"]].to_numpy().tolist() == [["P1", "A01"]]
