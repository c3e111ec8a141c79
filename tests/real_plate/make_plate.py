"""A plate of real images, made of one real site by crops and flips.

The site is of JUMP plate BR00143976 (Cell Painting Gallery, CC0), five channels of 1080 x 1080 pixels, 16-bit. Each
image set here is one of its nine windows of 360 x 360 pixels, as it is or mirrored: 8 wells x 2 sites.
"""

import csv
from collections.abc import Mapping, Sequence
from itertools import product
from pathlib import Path

import numpy as np
import tifffile
from PIL import Image

from tests.conftest import REPOSITORY

REAL_DATA = REPOSITORY.parent / "shared" / "data"
PIPELINES = REAL_DATA / "pipelines" / "cellpainting_a549_20x_phenix_bin1"
# Of CellProfiler 2. Version 4 cannot load a SaveImages that writes it: plain CellProfiler leaves out that module and
# all after it, and says Complete.
SAVED_FORMAT = (b"Saved file format:mat", b"Saved file format:npy")
CHANNELS = {"RNA": "ch2", "AGP": "ch3", "Mito": "ch4", "DNA": "ch5", "ER": "ch6"}
PLATE = "0042"  # zero-padded and numeric: LoadData makes 42 of it, for a shard as for the whole plate
WELLS = tuple(f"{row}{column:02}" for row, column in product("AB", range(1, 5)))
SITES = ("1", "2")
SIZE = 360
MIRRORED = 9  # windows after which they come again, mirrored


def write_images(folder: Path) -> None:
    """Write the images of all wells and sites, one file per channel, uncompressed."""
    folder.mkdir(parents=True)
    for channel, number in CHANNELS.items():
        (path,) = (REAL_DATA / "images" / "BR00143976").glob(f"*-{number}sk*.tiff")
        site = np.asarray(Image.open(path))
        for position, (well, name) in enumerate(product(WELLS, SITES)):
            tifffile.imwrite(folder / image_name(well, name, channel), _window(site, position))


def image_name(well: str, site: str, channel: str) -> str:
    """The file of one channel of one image set."""
    return f"{PLATE}_{well}_s{site}_{channel}.tiff"


def write_pipelines(folder: Path) -> None:
    """Write the published illumination and analysis pipelines, with the one change that CellProfiler 4 needs."""
    folder.mkdir(parents=True)
    for name in ("illum", "analysis"):
        text = (PIPELINES / f"{name}_without_batchfile.cppipe").read_bytes()
        (folder / f"{name}.cppipe").write_bytes(text.replace(*SAVED_FORMAT))


def write_load_data(path: Path, images: Path, illum: Mapping[str, Path], wells: Sequence[str] = WELLS) -> None:
    """Write load data as pe2loaddata does, with a FileName_ and a PathName_ column for each image."""
    names = [f"Orig{channel}" for channel in CHANNELS] + [f"Illum{channel}" for channel in illum]
    header = ["Metadata_Plate", "Metadata_Well", "Metadata_Site"]
    header += [f"{kind}_{name}" for name in names for kind in ("FileName", "PathName")]
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(header)
        for well, site in product(wells, SITES):
            files = [images / image_name(well, site, channel) for channel in CHANNELS]
            table.writerow([PLATE, well, site, *_cells([*files, *illum.values()])])


def _cells(files: Sequence[Path]) -> list[str]:
    return [cell for file in files for cell in (file.name, str(file.parent))]


def _window(site: "np.ndarray[tuple[int, int], np.dtype[np.uint16]]", position: int) -> "np.ndarray":
    row, column = divmod(position % MIRRORED, 3)
    window = site[row * SIZE : (row + 1) * SIZE, column * SIZE : (column + 1) * SIZE]
    return window if position < MIRRORED else window[:, ::-1]
