"""What the page of a plate says is what there is in its results."""

import json
import shutil
from collections import Counter
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import polars as pl
import pytest

from cellpainting.cost.prices import shipped_prices
from cellpainting.errors import DamagedTable, InvalidRequest
from cellpainting.ledger import Manifest
from cellpainting.report.page_data import Group, Layer, PageData, Verdict
from cellpainting.report.plate_page import plate_page
from tests.worker.profiled_plates import BATCH, NEGATIVE, WELLS, platemap_text, write_backend
from tests.worker.report.workspaces import RUN, SIDE_PX, Workspace, make_usual_profiles, make_workspace, record_run

FEATURE = "Nuclei_Texture_Contrast_DNA_3_00_256"


@pytest.fixture(scope="module")
def page(workspace: Workspace) -> PageData:
    """The page of the plate that has everything."""
    (sources,) = workspace.plates(f"backend/{BATCH}/P1", runs=[RUN])
    return plate_page(sources, (FEATURE,))


LINE = np.zeros((SIDE_PX, SIDE_PX, 3), np.uint8)
LINE[3] = 255
BLANK_WITH_A_LINE = cv2.imencode(".png", LINE)[1].tobytes()


def layer(page: PageData, name: str) -> Layer:
    assert page.plate
    return next(one for one in page.plate.layers if one.name == name)


def test_every_well_is_on_the_plate_with_its_state_treatment_and_control_type(page: PageData) -> None:
    assert page.plate
    assert (page.plate.rows, page.plate.columns) == (8, 12)
    assert page.plate.wells == WELLS
    assert set(layer(page, "state").values) == {"done"}
    kinds = dict(zip(page.plate.wells, layer(page, "control type").values, strict=True))
    assert {well for well, kind in kinds.items() if kind == "negcon"} == set(NEGATIVE)
    assert Counter(kinds.values()) == {"negcon": 4, "trt": 8}
    assert layer(page, "treatment").values[0] == "DMSO"


def test_layers_of_features_are_the_normalized_profile(page: PageData, workspace: Workspace) -> None:
    profile = pl.read_parquet(workspace.root / f"profiles/{BATCH}/P1/P1_normalized_negcon.parquet")
    expected = dict(zip(profile["Metadata_Well"], profile[FEATURE], strict=True))
    found = dict(zip(WELLS, layer(page, FEATURE).values, strict=True))
    assert layer(page, FEATURE).group is Group.FEATURES
    assert found == pytest.approx(expected, rel=1e-3)


def test_cells_are_counted_and_add_up(page: PageData) -> None:
    assert layer(page, "cells").values == (2,) * len(WELLS)
    figures = {figure.label: figure.value for figure in page.figures}
    assert figures["cells"] == "24"
    assert figures["image sets done"] == "12 of 12"


def test_pictures_are_of_controls_first_and_have_the_outlines_of_the_pipeline(page: PageData) -> None:
    assert (page.montages[0].treatment, page.montages[0].kind) == ("DMSO", "negcon")
    assert {tile.well for tile in page.montages[0].tiles} == set(NEGATIVE)
    tiles = [tile for montage in page.montages for tile in montage.tiles]
    assert {tile.about for tile in tiles} == {"outlines as the pipeline drew them"}
    assert len({tile.image for tile in tiles}) == len(tiles) == len(WELLS)
    assert all(tile.image.startswith("data:image/jpeg;base64,") for tile in tiles)


def test_the_profile_map_has_a_point_for_each_well_and_its_axes_explain_the_most(page: PageData) -> None:
    assert page.profile_map
    assert {point.well for point in page.profile_map.points} == set(WELLS)
    spread = np.var([(point.x, point.y) for point in page.profile_map.points], axis=0)
    assert spread[0] >= spread[1] > 0
    assert page.profile_map.axes[0].startswith("PC 1 (")


def test_replication_is_that_of_the_selected_profile(page: PageData) -> None:
    assert page.replication
    assert page.replication.profile == "normalized_feature_select_batch"
    assert {one.treatment for one in page.replication.treatments} >= {"DMSO"}


def test_each_stage_is_told_with_time_memory_and_price(page: PageData) -> None:
    stages = {stage.name: stage for stage in page.stages}
    assert list(stages) == [f"CellProfiler, {RUN}", "backend", "profiles"]
    measuring = stages[f"CellProfiler, {RUN}"]
    assert (measuring.seconds, measuring.peak_memory_mib, measuring.work) == (60.0, 900.0, "12 image sets")
    assert measuring.usd == pytest.approx(shipped_prices().on_demand.usd / 60)
    assert "On-Demand" in page.price_note


def test_a_feature_that_is_not_there_is_refused_by_name(workspace: Workspace) -> None:
    (sources,) = workspace.plates(f"backend/{BATCH}/P1")
    with pytest.raises(InvalidRequest, match="no feature 'Cells_Nothing'"):
        plate_page(sources, ("Cells_Nothing",))


def test_a_plate_with_half_of_its_wells_failed_is_bad_and_names_them(workspace: Workspace, tmp_path: Path) -> None:
    other = Workspace(tmp_path)
    record_run(other, "P1", failed=dict.fromkeys(WELLS[::2], "b.tif is empty"))
    (sources,) = other.plates(runs=[RUN])
    page = plate_page(sources, ())
    assert page.verdict is Verdict.BAD
    assert page.reasons == ("measuring: 6 image sets are input damaged",)
    assert Counter(layer(page, "state").values) == {"input_damaged": 6, "done": 6}
    assert page.oddities[0].is_problem
    assert page.oddities[0].items[0] == "P1-A01-1: b.tif is empty"
    assert sum(len(montage.tiles) for montage in page.montages) == 6  # of those that were measured


def test_a_profile_that_can_be_made_no_more_is_not_shown(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    write_backend(tmp_path / "backend", "P1")
    make_usual_profiles(workspace, "P1")
    make_usual_profiles(workspace, "P1", platemap_text(negative=()))
    (sources,) = workspace.plates(f"profiles/{BATCH}/P1")
    assert (tmp_path / f"profiles/{BATCH}/P1/P1_normalized_negcon.parquet").exists()
    assert "_normalized_negcon" not in sources.reports
    assert sources.selected == "_normalized_feature_select_plate"


@pytest.mark.parametrize("name", ["backend/B1/P1/P1_ingest.json", "quality_control/wells/B1/P1.json"])
def test_a_report_of_another_version_is_taken_for_none(workspace: Workspace, tmp_path: Path, name: str) -> None:
    shutil.copytree(workspace.root, tmp_path / "w")
    (tmp_path / "w" / name).write_text('{"new": 1}')
    (sources,) = Workspace(tmp_path / "w").plates(f"profiles/{BATCH}/P1")
    assert plate_page(sources, ()).plate


def test_a_damaged_profile_is_told_by_name(workspace: Workspace, tmp_path: Path) -> None:
    shutil.copytree(workspace.root, tmp_path / "w")
    damaged = tmp_path / "w" / f"profiles/{BATCH}/P1/P1_normalized_negcon.parquet"
    damaged.write_bytes(damaged.read_bytes()[:-100])
    (sources,) = Workspace(tmp_path / "w").plates(f"profiles/{BATCH}/P1")
    with pytest.raises(DamagedTable, match=r"P1_normalized_negcon\.parquet cannot be read"):
        plate_page(sources, ())


def test_a_run_that_has_not_begun_is_a_page_of_wells_that_were_not_run(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    record_run(workspace, "P1")
    workspace.bucket.delete(f"runs/{RUN}/shards/0.json")
    (sources,) = workspace.plates(runs=[RUN])
    page = plate_page(sources, ())
    assert set(layer(page, "state").values) == {"not_run"}
    assert (page.verdict, page.montages, page.profile_map) == (Verdict.BAD, (), None)
    assert page.stages[0].seconds is None


def test_an_empty_plate_has_a_page_that_says_so(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    record_run(workspace, "P1", wells=("nowhere",))
    (sources,) = workspace.plates(runs=[RUN])
    page = plate_page(sources, ())
    assert page.plate is None
    assert page.verdict is Verdict.BAD
    assert page.reasons == ("there is no well to show",)


def test_outlines_are_shown_whichever_run_of_a_plate_has_drawn_them(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    record_run(workspace, "P1", run="illumination", outlines=False)
    record_run(workspace, "P1")
    (sources,) = workspace.plates(runs=["illumination", RUN])
    tiles = [tile for montage in plate_page(sources, ()).montages for tile in montage.tiles]
    assert {tile.about for tile in tiles} == {"outlines as the pipeline drew them"}


@pytest.mark.parametrize("has_images", [True, False])
def test_outlines_on_a_blank_image_are_shown_over_the_channels_if_these_are_there(
    tmp_path: Path, has_images: bool
) -> None:
    workspace = Workspace(tmp_path)
    record_run(workspace, "P1")
    for item in list(workspace.bucket.list("results/outlines")):
        workspace.bucket.write(item.key, BLANK_WITH_A_LINE)
    if not has_images:
        workspace.bucket.delete("images/P1_A01_s1_DNA.png")
    (sources,) = workspace.plates(runs=[RUN])
    tiles = {tile.well: tile for montage in plate_page(sources, ()).montages for tile in montage.tiles}
    over = "outlines over 2 channels in false colours"
    assert tiles["A01"].about == (over if has_images else "outlines as the pipeline drew them")
    assert tiles["A02"].about == over


def test_site_without_an_outline_stays_dark(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    record_run(workspace, "P1", wells=("A01",))
    noise = cv2.imencode(".png", LINE // 50)[1].tobytes()
    workspace.bucket.write("results/outlines/P1_A01_s1.png", noise)
    (sources,) = workspace.plates(runs=[RUN])
    ((tile,),) = (montage.tiles for montage in plate_page(sources, ()).montages)
    assert tile.about == "outlines as the pipeline drew them"


def test_channels_are_laid_over_each_other_where_there_are_no_outlines(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    record_run(workspace, "P1", outlines=False)
    (sources,) = workspace.plates(runs=[RUN])
    tiles = [tile for montage in plate_page(sources, ()).montages for tile in montage.tiles]
    assert len(tiles) == 12
    assert {tile.about for tile in tiles} == {"2 channels in false colours"}


def test_pictures_that_are_gone_or_damaged_are_left_out(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    record_run(workspace, "P1", outlines=False)
    workspace.bucket.delete("images/P1_A01_s1_DNA.png")
    workspace.bucket.write("images/P1_A02_s1_DNA.png", b"no image")
    (sources,) = workspace.plates(runs=[RUN])
    (montage,) = plate_page(sources, ()).montages
    assert montage.treatment == "all wells"
    assert [tile.well for tile in montage.tiles] == list(WELLS[2:])


def test_wells_that_are_empty_on_purpose_are_told_as_such(
    tmp_path: Path,
) -> None:
    workspace = Workspace(tmp_path)
    write_backend(tmp_path / "backend", "P1")
    text = platemap_text().replace(b"A03\tT1\ttrt", b"A03\t\tempty")
    make_usual_profiles(workspace, "P1", text)
    (sources,) = workspace.plates(f"profiles/{BATCH}/P1")
    page = plate_page(sources, ())
    kinds = dict(zip(WELLS, layer(page, "control type").values, strict=True))
    assert kinds["A03"] == "empty"
    assert layer(page, "treatment").values[2] == "empty"


def test_wells_that_are_empty_on_purpose_do_not_count_as_flagged(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    write_backend(tmp_path / "backend", "P1")
    make_usual_profiles(workspace, "P1", platemap_text().replace(b"A03\tT1\ttrt", b"A03\t\tempty"))
    judged = tmp_path / f"quality_control/wells/{BATCH}/P1.json"
    quality = json.loads(judged.read_bytes())
    for well in quality["wells"]:
        well["flags"] = ["empty"] if well["well"] in ("A03", "B05") else []
    judged.write_text(json.dumps(quality))
    (sources,) = workspace.plates(f"profiles/{BATCH}/P1")
    assert {figure.label: figure.value for figure in plate_page(sources, ()).figures}["wells flagged"] == "1"


def test_a_plate_s_time_is_that_of_its_own_groups(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    record_run(workspace, "P1")
    key = f"runs/{RUN}/shards/0.json"
    manifest = Manifest.from_json(workspace.bucket.read(key))
    (group,) = manifest.groups
    others = tuple(replace(one, image_set=replace(one.image_set, plate="P2")) for one in group.outcomes)
    both = replace(manifest, groups=(group, replace(group, outcomes=others, seconds=5.0)))
    workspace.bucket.write(key, both.to_json())
    (sources,) = workspace.plates(runs=[RUN])
    assert plate_page(sources, ()).stages[0].seconds == 60.0


def test_negative_controls_of_another_column_are_told_as_such(tmp_path: Path) -> None:
    workspace = make_workspace(tmp_path, "P1", controls="{column: broad_sample, negative: [DMSO]}")
    (sources,) = workspace.plates(f"backend/{BATCH}/P1")
    kinds = dict(zip(WELLS, layer(plate_page(sources, ()), "control type").values, strict=True))
    assert {well for well, kind in kinds.items() if kind == "negcon"} == set(NEGATIVE)


def test_what_profiling_left_out_is_told_and_makes_the_plate_bad(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    write_backend(tmp_path / "backend", "P1")
    make_usual_profiles(workspace, "P1", platemap_text(negative=()))
    (sources,) = workspace.plates(f"profiles/{BATCH}/P1")
    page = plate_page(sources, ())
    assert page.verdict is Verdict.BAD
    assert any("no negative control" in reason for reason in page.reasons)
    assert page.profile_map  # of the profile that could be made
