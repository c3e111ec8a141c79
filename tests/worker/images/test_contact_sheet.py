"""A contact sheet shows a site per row, and its channels in their order and colours."""

import cv2
import numpy as np
import pytest

from cellpainting.images.contact_sheet import GAP_PX, HEADER_PX, MARGIN_PX, TILE_PX, SheetRow, contact_sheet

STEP_PX = TILE_PX + GAP_PX
BRIGHT, DARK = np.full((40, 60), 255, np.uint8), np.zeros((40, 60), np.uint8)
PAINTED = ("DNA", "ER", "RNA", "AGP", "Mito")


def sheet_of(*images: dict[str, np.ndarray]) -> np.ndarray:
    """The pixels of a sheet, in RGB."""
    rows = [SheetRow([f"A{number:02}  site 1"], one) for number, one in enumerate(images, start=1)]
    content = contact_sheet("BR00117035", rows)
    decoded = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR)
    assert decoded is not None
    return cv2.cvtColor(decoded, cv2.COLOR_BGR2RGB)


def tile(sheet: np.ndarray, row: int, column: int) -> np.ndarray:
    top, left = 2 * HEADER_PX + STEP_PX * row, MARGIN_PX + STEP_PX * column
    return sheet[top : top + TILE_PX, left : left + TILE_PX]


def lit(sheet: np.ndarray, row: int = 0) -> list[int]:
    """The columns whose tiles are not black."""
    return [column for column in range((sheet.shape[1] - MARGIN_PX) // STEP_PX) if tile(sheet, row, column).any()]


@pytest.mark.parametrize("position", range(5))
def test_channels_of_cell_painting_are_in_the_order_of_their_wavelengths(position: int) -> None:
    images = dict.fromkeys(sorted(PAINTED), DARK) | {PAINTED[position]: BRIGHT}
    assert lit(sheet_of(images)) == [position, 5]  # and with all the others, last


def test_other_channels_follow_by_name_and_are_grey() -> None:
    sheet = sheet_of({"Brightfield": BRIGHT, "Actin": DARK, "DNA": DARK})
    assert lit(sheet) == [2, 3]
    assert tile(sheet, 0, 2).min() == tile(sheet, 0, 2).max() == 255


@pytest.mark.parametrize(
    ("channel", "strongest"), [("DNA", {2}), ("ER", {1}), ("RNA", {0, 1}), ("AGP", {0}), ("Mito", {0})]
)
def test_each_channel_has_its_usual_colour(channel: str, strongest: set[int]) -> None:
    colour = tile(sheet_of({channel: BRIGHT}), 0, 0)[TILE_PX // 2, TILE_PX // 2]
    assert set(np.flatnonzero(colour == colour.max())) == strongest


def test_sheet_grows_by_a_row_per_site_and_a_column_per_channel() -> None:
    one = {"DNA": BRIGHT, "ER": DARK}
    height, width, _ = sheet_of(one).shape
    assert (height, width) == (2 * HEADER_PX + STEP_PX, MARGIN_PX + 3 * STEP_PX)
    assert sheet_of(one, one, one).shape == (height + 2 * STEP_PX, width, 3)
    assert sheet_of({**one, "RNA": DARK}).shape == (height, width + STEP_PX, 3)


def test_each_row_shows_its_own_site() -> None:
    sheet = sheet_of({"DNA": BRIGHT, "ER": DARK}, {"DNA": DARK, "ER": BRIGHT})
    assert (lit(sheet, 0), lit(sheet, 1)) == ([0, 2], [1, 2])


def test_images_of_16_bits_are_shown_between_their_own_dark_and_bright() -> None:
    ramp = np.tile(np.arange(1000, 1200, dtype=np.uint16), (200, 1))
    shown = tile(sheet_of({"ER": ramp}), 0, 0)[..., 1]
    assert shown[:, 0].max() < 5
    assert shown[:, -1].min() > 250


def test_flat_images_of_16_bits_are_black() -> None:
    assert lit(sheet_of({"ER": np.full((8, 8), 700, np.uint16)})) == []
