"""A download's image sets are each in one part of their own plate, and no two of them have the same files."""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cellpainting.errors import InvalidField, InvalidRequest
from cellpainting.jobs import DownloadImages, parse_job
from cellpainting.load_data import Column, LoadData, ValueType
from cellpainting.planning import ShardPlan
from cellpainting.planning.plan_download import (
    IMAGE_SETS_PER_SHARD,
    SAMPLED_IMAGE_SETS,
    channel_columns,
    plan_download,
)
from tests.conftest import downloading

Site = tuple[str, str, str, str, str]
NAMES = ("Source", "Batch", "Plate", "Well", "Site")
PAINTED = ("AGP", "DNA", "ER", "Mito", "RNA")
REQUEST = {"job_type": "download_images", "load_data": "load_data.csv", "output": "images"}


def asking(**fields: Any) -> DownloadImages:
    return downloading(parse_job({**REQUEST, **fields}))


def table_of(sites: Iterable[Site], images: Sequence[str] = ("OrigDNA",)) -> LoadData:
    """Load data with a row per site and these images, each with a place of its own."""
    names = [*(f"Metadata_{name}" for name in NAMES), *(f"URL_{image}" for image in images)]
    rows = tuple((*site, *(f"{'-'.join(site)}-{image}.tiff" for image in images)) for site in sites)
    return LoadData(tuple(Column(name, ValueType.TEXT) for name in names), rows)


def sites_of(count: int, plate: str = "P1") -> list[Site]:
    return [("source_4", "Batch1", plate, f"A{number // 9 + 1:02}", str(number % 9 + 1)) for number in range(count)]


def rows_of(shards: Iterable[ShardPlan]) -> list[tuple[str, ...]]:
    return [row for shard in shards for group in shard.groups for row in group.rows]


plates = st.lists(
    st.tuples(
        st.sampled_from(["source_1", "source_13"]),
        st.sampled_from(["Batch1", "Batch2"]),
        st.sampled_from(["P1", "P2", "P10"]),
        st.sampled_from(["A01", "B12", "AF48"]),
        st.sampled_from(["1", "2", "10"]),
    ),
    unique=True,
    min_size=1,
)


@settings(deadline=None)
@given(plates, st.integers(1, 5), st.sampled_from(["png", "webdataset"]))
def test_each_image_set_is_in_one_part_of_its_own_plate(sites: list[Site], per_shard: int, form: str) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("cellpainting.planning.plan_download.IMAGE_SETS_PER_SHARD", per_shard)
        shards = plan_download(asking(format=form), table_of(sites))
    assert Counter(rows_of(shards)) == Counter(table_of(sites).rows)
    assert [shard.number for shard in shards] == list(range(len(shards)))
    folders = [group.folder for shard in shards for group in shard.groups]
    assert len(set(folders)) == len(folders)
    for shard in shards:
        ((source, batch, plate),) = {row[:3] for row in rows_of([shard])}
        assert shard.part is not None
        assert shard.part.plate == f"{source}__{batch}__{plate}"
        assert shard.image_set_count <= per_shard
        assert ShardPlan.from_json(shard.to_json()) == shard
    parts = Counter(shard.part.plate for shard in shards if shard.part)
    assert all(shard.part and shard.part.count == parts[shard.part.plate] for shard in shards)


def test_largest_plates_have_parts_that_are_like_the_whole() -> None:
    sites = sites_of(IMAGE_SETS_PER_SHARD * 3)
    shards = plan_download(asking(), table_of(sites))
    assert [shard.image_set_count for shard in shards] == [IMAGE_SETS_PER_SHARD] * 3
    for shard in shards:
        wells = [row[3] for row in rows_of([shard])]
        assert set(wells) == {site[3] for site in sites}


def test_group_is_an_image_set_by_the_published_name_of_its_files() -> None:
    (shard,) = plan_download(asking(), table_of([("source_4", "2021_04_26_Batch1", "BR00117035", "A01", "1")]))
    (group,) = shard.groups
    assert group.folder == "source_4/2021_04_26_Batch1/BR00117035/source_4__BR00117035__A01__1"


def test_columns_that_the_table_lacks_are_left_out_of_the_name() -> None:
    full = table_of(sites_of(1))
    table = LoadData(full.columns[2:], tuple(row[2:] for row in full.rows))
    (shard,) = plan_download(asking(), table)
    assert [group.folder for group in shard.groups] == ["P1/P1__A01__1"]


def test_tar_files_have_64_image_sets_and_are_numbered_through_the_parts_of_a_plate() -> None:
    shards = plan_download(asking(format="webdataset"), table_of(sites_of(IMAGE_SETS_PER_SHARD + 70)))
    groups = [group for shard in shards for group in shard.groups]
    assert [group.folder for group in groups] == [
        f"source_4/Batch1/P1/source_4__P1-{number:06}" for number in range(len(groups))
    ]
    for shard in shards:
        *full, last = shard.groups
        assert {len(group.rows) for group in full} == {64}
        assert 0 < len(last.rows) <= 64


def test_only_selected_image_sets_are_planned() -> None:
    select = {"Metadata_Well": ["A01", "A03"], "Site": ["2"]}
    shards = plan_download(asking(select=select), table_of(sites_of(36)))
    assert [row[3:5] for row in rows_of(shards)] == [("A01", "2"), ("A03", "2")]


@pytest.mark.parametrize(
    ("select", "told"),
    [
        ({"Metadata_Well": ["P24"]}, "no image set of load_data.csv has these values"),
        ({"Metadata_Gene": ["TP53"]}, "no column Metadata_Gene; it has Metadata_Source, Metadata_Batch"),
    ],
)
def test_selection_that_fits_nothing_is_refused(select: dict[str, list[str]], told: str) -> None:
    with pytest.raises(InvalidField, match=told) as error:
        plan_download(asking(select=select), table_of(sites_of(2)))
    assert error.value.field == "select"


@pytest.mark.parametrize(
    ("images", "channels", "columns"),
    [
        ([f"Orig{name}" for name in PAINTED], [], ["OrigDNA", "OrigER", "OrigRNA", "OrigAGP", "OrigMito"]),
        (["OrigBrightfield", "OrigER", "OrigDNA"], [], ["OrigDNA", "OrigER"]),
        (["OrigBrightfield", "GFP"], [], ["OrigBrightfield", "GFP"]),
        (["OrigBrightfield", "OrigDNA"], ["Brightfield"], ["OrigBrightfield"]),
        (["IllumDNA", "OrigDNA", "DNAIllumCorrect"], [], ["OrigDNA"]),
        (["DNA", "OrigDNA"], [], ["OrigDNA"]),
        (["OrigDNA", "DNA"], [], ["OrigDNA"]),
    ],
)
def test_channels_are_those_asked_for_else_of_cell_painting_else_all(
    images: list[str], channels: list[str], columns: list[str]
) -> None:
    job, table = asking(**({"channels": channels} if channels else {})), table_of(sites_of(1), images)
    chosen = channel_columns(job, table)
    assert list(chosen.values()) == [f"URL_{name}" for name in columns]
    assert list(chosen) == [name.removeprefix("Orig") for name in columns]
    (shard,) = plan_download(job, table)
    assert {column.name for column in shard.columns if column.is_image} == set(chosen.values())


def test_channel_that_is_not_there_is_named_beside_those_that_are() -> None:
    table = table_of(sites_of(1), ["OrigDNA", "OrigER", "IllumDNA"])
    with pytest.raises(InvalidField, match=r"got \['Mito', 'GFP'\]; load_data.csv has images of DNA, ER$") as error:
        plan_download(asking(channels=["DNA", "Mito", "GFP"]), table)
    assert error.value.field == "channels"


def test_illumination_functions_alone_are_no_images() -> None:
    with pytest.raises(InvalidField, match="has images of none"):
        plan_download(asking(), table_of(sites_of(1), ["IllumDNA"]))


@pytest.mark.parametrize("name", ["Metadata_Plate", "Metadata_Well", "Metadata_Site"])
def test_column_that_names_files_is_required(name: str) -> None:
    full = table_of(sites_of(1))
    kept = [at for at, column in enumerate(full.columns) if column.name != name]
    table = LoadData(tuple(full.columns[at] for at in kept), tuple(tuple(row[at] for at in kept) for row in full.rows))
    with pytest.raises(InvalidField, match=f"the load data has no column {name}"):
        plan_download(asking(), table)


def test_image_set_that_is_there_twice_is_refused_by_the_name_of_its_files() -> None:
    with pytest.raises(InvalidRequest, match=r"the files source_4/Batch1/P1/source_4__P1__A01__2__<channel>\.png"):
        plan_download(asking(), table_of([*sites_of(3), sites_of(2)[1]]))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (("source_4", "Batch1", "P/1", "A01", "1"), ("source_4", "Batch1", "P_1", "A01", "1")),
        (("source_4", "Batch1", "P/1", "A01", "1"), ("source_4", "Batch1", "P_1", "A02", "1")),
        (("a__b", "c", "P1", "A01", "1"), ("a", "b__c", "P1", "A01", "1")),
    ],
)
def test_plates_that_would_overwrite_each_others_files_are_refused(one: Site, other: Site) -> None:
    with pytest.raises(InvalidRequest, match=r"two plates, .*, would have the files"):
        plan_download(asking(), table_of([one, other]))


@pytest.mark.parametrize("value", ["", " ", "..", ".", "\n", "A\x00"])
def test_value_that_cannot_name_a_folder_is_refused(value: str) -> None:
    with pytest.raises(InvalidRequest) as error:
        plan_download(asking(), table_of([("source_4", "Batch1", value, "A01", "1")]))
    assert "Metadata_Plate" in str(error.value)
    assert repr(value) in str(error.value) or f"/{value}/" in str(error.value)


@given(st.lists(st.text(max_size=8), min_size=5, max_size=5))
def test_no_value_leads_out_of_the_output(values: list[str]) -> None:
    source, batch, plate, well, site = values
    try:
        (shard,) = plan_download(asking(), table_of([(source, batch, plate, well, site)]))
    except InvalidRequest:
        return
    (group,) = shard.groups
    *folders, name = group.folder.split("/")
    assert len(folders) == 3
    assert not {"", ".", ".."} & {*folders, name}
    assert "\\" not in group.folder


def test_sample_of_a_plate_is_the_same_in_any_order_and_in_every_part() -> None:
    sites = sites_of(IMAGE_SETS_PER_SHARD + 9)
    job = asking(scaling="plate")
    samples = {
        shard.part.sample
        for order in (sites, sites[::-1], sorted(sites, key=lambda site: site[4]))
        for shard in plan_download(job, table_of(order))
        if shard.part
    }
    ((*sampled,),) = samples
    assert len(set(sampled)) == SAMPLED_IMAGE_SETS
    assert set(sampled) <= set(table_of(sites).rows)


def test_sample_of_a_small_plate_is_all_of_it_and_of_others_none() -> None:
    table = table_of(sites_of(5) + sites_of(5, "P2"))
    first, second = plan_download(asking(scaling="plate"), table)
    assert first.part
    assert second.part
    assert Counter(first.part.sample) == Counter(rows_of([first]))
    assert Counter(second.part.sample) == Counter(rows_of([second]))


@pytest.mark.parametrize("scaling", ["image", "none"])
def test_only_scaling_by_plate_needs_a_sample(scaling: str) -> None:
    (shard,) = plan_download(asking(scaling=scaling), table_of(sites_of(5)))
    assert shard.part
    assert shard.part.sample == ()
