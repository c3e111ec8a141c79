"""Reads image files of all kinds with Bio-Formats and without, and writes as JSON what is not the same.

Under CellProfiler's Python: `python image_files.py`. The result is an object by file; each holds whether it was read
without Java, and a line for each difference.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import tifffile
from PIL import Image

if TYPE_CHECKING:
    from cellpainting.cellprofiler.inside.accelerated import image_files
else:  # a script of a Python that does not have this package
    sys.path.insert(0, str(Path(__file__).parents[4] / "containers/worker/cellpainting/cellprofiler/inside"))
    from accelerated import image_files

RNG = np.random.default_rng(0)
WORDS = RNG.integers(0, 2**16, (61, 83)).astype(np.uint16)
BYTES = RNG.integers(0, 2**8, (61, 83)).astype(np.uint8)
SMOOTH = (np.indices((300, 200)).sum(axis=0) * 77 % 2**16).astype(np.uint16)
ASKED: tuple[dict[str, Any], ...] = (
    {},
    {"rescale": False},
    {"series": 0, "index": 0},
    {"c": 0},
    {"index": 1},
    {"XYWH": (2, 3, 10, 20)},
)


def tiff(pixels: Any = WORDS, **options: Any) -> Callable[[Path], None]:
    """Written by tifffile: uncompressed unless told otherwise."""
    return lambda path: tifffile.imwrite(path, pixels, **options)


def pillow(pixels: Any = WORDS, **options: Any) -> Callable[[Path], None]:
    """Written by Pillow, which has libtiff and libpng."""
    return lambda path: Image.fromarray(pixels).save(path, **options)


def cut(path: Path) -> None:
    """Half a file."""
    pillow(SMOOTH, compression="tiff_lzw")(path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


PLAIN: dict[str, Callable[[Path], None]] = {
    "words.tif": tiff(),
    "bytes.tiff": tiff(BYTES),
    "big endian.tif": tiff(byteorder=">"),
    "in strips.tif": tiff(rowsperstrip=7),
    "no description.TIF": tiff(metadata=None),
    "described.tif": tiff(metadata=None, description="a plate", software="a microscope"),
    "12 bits.tif": tiff(WORDS >> 4, extratags=[(281, 3, 1, 4095, True)]),
    "smallest and largest.tif": tiff(extratags=[(340, 3, 1, 12, True), (341, 3, 1, 4095, True)]),
    "BigTIFF.tif": tiff(bigtiff=True),
    "LZW.tif": pillow(compression="tiff_lzw"),
    "LZW of bytes.tif": pillow(BYTES, compression="tiff_lzw"),
    "smooth LZW.tif": pillow(SMOOTH, compression="tiff_lzw"),
    "LZW of differences.tif": pillow(SMOOTH, compression="tiff_lzw", tiffinfo={317: 2}),
    "words.png": pillow(),
    "bytes.PNG": pillow(BYTES),
}
OTHERS: dict[str, Callable[[Path], None]] = {
    "deflated.tif": pillow(compression="tiff_adobe_deflate"),
    "in tiles.tif": tiff(tile=(16, 16)),
    "ImageJ's.tif": tiff(imagej=True),
    "ImageJ's stack.tif": tiff(np.stack([WORDS, WORDS // 2]), imagej=True),
    "two pages.tif": tiff(np.stack([WORDS, WORDS // 2]), photometric="minisblack"),
    "white is zero.tif": tiff(BYTES, photometric="miniswhite"),
    "turned.tif": tiff(extratags=[(274, 3, 1, 6, True)]),
    "signed.tif": tiff(WORDS.astype(np.int16)),
    "32 bits.tif": tiff(WORDS.astype(np.uint32)),
    "floating.tif": tiff(WORDS.astype(np.float32)),
    "colours.tif": tiff(np.dstack([BYTES] * 3), photometric="rgb"),
    "OME.ome.tif": tiff(ome=True),
    "cut.tif": cut,
    "no image.tif": lambda path: path.write_text("nothing"),  # type: ignore[dict-item]
    "colours.png": pillow(np.dstack([BYTES] * 3)),
    "one bit.png": pillow(BYTES > 99),
    "transparent.png": pillow(BYTES, transparency=3),
    "palette.png": lambda path: Image.fromarray(BYTES).convert("P").save(path),
    "bytes.bmp": pillow(BYTES),
}


def read(reader: Any, path: Path, asked: dict[str, Any]) -> Any:
    """What a reader gives, or the kind of its error."""
    opened = None
    try:
        opened = reader(url=path.as_uri().replace("///", "/"))
        return opened.read(wants_max_intensity=True, **asked)
    except Exception as error:
        return type(error).__name__
    finally:
        if opened is not None:
            opened.close()


def compare(path: Path) -> dict[str, Any]:
    """How the readers differ for one file."""
    is_plain, problems = image_files.read_plain(path) is not None, []
    for asked in ASKED if is_plain else ASKED[:1]:
        stock, ours = (read(reader, path, asked) for reader in (image_files.ImageReader, image_files.reader))
        if isinstance(stock, str) or isinstance(ours, str):
            is_same = isinstance(stock, str) and stock == ours
        else:
            is_same = stock[0].dtype == ours[0].dtype and stock[1] == ours[1] and type(stock[1]) is type(ours[1])
            is_same = is_same and np.array_equal(stock[0], ours[0])
        if not is_same:
            problems.append(f"{asked}: {stock} is not {ours}")
    return {"plain": is_plain, "problems": problems}


def main() -> None:
    """Compare all."""
    from cellprofiler_core import preferences
    from cellprofiler_core.utilities.java import start_java

    preferences.set_awt_headless(True)
    preferences.set_headless()
    start_java()
    with tempfile.TemporaryDirectory() as folder:
        both = {}
        for name, write in {**PLAIN, **OTHERS}.items():
            path = Path(folder, name.replace(" ", "_"))
            write(path)
            both[name] = compare(path)
    json.dump({"files": both, "plain": list(PLAIN)}, sys.stdout)
    sys.stdout.flush()
    os._exit(0)  # Java's threads would keep the process


if __name__ == "__main__":
    main()
