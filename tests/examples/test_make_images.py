"""The shipped plate: what it claims to hold is what is drawn, each time the same."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tifffile
from scipy.ndimage import label

from cellpainting.load_data.places import Places
from cellpainting.load_data.read_csv import read_csv
from examples.small_plate.make_images import (
    CHANNELS,
    CONTROL,
    EMPTY,
    LOAD_DATA,
    PLATEMAP,
    SMALL_PLATE,
    TREATED,
    TRUTH,
    VIGNETTING,
    Cell,
    Plate,
    draw_site,
    encode,
    make_filaments,
    make_texture,
    outline_cells,
    place_cells,
    read_truth,
    write_plate,
)

SIZE_PX = SMALL_PLATE.size_px
SITES = [(well, site) for well, _ in SMALL_PLATE.wells for site in range(1, SMALL_PLATE.sites + 1)]


@pytest.fixture
def two_wells() -> Plate:
    """A plate of two wells, one of them empty."""
    return replace(SMALL_PLATE, wells=(("A01", TREATED), ("B02", EMPTY)), sites=1, size_px=256)


def few(plate: Plate) -> Plate:
    """The same plate with as few cells as fit into its small images."""
    return replace(plate, wells=(("A01", replace(TREATED, cells=4)), ("B02", EMPTY)))


def scatter(well: str, site: int) -> tuple[np.random.Generator, tuple[Cell, ...]]:
    """A site's random numbers and its cells, by the seed that the module states."""
    rng = np.random.default_rng([SMALL_PLATE.seed, ord(well[0]) - ord("A"), int(well[1:]), site])
    return rng, place_cells(rng, dict(SMALL_PLATE.wells)[well], SIZE_PX)


@pytest.mark.parametrize(("well", "site"), SITES)
def test_every_nucleus_stands_alone_so_that_truth_is_their_number(well: str, site: int) -> None:
    drawn, _ = draw_site(SMALL_PLATE, well, site)
    rng, cells = scatter(well, site)
    nuclei = outline_cells(rng, cells, SIZE_PX).nuclei
    assert label(nuclei > 0)[1] == len(cells) == drawn.cells
    border = np.concatenate([nuclei[0], nuclei[-1], nuclei[:, 0], nuclei[:, -1]])
    assert not border.any()


def test_truth_of_the_shipped_plate_has_an_empty_well_and_fewer_larger_treated_cells() -> None:
    cells = {(well, site): len(scatter(well, site)[1]) for well, site in SITES}
    assert cells["B03", 1] == cells["B03", 2] == 0
    assert sum(cells.values()) == 262
    treated = [count for (well, _), count in cells.items() if well.endswith("02")]
    control = [count for (well, _), count in cells.items() if dict(SMALL_PLATE.wells)[well] is CONTROL]
    assert max(treated) < min(control)


def test_images_are_16_bit_and_the_empty_well_holds_background_only() -> None:
    _, images = draw_site(SMALL_PLATE, "A01", 1)
    _, empty = draw_site(SMALL_PLATE, "B03", 1)
    assert tuple(images) == tuple(empty) == CHANNELS
    for channel in CHANNELS:
        for image in (images[channel], empty[channel]):
            assert image.dtype == np.uint16
            assert image.shape == (SIZE_PX, SIZE_PX)
            assert image.min() > 0
            assert image.max() < np.iinfo(np.uint16).max
        assert empty[channel].max() < 1000 < 5000 < images[channel].max()


def test_a_site_is_the_same_each_time_and_unlike_its_neighbours() -> None:
    _, images = draw_site(SMALL_PLATE, "A01", 1)
    _, again = draw_site(SMALL_PLATE, "A01", 1)
    _, other = draw_site(SMALL_PLATE, "A01", 2)
    for channel in CHANNELS:
        np.testing.assert_array_equal(images[channel], again[channel])
        assert not np.array_equal(images[channel], other[channel])
    assert encode(images["DNA"]) == encode(again["DNA"])


def test_written_plate_is_read_back_and_left_untouched_the_second_time(tmp_path: Path, two_wells: Plate) -> None:
    plate = few(two_wells)
    sites = write_plate(plate, tmp_path)
    files = sorted(path for path in tmp_path.rglob("*") if path.is_file())
    dates = [path.stat().st_mtime_ns for path in files]
    assert read_truth(tmp_path / TRUTH) == sites == write_plate(plate, tmp_path)
    assert [path.stat().st_mtime_ns for path in files] == dates
    assert [str(path.relative_to(tmp_path)) for path in files] == sorted(
        [f"images/SmallPlate_{w}_s1_{c}.tif" for w in ("A01", "B02") for c in CHANNELS] + [LOAD_DATA, PLATEMAP, TRUTH]
    )
    platemap = (tmp_path / PLATEMAP).read_text().splitlines()
    assert platemap[:2] == ["well_position\ttreatment\tcontrol_type", "A01\ttreated\ttrt"]
    assert [(site.well, site.cells > 0) for site in sites] == [("A01", True), ("B02", False)]
    image = draw_site(plate, "A01", 1)[1]["Mito"]
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "images/SmallPlate_A01_s1_Mito.tif"), image)


def test_load_data_names_every_image_relative_to_the_plate_s_folder(tmp_path: Path, two_wells: Plate) -> None:
    write_plate(few(two_wells), tmp_path)
    content = (tmp_path / LOAD_DATA).read_bytes()
    table = read_csv(content, LOAD_DATA, Places.of("s3://bucket/", base="anywhere"))
    images = {place for row in table.rows for place in table.images(row)}
    assert images == {f"anywhere/images/{path.name}" for path in (tmp_path / "images").iterdir()}
    sites = [dict(zip(table.positions, row, strict=True)) for row in table.rows]
    assert [site["Metadata_Well"] for site in sites] == ["A01", "B02"]
    assert {(site["Metadata_Batch"], site["Metadata_Plate"]) for site in sites} == {("small_batch", "SmallPlate")}
    assert [name for name in table.positions if name.startswith("URL_")] == [f"URL_Orig{c}" for c in CHANNELS]


def test_a_corner_gets_less_light_than_the_middle_by_what_is_stated(two_wells: Plate) -> None:
    even = replace(two_wells, optics=replace(two_wells.optics, vignetting=0.0))
    for channel, image in draw_site(two_wells, "B02", 1)[1].items():
        light = image / draw_site(even, "B02", 1)[1][channel].mean()
        corner, middle = light[:20, :20].mean(), light[118:138, 118:138].mean()
        assert corner / middle == pytest.approx(1 - VIGNETTING, abs=0.07)  # the patch is not all in the corner


def test_a_file_that_was_changed_is_drawn_again(tmp_path: Path, two_wells: Plate) -> None:
    plate = few(two_wells)
    write_plate(plate, tmp_path)
    changed = tmp_path / "images/SmallPlate_A01_s1_DNA.tif"
    good = changed.read_bytes()
    changed.write_bytes(good[:-100])
    write_plate(plate, tmp_path)
    assert changed.read_bytes() == good


def test_too_crowded_a_condition_is_refused_with_what_to_change(two_wells: Plate) -> None:
    with pytest.raises(ValueError, match=r"do not fit into 64 x 64 px; ask for fewer or smaller"):
        place_cells(np.random.default_rng(1), TREATED, 64)


@pytest.mark.parametrize("grain_px", [1.2, 5.0])
def test_textures_have_the_scale_that_they_state(grain_px: float) -> None:
    texture = make_texture(np.random.default_rng(2), 128, grain_px)
    assert texture.dtype == np.float32
    assert texture.mean() == pytest.approx(0, abs=1e-4)
    assert texture.std() == pytest.approx(1, abs=1e-3)
    filaments = make_filaments(np.random.default_rng(2), 128, grain_px)
    assert filaments.min() >= 0
    assert filaments.max() <= 1
