"""Shards hold whole groups, every row is in exactly one of them, and their plans survive being written."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cellpainting.errors import InvalidField, InvalidRequest
from cellpainting.planning import ShardPlan
from cellpainting.planning.grouping import Grouping
from cellpainting.planning.selection import select, select_all
from cellpainting.planning.shards import plan_shards
from tests.worker.planning.conftest import plate_of, table_of

BY_WELL = Grouping(("Metadata_Plate", "Metadata_Well"), "Metadata_Plate-Metadata_Well")
BY_SITE = Grouping(("Metadata_Plate", "Metadata_Well", "Metadata_Site"), "Metadata_Plate/Metadata_Well-Metadata_Site")


@given(wells=st.integers(1, 30), sites=st.integers(1, 5), image_sets_per_shard=st.integers(1, 12))
def test_every_row_is_in_one_shard_and_groups_stay_whole(wells: int, sites: int, image_sets_per_shard: int) -> None:
    table = plate_of(wells, sites)
    selection = select_all(table, BY_WELL.group_by)
    shards = plan_shards(table, BY_WELL, selection, image_sets_per_shard=image_sets_per_shard)
    groups = [group for shard in shards for group in shard.groups]
    assert [row for group in groups for row in group.rows] == list(table.rows)
    assert len({group.folder for group in groups}) == wells
    assert all(len(group.rows) == sites for group in groups)
    assert all(shard.image_set_count <= max(image_sets_per_shard, sites) for shard in shards)
    assert [shard.number for shard in shards] == list(range(len(shards)))
    assert all(ShardPlan.from_json(shard.to_json()) == shard for shard in shards)


def test_image_sets_are_numbered_through_the_shard_and_named_as_in_the_load_data() -> None:
    table = table_of([("0042", "AA01", "1"), ("0042", "AA01", "10"), ("0042", "AB01", "2")])
    (shard,) = plan_shards(table, BY_WELL, select_all(table, BY_WELL.group_by), image_sets_per_shard=9)
    image_sets = [one for group in shard.groups for one in shard.image_sets(group)]
    assert [(one.number, one.plate, one.well, one.site, one.folder) for one in image_sets] == [
        (1, "0042", "AA01", "1", "0042-AA01"),
        (2, "0042", "AA01", "10", "0042-AA01"),
        (3, "0042", "AB01", "2", "0042-AB01"),
    ]
    assert image_sets[0].files == "images/0042_AA01_1.tif"


def test_requested_group_matches_the_text_and_what_cellprofiler_makes_of_it() -> None:
    table = table_of([("P1", "A01", "01"), ("P1", "A01", "02"), ("P1", "A02", "01")])
    asked = [
        {"Metadata_Plate": "P1", "Metadata_Well": "A01", "Metadata_Site": "1"},
        {"Metadata_Plate": "P1", "Metadata_Well": "A01", "Metadata_Site": "02"},
        {"Metadata_Plate": "P1", "Metadata_Well": "H12", "Metadata_Site": "1"},
    ]
    selection = select(table, BY_SITE.group_by, asked)
    assert selection.rows == {("P1", "A01", "1"): (0,), ("P1", "A01", "02"): (1,)}
    assert (selection.unmatched, selection.uncovered) == ((("P1", "H12", "1"),), (2,))
    (shard,) = plan_shards(table, BY_SITE, selection, image_sets_per_shard=9)
    assert [group.folder for group in shard.groups] == ["P1/A01-1", "P1/A01-02"]


def test_padded_group_does_not_match_an_unpadded_site() -> None:
    table = table_of([("P1", "A01", "1")])
    selection = select(table, ("Metadata_Site",), [{"Metadata_Site": "01"}])
    assert (selection.rows, selection.unmatched) == ({}, (("01",),))


def test_two_groups_with_one_folder_are_refused() -> None:
    table = plate_of(2, 1)
    grouping = Grouping(BY_WELL.group_by, "Metadata_Plate")
    with pytest.raises(InvalidField, match="two groups would have the folder 'P1'"):
        plan_shards(table, grouping, select_all(table, grouping.group_by), image_sets_per_shard=1)


def test_folder_named_by_what_differs_within_a_group_is_refused() -> None:
    table = plate_of(1, 2)
    grouping = Grouping(BY_WELL.group_by, "Metadata_Well-Metadata_Site")
    with pytest.raises(InvalidRequest, match="Metadata_Site, which differs within the group"):
        plan_shards(table, grouping, select_all(table, grouping.group_by), image_sets_per_shard=1)
