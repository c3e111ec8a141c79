"""One picture of several sites: CellProfiler's overlays side by side, each with its name and count."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

COLUMNS = 3
WIDTH_PX = 1200  # the width of a README on a large screen
GAP_PX = 12
TITLE_PX = 56
CAPTION_PX = 38
COLORS = 128  # of the cells: enough for them, and few enough for a PNG below 400 kB and for letters beside them
PAPER, INK, FAINT = "#12161c", "#f2f4f7", "#9aa6b2"
# As in analysis.cppipe: outlines, and the channels of the composite.
LEGEND = (("cell", "#ffd23c"), ("nucleus", "#ffffff"), ("DNA", "#4a78f0"), ("ER", "#12b04c"), ("AGP", "#f0441e"))


@dataclass(frozen=True)
class Tile:
    """One site: the file with its overlay, and three words about it."""

    overlay: Path
    name: str
    condition: str
    cells: str


def draw_sheet(tiles: Sequence[Tile], path: Path) -> None:
    """Write the contact sheet as a PNG with a palette, in rows of three."""
    side = (WIDTH_PX - GAP_PX * (COLUMNS + 1)) // COLUMNS
    rows = -(-len(tiles) // COLUMNS)
    sheet = Image.new("RGB", (WIDTH_PX, TITLE_PX + rows * (side + CAPTION_PX + GAP_PX)), PAPER)
    corners = [
        (GAP_PX + index % COLUMNS * (side + GAP_PX), TITLE_PX + index // COLUMNS * (side + CAPTION_PX + GAP_PX))
        for index in range(len(tiles))
    ]
    for tile, corner in zip(tiles, corners, strict=True):
        with Image.open(tile.overlay) as overlay:
            sheet.paste(overlay.convert("RGB").resize((side, side), Image.Resampling.LANCZOS), corner)
    sheet = sheet.quantize(COLORS, dither=Image.Dither.NONE).convert("RGB")
    pen = ImageDraw.Draw(sheet)  # after the cells, which would leave no color for the legend
    _draw_title(pen)
    for tile, (left, top) in zip(tiles, corners, strict=True):
        _draw_caption(pen, tile, left, top + side + CAPTION_PX // 2, side)
    path.parent.mkdir(parents=True, exist_ok=True)
    sheet.quantize(dither=Image.Dither.NONE).save(path, optimize=True)


def _draw_title(pen: ImageDraw.ImageDraw) -> None:
    middle = TITLE_PX // 2
    pen.text((GAP_PX, middle), "Small plate, site 1 of each well", INK, _font(24), anchor="lm")
    right: float = WIDTH_PX - GAP_PX
    for word, color in reversed(LEGEND):
        pen.text((right, middle), word, FAINT, _font(18), anchor="rm")
        right -= pen.textlength(word, _font(18)) + 20
        pen.rounded_rectangle((right, middle - 6, right + 12, middle + 6), 3, color)
        right -= 18


def _draw_caption(pen: ImageDraw.ImageDraw, tile: Tile, left: int, middle: int, width: int) -> None:
    pen.text((left, middle), tile.name, INK, _font(22), anchor="lm")
    after = left + pen.textlength(tile.name, _font(22)) + 12
    pen.text((after, middle), tile.condition, FAINT, _font(18), anchor="lm")
    pen.text((left + width, middle), tile.cells, INK, _font(18), anchor="rm")


def _font(size_px: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """Pillow's own font, so that the picture does not depend on the machine's."""
    return ImageFont.load_default(size_px)
