"""Whole real sites with all that published analysis pipelines need: load data and illumination functions.

The sites are of the JUMP plates BR00117006 and BR00143976 (Cell Painting Gallery, CC0), 1080 x 1080 pixels, 16-bit. The
first has three channels: ER stands for RNA, too, and AGP for Mito. The second has one brightfield plane of the three
that JUMP's production pipeline wants. An illumination function is the site and its mirror images, smoothed.
"""

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image
from scipy import ndimage

from tests.real_plate.make_plate import CHANNELS, REAL_DATA
from tests.real_plate.make_whole_plate import SECOND_SITE

A549 = REAL_DATA / "pipelines" / "cellpainting_a549_20x_phenix_bin1" / "analysis_without_batchfile.cppipe"
JUMP = REAL_DATA / "pipelines" / "JUMP_production" / "JUMP_analysis_v3.cppipe"
BRIGHTFIELD = dict.fromkeys(("Brightfield", "Brightfield_H", "Brightfield_L"), "ch1")
SMOOTHED_PX = 150  # standard deviation of the Gaussian


@dataclass(frozen=True)
class Site:
    """A site and the pipeline that is to measure it."""

    plate: str
    pipeline: Path
    channels: Mapping[str, str]

    def path(self, channel: str) -> Path:
        """The image of a channel."""
        (path,) = (REAL_DATA / "images" / self.plate).glob(f"*-{self.channels[channel]}sk*.tiff")
        return path


SITES = {
    "a549 BR00117006": Site("BR00117006", A549, SECOND_SITE),
    "a549 BR00143976": Site("BR00143976", A549, CHANNELS),
    "JUMP BR00143976": Site("BR00143976", JUMP, {**CHANNELS, **BRIGHTFIELD}),
}


def write_site(site: Site, folder: Path) -> Path:
    """Write the illumination functions and a table of one image set; returns the table."""
    folder.mkdir(parents=True)
    row = {"Metadata_Plate": site.plate, "Metadata_Well": "A01", "Metadata_Site": "1"}
    for channel in site.channels:
        image, function = site.path(channel), folder / f"Illum{channel}.npy"
        np.save(function, _illumination(image))
        for name, path in ((f"Orig{channel}", image), (f"Illum{channel}", function)):
            row |= {f"FileName_{name}": path.name, f"PathName_{name}": str(path.parent)}
    table = folder / "load_data.csv"
    with table.open("w", newline="") as file:
        writer = csv.DictWriter(file, row)
        writer.writeheader()
        writer.writerow(row)
    return table


def _illumination(image: Path) -> "np.ndarray[tuple[int, ...], np.dtype[np.float32]]":
    pixels = np.asarray(Image.open(image)).astype(float)
    mirrored = sum(np.flip(pixels, axes) for axes in ((), (0,), (1,), (0, 1)))
    smooth = ndimage.gaussian_filter(mirrored, SMOOTHED_PX)
    return np.asarray(smooth / smooth.min(), np.float32)
