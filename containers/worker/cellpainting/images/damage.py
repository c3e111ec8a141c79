"""Whether an image file is whole, from its structure alone: no pixel is decoded.

A truncated TIFF must not be measured: readers differ in whether they raise or fill what is missing with zeros.
"""

from pathlib import Path

import tifffile

TIFF_SUFFIXES = frozenset({".tif", ".tiff"})
PNG_SUFFIXES = frozenset({".png"})
PNG_END = b"IEND\xaeB`\x82"  # the last chunk of every PNG (ISO/IEC 15948, 11.2.5) without its length


def find_damage(path: Path) -> str | None:
    """Say what is wrong with an image file, or None when it is whole.

    Empty files are damaged whatever they are called. TIFF: every strip or tile of every page lies within the
    file. PNG: the file ends with its end chunk. Other formats are left to CellProfiler's reader.
    """
    size = path.stat().st_size
    if size == 0:
        return "the file is empty (0 bytes)"
    suffix = path.suffix.lower()
    if suffix in TIFF_SUFFIXES:
        return _tiff_damage(path, size)
    if suffix in PNG_SUFFIXES and path.read_bytes()[-len(PNG_END) :] != PNG_END:
        return f"the PNG has no end chunk: it is truncated at {size} bytes"
    return None


def _tiff_damage(path: Path, size: int) -> str | None:
    try:
        with tifffile.TiffFile(path) as tiff:
            ends = [
                offset + count
                for page in tiff.pages
                if isinstance(page, tifffile.TiffPage)
                for offset, count in zip(page.dataoffsets, page.databytecounts, strict=True)
            ]
    except Exception as error:  # a parser may stumble over damage in any way
        return f"not a readable TIFF ({error})"
    if not ends:
        return "the TIFF holds no image: its directory is missing"
    if max(ends) > size:
        return f"the TIFF is truncated: its data ends at byte {max(ends)}, the file at {size}"
    return None
