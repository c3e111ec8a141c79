"""The recipe's pictures of a plate: numbers are in their places, and what is not known is hatched."""

from collections.abc import Callable, Sequence

import cv2
import numpy as np
import pandas as pd
import pytest

from cellpainting.errors import InvalidRequest
from cellpainting.ledger.plate_map import FORMATS, row_name
from cellpainting.profiles.profiles import Profiles
from cellpainting.quality.heatmap import HATCHING, HEADER_PX, MARGIN_PX, PAPER, Labels, Scale, draw_heatmap
from cellpainting.quality.position_effect import correlations, percent_matching
from cellpainting.quality.recipe_heatmaps import cell_count_png, correlation_png, position_effect_png

FEATURES = 60
Draw = Callable[[Profiles, str], bytes]
DRAWINGS: tuple[Draw, ...] = (cell_count_png, correlation_png, position_effect_png)


def names_of(rows: int, columns: int) -> list[str]:
    return [f"{row_name(row)}{column + 1:02}" for row in range(rows) for column in range(columns)]


def profiles_of(wells: Sequence[str], counts: Sequence[float] | None = None, seed: int = 0) -> Profiles:
    """Wells of noise."""
    values = np.random.default_rng(seed).normal(size=(len(wells), FEATURES))
    metadata = pd.DataFrame({"Metadata_Plate": "P1", "Metadata_Well": wells})
    metadata["Metadata_Object_Count"] = np.arange(len(wells), dtype=np.float64) if counts is None else counts
    return Profiles(metadata, values, tuple(f"Cells_F{number}" for number in range(FEATURES)))


def decoded(png: bytes) -> np.ndarray:
    picture = cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_COLOR)
    assert picture is not None
    return picture


def field_of(png: bytes, row: int, column: int, size: int) -> np.ndarray:
    """The pixels of one well, without the gap."""
    top, left = HEADER_PX + row * size, MARGIN_PX + column * size
    return decoded(png)[top + 1 : top + size, left + 1 : left + size]


def colour(value: float, scale: Scale) -> list[int]:
    found: list[int] = scale.colours(np.array([[value]]))[0, 0].tolist()
    return found


@pytest.mark.parametrize(("rows", "columns", "size"), [(8, 12, 96), (16, 24, 48), (32, 48, 24)])
def test_each_count_has_its_colour_in_its_place(rows: int, columns: int, size: int) -> None:
    wells = names_of(rows, columns)
    shuffled = [wells[position] for position in np.random.default_rng(0).permutation(len(wells))]
    counts = [float(wells.index(well)) for well in shuffled]
    png = cell_count_png(profiles_of(shuffled, counts), "P1")
    scale = Scale(0, rows * columns)
    for row, column in ((0, 0), (0, columns - 1), (rows - 1, 0), (rows - 1, columns - 1), (3, 7)):
        pixels = field_of(png, row, column, size)
        assert pixels.reshape(-1, 3).tolist() == [colour(row * columns + column, scale)] * (size - 1) ** 2


def test_wells_that_are_not_there_or_not_counted_are_hatched() -> None:
    wells = [well for well in names_of(8, 12) if well != "C05"]
    counts = [np.nan if well == "C06" else 5.0 for well in wells]
    png = cell_count_png(profiles_of(wells, counts), "P1")
    for column in (4, 5):
        seen = {tuple(pixel) for pixel in field_of(png, 2, column, 96).reshape(-1, 3).tolist()}
        assert seen == {PAPER, HATCHING}
    assert {tuple(pixel) for pixel in field_of(png, 2, 6, 96).reshape(-1, 3).tolist()} == {
        tuple(colour(5, Scale(0, 8)))
    }


def test_correlations_are_in_the_order_of_the_plate_and_symmetric() -> None:
    profiles = profiles_of(["B01", "A10", "A02", "A1"])
    profiles.values[3] = -profiles.values[0]
    png = correlation_png(profiles, "P1")
    size = 768 // 4
    scale = Scale(-1, 1, is_diverging=True)
    for place in range(4):
        assert field_of(png, place, place, size)[5, 5].tolist() == colour(1, scale)
    assert field_of(png, 0, 3, size)[5, 5].tolist() == colour(-1, scale)  # A1 and B01
    assert field_of(png, 3, 0, size)[5, 5].tolist() == colour(-1, scale)
    expected = correlations(profiles.values)[3, 2]
    assert field_of(png, 0, 1, size)[5, 5].tolist() == colour(expected, scale)


def test_correlations_are_those_of_numpy_without_features_that_miss_a_value() -> None:
    profiles = profiles_of(names_of(2, 3))
    expected = np.corrcoef(profiles.values[:, 2:])
    profiles.values[0, 0], profiles.values[1, 1] = np.nan, np.inf
    assert np.allclose(correlations(profiles.values), expected)


def test_a_well_that_does_not_vary_has_no_correlation_and_others_keep_theirs() -> None:
    profiles = profiles_of(names_of(2, 3))
    expected = correlations(profiles.values)
    profiles.values[2] = 0.1
    found = correlations(profiles.values)
    assert np.isnan(found[2]).all()
    assert np.isnan(found[:, 2]).all()
    others = [0, 1, 3, 4, 5]
    assert np.allclose(found[np.ix_(others, others)], expected[np.ix_(others, others)])


def test_percent_matching_is_that_of_a_computation_by_hand() -> None:
    rows, columns = (
        np.array(axis) for axis in zip(*[(row, column) for row in range(4) for column in range(5)], strict=True)
    )
    found = correlations(profiles_of(names_of(4, 5)).values)
    matching = percent_matching(found, rows, columns)
    for well in range(20):
        near = [
            other
            for other in range(20)
            if other != well and (rows[other] == rows[well] or columns[other] == columns[well])
        ]
        far = [other for other in range(20) if other != well and other not in near]
        assert (len(near), len(far)) == (7, 12)
        threshold = np.percentile(found[well, far], 95)
        assert matching[well] == pytest.approx(100 * sum(found[well, other] > threshold for other in near) / 7)


def test_an_effect_of_a_row_is_seen_there_and_chance_gives_five_percent() -> None:
    profiles = profiles_of(names_of(16, 24))
    rows, columns = np.divmod(np.arange(384), 24)
    chance = percent_matching(correlations(profiles.values), rows, columns)
    assert chance.mean() == pytest.approx(5, abs=1)
    profiles.values[rows == 15] += 2 * np.random.default_rng(1).normal(size=FEATURES)
    effect = percent_matching(correlations(profiles.values), rows, columns)
    assert effect[rows == 15].min() > 50  # all 23 of the row, of 38 in row and column
    assert effect[rows < 15].mean() == pytest.approx(5, abs=2)


def test_wells_and_columns_with_like_names_are_not_neighbours() -> None:
    rows, columns = np.array([0, 1, 26, 1, 2, 3]), np.array([0, 9, 1, 1, 2, 3])  # A01, B10, AA02, B02, C03, D04
    found = np.zeros((6, 6))
    found[0, 1] = found[0, 2] = 1.0
    assert np.isnan(percent_matching(found, rows, columns)[0])  # no well is in row A or column 1
    assert percent_matching(found, rows, columns)[1] == 0.0  # B10 has B02 beside it


def test_wells_without_neighbours_or_without_others_have_no_effect_and_are_hatched() -> None:
    png = position_effect_png(profiles_of(["A01", "A02", "A03"]), "P1")
    seen = {tuple(pixel) for pixel in field_of(png, 0, 0, 96).reshape(-1, 3).tolist()}
    assert seen == {PAPER, HATCHING}


@pytest.mark.parametrize("draw", DRAWINGS)
def test_pictures_are_drawn_the_same_again_and_are_of_the_size_of_a_screen(draw: Draw) -> None:
    profiles = profiles_of(names_of(16, 24))
    png = draw(profiles, "P1")
    assert png == draw(profiles, "P1")
    height, width, _ = decoded(png).shape
    assert 700 < height < 1000
    assert 700 < width < 1500


@pytest.mark.parametrize("draw", DRAWINGS)
def test_wells_that_no_plate_has_are_left_out(draw: Draw) -> None:
    profiles = profiles_of([*names_of(2, 3), "odd"])
    assert draw(profiles, "P1") == draw(profiles.take(np.arange(7) < 6), "P1")


@pytest.mark.parametrize("draw", DRAWINGS)
@pytest.mark.parametrize("wells", [[], ["odd"], ["A01", "A02", "A1"]])
def test_wells_that_are_not_those_of_one_plate_are_refused(draw: Draw, wells: list[str]) -> None:
    with pytest.raises(InvalidRequest, match="give the profiles of one plate, a row per well"):
        draw(profiles_of(wells), "P1")


def test_profiles_without_counts_have_no_picture_of_them() -> None:
    profiles = profiles_of(names_of(2, 3))
    del profiles.metadata["Metadata_Object_Count"]
    with pytest.raises(InvalidRequest, match="no column Metadata_Object_Count to draw"):
        cell_count_png(profiles, "P1")


@pytest.mark.parametrize("counts", [[0.0] * 6, [np.nan] * 6])
def test_a_plate_without_any_cell_is_drawn(counts: list[float]) -> None:
    assert decoded(cell_count_png(profiles_of(names_of(2, 3), counts), "P1")).any()


def test_plates_of_every_format_have_room_for_their_labels() -> None:
    for rows, columns in FORMATS:
        labels = Labels({rows - 1: row_name(rows - 1)}, {columns - 1: str(columns)})
        values = np.zeros((rows, columns))
        with_labels = decoded(draw_heatmap("", "", values, labels, Scale(0, 1)))
        without = decoded(draw_heatmap("", "", values, Labels({}, {}), Scale(0, 1)))
        differs = (with_labels != without).any(axis=2)
        assert differs[HEADER_PX:, 4 : MARGIN_PX - 4].any()
        assert differs[4 : HEADER_PX - 4, MARGIN_PX:].any()
        assert not differs[HEADER_PX:, MARGIN_PX:].any()


def test_the_scale_of_correlations_is_white_in_the_middle_and_dark_at_its_ends() -> None:
    scale = Scale(-1, 1, is_diverging=True)
    low, middle, high = (colour(value, scale) for value in (-1, 0, 1))
    assert low == [97, 48, 5]
    assert min(middle) > 240
    assert high == [31, 0, 103]
