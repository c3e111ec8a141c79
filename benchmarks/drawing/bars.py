"""Pairs of bars as an SVG: what took how long before and after, on one scale."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape

WIDTH, LABEL, BAR, GAP, TOP = 760, 250, 13, 10, 44
COLOURS = ("#9aa5b1", "#1b7f5c")


@dataclass(frozen=True)
class Pair:
    """One row: its label, and the two values."""

    label: str
    before: float
    after: float


def draw_bars(title: str, names: tuple[str, str], pairs: Sequence[Pair]) -> str:
    """The picture, with a legend of the two names."""
    return "\n".join(_lines(title, names, pairs)) + "\n"


def _lines(title: str, names: tuple[str, str], pairs: Sequence[Pair]) -> Iterator[str]:
    height = TOP + len(pairs) * (2 * BAR + GAP) + GAP
    scale = (WIDTH - LABEL - 60) / max(pair.before for pair in pairs)
    yield f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" font-family="sans-serif">'
    yield f'<rect width="{WIDTH}" height="{height}" fill="#ffffff"/>'
    yield f'<text x="12" y="18" font-size="14" font-weight="bold">{escape(title)}</text>'
    for number, name in enumerate(names):
        x = LABEL + 190 * number
        yield f'<rect x="{x}" y="26" width="10" height="10" fill="{COLOURS[number]}"/>'
        yield f'<text x="{x + 15}" y="35" font-size="12">{escape(name)}</text>'
    for number, pair in enumerate(pairs):
        y = TOP + number * (2 * BAR + GAP)
        yield f'<text x="{LABEL - 8}" y="{y + BAR + 4}" font-size="12" text-anchor="end">{escape(pair.label)}</text>'
        for offset, (value, colour) in enumerate(zip((pair.before, pair.after), COLOURS, strict=True)):
            top = y + offset * BAR
            width = max(1.0, value * scale)
            yield f'<rect x="{LABEL}" y="{top}" width="{width:.1f}" height="{BAR - 1}" fill="{colour}"/>'
            yield f'<text x="{LABEL + width + 5:.1f}" y="{top + BAR - 3}" font-size="11">{value:.1f}</text>'
    yield "</svg>"
