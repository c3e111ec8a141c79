"""Image reading: plain TIFF and PNG files are read here, without Java.

CellProfiler reads them with Bio-Formats, which takes several times as long. Plain is what has one grey value of 8 or
16 bits for each pixel of a single image, not compressed or with LZW, and nothing that asks for more than decoding: for
those the values are the file's, and so is their scale. All else is left to Bio-Formats, errors included.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
from bioformats import formatreader
from PIL import Image
from PIL.PngImagePlugin import PngImageFile
from PIL.TiffImagePlugin import TiffImageFile

from .kernel import Array

# Entries of a TIFF file that change how its pixels are to be read, and what they are in plain files, None where they
# are not there. By number, since files have them by number: TIFF 6.0, pages 117 and 118; 330 is of its supplement 1.
PLAIN_ENTRIES = {
    254: (None, 0),  # NewSubfileType
    255: (None,),  # SubfileType
    258: ((8,), (16,)),  # BitsPerSample
    259: (1, 5),  # Compression: none, LZW
    262: (1,),  # PhotometricInterpretation: black is zero
    266: (None, 1),  # FillOrder
    274: (None, 1),  # Orientation
    277: (None, 1),  # SamplesPerPixel
    284: (None, 1),  # PlanarConfiguration
    317: (None, 1, 2),  # Predictor
    322: (None,),  # TileWidth
    330: (None,),  # SubIFDs
    338: (None,),  # ExtraSamples
    339: (None, (1,)),  # SampleFormat: whole numbers without a sign
}
IMAGE_DESCRIPTION, ROWS_PER_STRIP, STRIP_OFFSETS, STRIP_BYTE_COUNTS, MAX_SAMPLE_VALUE = 270, 278, 273, 279, 281
OTHER_MEANING = ("ImageJ=", "<?xml", "<OME", "<MetaData")  # descriptions that Bio-Formats reads as more than text
PNG_DEPTH_AND_TYPE, PNG_PLAIN = slice(24, 29), (b"\x08\0\0\0\0", b"\x10\0\0\0\0")  # grey, not interlaced
DTYPES = {"L": "u1", "I;16": "<u2", "I;16B": ">u2"}
ImageReader = formatreader.ImageReader


def install() -> None:
    """Replace what makes a reader for a file; how long it is kept stays as it is."""
    formatreader.ImageReader = reader


def reader(path: Any = None, url: Any = None, perform_init: bool = True) -> Any:
    """A reader for a file or a URL, or for its metadata only."""
    file = local_file(path, url)
    plain = read_plain(file) if file and perform_init else None
    return PlainReader(str(file), *plain) if plain else ImageReader(path, url, perform_init)


class PlainReader(ImageReader):  # type: ignore[misc, valid-type]
    """A reader that has read its file already."""

    def __init__(self, path: str, pixels: Array, scale: int) -> None:
        self.path, self._pixels, self._scale = path, pixels, scale

    def read(
        self,
        c: Any = None,
        z: Any = 0,
        t: Any = 0,
        series: Any = None,
        index: Any = None,
        rescale: bool = True,
        wants_max_intensity: bool = False,
        channel_names: Any = None,
        XYWH: Any = None,
    ) -> Any:
        """The pixels, float32 from 0 to 1 if `rescale`; and their scale, if wanted."""
        if XYWH is not None or any(which not in (None, 0) for which in (c, z, t, series, index)):
            self.__class__ = ImageReader
            self.__init__(self.path)  # type: ignore[misc]
            return self.read(c, z, t, series, index, rescale, wants_max_intensity, channel_names, XYWH)
        pixels = self._pixels.astype(np.float32) / float(self._scale) if rescale else self._pixels.copy()
        return (pixels, self._scale) if wants_max_intensity else pixels

    def close(self) -> None:
        """Nothing is open."""


def local_file(path: Any, url: Any) -> Path | None:
    """The file that Bio-Formats would read, None if it is not here."""
    if url is not None and str(url).lower().startswith("file:"):
        path = formatreader.url2pathname(str(url)[len("file:") :])
    return Path(path) if path and Path(path).is_file() else None


def read_plain(file: Path) -> tuple[Array, int] | None:
    """Pixels as they are in the file, and the value that stands for 1; None for what is not plain."""
    is_png = file.name.lower().endswith(".png")
    if not is_png and not file.name.lower().endswith((".tif", ".tiff")):
        return None
    try:
        with Image.open(file) as image:
            if getattr(image, "n_frames", 1) != 1 or image.mode not in DTYPES:
                return None
            dtype = np.dtype(DTYPES[image.mode])
            dtype = dtype.newbyteorder(">") if is_png else dtype
            scale = _png_scale(image, file) if is_png else _tiff_scale(image)
            return (np.array(image, dtype), scale) if scale else None
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
        return None


def _png_scale(image: Image.Image, file: Path) -> int:
    """0 for what is not plain."""
    with file.open("rb") as opened:
        is_plain = opened.read(PNG_DEPTH_AND_TYPE.stop)[PNG_DEPTH_AND_TYPE] in PNG_PLAIN
    if not is_plain or not isinstance(image, PngImageFile) or "transparency" in image.info:
        return 0
    return 255 if image.mode == "L" else 65535


def _tiff_scale(image: Image.Image) -> int:
    """0 for what is not plain."""
    if not isinstance(image, TiffImageFile):
        return 0
    entries = image.tag_v2
    is_plain = all(entries.get(number) in plain for number, plain in PLAIN_ENTRIES.items())
    if not is_plain or str(entries.get(IMAGE_DESCRIPTION, "")).lstrip().startswith(OTHER_MEANING):
        return 0
    width, height = image.size
    (bits,) = entries[258]
    strips = math.ceil(height / min(entries.get(ROWS_PER_STRIP, height), height))
    sizes = entries.get(STRIP_BYTE_COUNTS, ())
    if not len(entries.get(STRIP_OFFSETS, ())) == len(sizes) == strips:
        return 0
    if entries[259] == 1 and sum(sizes) != width * height * bits // 8:
        return 0
    (most,) = entries.get(MAX_SAMPLE_VALUE, (2**bits - 1,))
    return int(most) if 0 < most < 2**bits else 0
