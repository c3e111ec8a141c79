"""Image files as microscopes write them, by the name of what is special about each."""

import io
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import tifffile
from PIL import Image


def tiff(pixels: np.ndarray, **options: Any) -> bytes:
    file = io.BytesIO()
    tifffile.imwrite(file, pixels, **options)
    return file.getvalue()


def lzw(pixels: np.ndarray) -> bytes:
    """As the images of the Gallery are."""
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "TIFF", compression="tiff_lzw")
    return file.getvalue()


TIFFS: Mapping[str, Callable[[np.ndarray], bytes]] = {
    "uncompressed": tiff,
    "strips": lambda pixels: tiff(pixels, rowsperstrip=8),
    "tiled": lambda pixels: tiff(pixels, tile=(32, 32)),
    "big-endian": lambda pixels: tiff(pixels, byteorder=">"),
    "deflate": lambda pixels: tiff(pixels, compression="zlib"),
    "deflate, tiled, big-endian": lambda pixels: tiff(pixels, compression="zlib", tile=(32, 32), byteorder=">"),
    "lzw": lzw,
}
