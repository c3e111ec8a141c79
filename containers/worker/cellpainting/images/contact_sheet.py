"""A picture of many: a site per row, its channels in their usual colours, all of them together last."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from cellpainting.images.scaling import histogram, percentile_limits, scale_to_8bit

# Red, green and blue of the dyes, as Cell Painting is usually shown (Bray et al. 2016, doi:10.1038/nprot.2016.105).
COLOURS = {
    "DNA": (80, 120, 255),
    "ER": (60, 255, 60),
    "RNA": (255, 255, 40),
    "AGP": (255, 150, 30),
    "Mito": (255, 50, 50),
}
OTHER_COLOUR = (255, 255, 255)
TILE_PX, GAP_PX, HEADER_PX, MARGIN_PX = 192, 4, 26, 150
TOGETHER = 0.6  # brightness of each channel where all are shown
BACKGROUND, INK = (24, 24, 24), (235, 235, 235)
FONT, FONT_SCALE = cv2.FONT_HERSHEY_SIMPLEX, 0.42
DISPLAY_PERCENTILE = 0.5  # of images that have all their bits: what is shown black and full


@dataclass(frozen=True)
class SheetRow:
    """One site: lines of text, and its (height, width) uint8 or uint16 image per channel."""

    lines: Sequence[str]
    images: Mapping[str, np.ndarray]


def contact_sheet(title: str, rows: Sequence[SheetRow]) -> bytes:
    """The PNG file of a sheet. All rows have the same channels."""
    channels = sorted(rows[0].images, key=lambda channel: (*_rank(channel), channel))
    step = TILE_PX + GAP_PX
    width = MARGIN_PX + step * (len(channels) + 1)
    sheet = np.full((2 * HEADER_PX + step * len(rows), width, 3), BACKGROUND, np.uint8)
    _write(sheet, title, 8, 18)
    for column, name in enumerate([*channels, "all channels"]):
        _write(sheet, name, MARGIN_PX + step * column + 4, HEADER_PX + 18)
    for number, row in enumerate(rows):
        top = 2 * HEADER_PX + step * number
        for line, text in enumerate(row.lines):
            _write(sheet, text, 8, top + 20 + 18 * line)
        for column, tile in enumerate(_tiles(row, channels)):
            left = MARGIN_PX + step * column
            sheet[top : top + TILE_PX, left : left + TILE_PX] = tile
    return cv2.imencode(".png", cv2.cvtColor(sheet, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_PNG_COMPRESSION, 9])[1].tobytes()


def _rank(channel: str) -> tuple[int]:
    return (list(COLOURS).index(channel) if channel in COLOURS else len(COLOURS),)


def _tiles(row: SheetRow, channels: Sequence[str]) -> list[np.ndarray]:
    coloured = [_coloured(row.images[channel], COLOURS.get(channel, OTHER_COLOUR)) for channel in channels]
    return [*coloured, _together(coloured)]


def _together(coloured: Sequence[np.ndarray]) -> np.ndarray:
    """All channels as slides laid over each other on a screen: what is bright in several does not run over."""
    dark = np.ones_like(coloured[0], np.float32)
    for tile in coloured:
        dark *= 1 - TOGETHER * tile.astype(np.float32) / 255
    return ((1 - dark) * 255).astype(np.uint8)


def _coloured(image: np.ndarray, colour: tuple[int, int, int]) -> np.ndarray:
    if image.dtype != np.uint8:
        image = scale_to_8bit(image, percentile_limits(histogram(image), DISPLAY_PERCENTILE))
    side = min(image.shape)
    square = image[:side, :side]
    small = cv2.resize(square, (TILE_PX, TILE_PX), interpolation=cv2.INTER_AREA)
    return (small[..., None].astype(np.uint16) * np.array(colour, np.uint16) // 255).astype(np.uint8)


def _write(sheet: np.ndarray, text: str, left: int, bottom: int) -> None:
    cv2.putText(sheet, text, (left, bottom), FONT, FONT_SCALE, INK, 1, cv2.LINE_AA)
