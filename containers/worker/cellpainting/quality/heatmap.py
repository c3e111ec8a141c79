"""Pictures of numbers in rows and columns: a title, labels, a colour per number, and a bar that tells which."""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from cellpainting.profiles.profiles import Values

Picture = NDArray[np.uint8]

PAPER, INK, HATCHING = (255, 255, 255), (40, 40, 40), (205, 205, 205)
FONT, SMALL, LARGE = cv2.FONT_HERSHEY_SIMPLEX, 0.55, 0.85
WIDTH_PX, HEIGHT_PX = 1152, 768  # of the numbers, at most: a plate is half again as wide as it is high
MARGIN_PX, HEADER_PX = 64, 100
BAR_PX, BAR_GAP_PX, BAR_LABELS_PX = 28, 40, 110
HATCH_PX = 8  # from one line to the next
GAP_PX = 1  # between fields, where they are large enough to be told apart
SMALLEST_FIELD_PX = 12  # that has a gap
PNG_LEVEL = 6
BAR_STEPS = 4  # between the numbers at the bar
DIVERGING = ((5, 48, 97), (67, 147, 195), (247, 247, 247), (214, 96, 77), (103, 0, 31))  # RdBu of colorbrewer2.org


@dataclass(frozen=True)
class Scale:
    """The numbers that have the first colour and the last. `is_diverging` for numbers on both sides of the middle.

    `unit` is written with them.
    """

    low: float
    high: float
    is_diverging: bool = False
    unit: str = ""

    def colours(self, values: Values) -> Picture:
        """Blue, green and red of numbers of shape (rows, columns); colours are told apart by the colour-blind."""
        span = self.high - self.low
        shares = np.clip((np.nan_to_num(values, nan=self.low) - self.low) / (span or 1.0), 0, 1)
        indices = np.rint(shares * 255).astype(np.uint8)
        colours = cv2.applyColorMap(indices, _diverging() if self.is_diverging else cv2.COLORMAP_CIVIDIS)
        return np.asarray(colours, dtype=np.uint8)


@dataclass(frozen=True)
class Labels:
    """What is written at a row or column, by its position; not all need a label."""

    rows: dict[int, str]
    columns: dict[int, str]


def draw_heatmap(title: str, subtitle: str, values: Values, labels: Labels, scale: Scale) -> bytes:
    """A picture as a PNG file; fields without a number, NaN, are hatched.

    Parameters
    ----------
    values
        float64 of shape (rows, columns).
    """
    rows, columns = values.shape
    field = max(1, min(WIDTH_PX // columns, HEIGHT_PX // rows))
    height, width = rows * field, columns * field
    right = MARGIN_PX + width + BAR_GAP_PX + BAR_PX + BAR_LABELS_PX
    picture: Picture = np.full((HEADER_PX + height + MARGIN_PX // 2, max(right, 640), 3), PAPER, np.uint8)
    picture[HEADER_PX : HEADER_PX + height, MARGIN_PX : MARGIN_PX + width] = _fields(values, field, scale)
    _write(picture, title, (MARGIN_PX, 32), LARGE)
    _write(picture, subtitle, (MARGIN_PX, 58), SMALL)
    for row, text in labels.rows.items():
        middle = HEADER_PX + row * field + field // 2
        _write(picture, text, (MARGIN_PX - 10 - _text_width(text), middle + 6), SMALL)
    for column, text in labels.columns.items():
        middle = MARGIN_PX + column * field + field // 2
        _write(picture, text, (middle - _text_width(text) // 2, HEADER_PX - 10), SMALL)
    _draw_bar(picture, MARGIN_PX + width + BAR_GAP_PX, height, scale)
    return cv2.imencode(".png", picture, [cv2.IMWRITE_PNG_COMPRESSION, PNG_LEVEL])[1].tobytes()


def _fields(values: Values, field: int, scale: Scale) -> Picture:
    """Each number as a square of `field` pixels."""
    coloured = scale.colours(values).repeat(field, axis=0).repeat(field, axis=1)
    is_empty = np.isnan(values).repeat(field, axis=0).repeat(field, axis=1)
    down, across = np.indices(is_empty.shape)
    is_hatched = (down + across) % HATCH_PX < 2
    coloured[is_empty & ~is_hatched] = PAPER
    coloured[is_empty & is_hatched] = HATCHING
    if field >= SMALLEST_FIELD_PX:
        coloured[(down % field < GAP_PX) | (across % field < GAP_PX)] = PAPER
    return coloured


def _draw_bar(picture: Picture, left: int, height: int, scale: Scale) -> None:
    """All colours from top to bottom, and their numbers."""
    numbers = np.linspace(scale.high, scale.low, height)[:, np.newaxis].repeat(BAR_PX, axis=1)
    picture[HEADER_PX : HEADER_PX + height, left : left + BAR_PX] = scale.colours(numbers)
    for tick in range(BAR_STEPS + 1):
        share = tick / BAR_STEPS
        number = scale.high - share * (scale.high - scale.low)
        bottom = HEADER_PX + round(share * (height - 1))
        cv2.line(picture, (left + BAR_PX, bottom), (left + BAR_PX + 6, bottom), INK, 1)
        _write(picture, f"{number:,.4g}{scale.unit}", (left + BAR_PX + 12, bottom + 6), SMALL)


def _diverging() -> Picture:
    """256 colours from blue over white to red, as blue, green and red of shape (256, 1, 3)."""
    anchors = np.array(DIVERGING, dtype=np.float64)[:, ::-1]
    places = np.linspace(0, len(anchors) - 1, 256)
    channels: Sequence[NDArray[np.float64]] = [
        np.interp(places, np.arange(len(anchors)), anchors[:, channel]) for channel in range(3)
    ]
    return np.rint(np.stack(channels, axis=1)).astype(np.uint8)[:, np.newaxis]


def _text_width(text: str) -> int:
    return cv2.getTextSize(text, FONT, SMALL, 1)[0][0]


def _write(picture: Picture, text: str, place: tuple[int, int], size: float) -> None:
    cv2.putText(picture, text, place, FONT, size, INK, 1, cv2.LINE_AA)
