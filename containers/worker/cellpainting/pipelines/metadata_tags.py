"""Metadata tags in a pipeline's text, filled as CellProfiler 4.2.8 does it (`Measurements.apply_metadata`)."""

import re
from collections.abc import Callable

OLD_TAG = re.compile(r"\(\?<(.+?)>\)")  # CellProfiler looks for one of these first, wherever in the text it is
TAG = re.compile(r"\\g<(.+?)>")


def fill_tags(pattern: str, value_of: Callable[[str], str]) -> str:
    r"""The text with each tag `\g<Plate>` replaced by `value_of("Plate")`, and each double backslash by one."""
    return "\\".join(_filled(piece, value_of) for piece in pattern.split(r"\\"))


def _filled(piece: str, value_of: Callable[[str], str]) -> str:
    filled = ""
    while tag := OLD_TAG.search(piece) or TAG.search(piece):
        filled += piece[: tag.start()] + value_of(tag[1])
        piece = piece[tag.end() :]
    return filled + piece
