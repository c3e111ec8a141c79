"""A plate of whole real sites, and all that a request for its profiles needs: 4 wells x 2 sites, five channels of
1080 x 1080 pixels, 16-bit.

Two sites are real, of the JUMP plates BR00143976 and BR00117006 (Cell Painting Gallery, CC0). Each becomes four image
sets: as it is, or mirrored and rolled. The second has three channels: ER stands for RNA, too, and AGP for Mito.
"""

from itertools import product
from pathlib import Path

import numpy as np
import tifffile
from PIL import Image

from tests.real_plate.make_plate import CHANNELS, REAL_DATA, SITES, image_name, write_load_data, write_pipelines

CONTROLS, TREATED = ("A01", "A02"), ("A03", "A04")
WHOLE_WELLS = CONTROLS + TREATED
SECOND_SITE = {"RNA": "ch3", "AGP": "ch2", "Mito": "ch2", "DNA": "ch5", "ER": "ch3"}
REAL_SITES = {"BR00143976": (CONTROLS, CHANNELS), "BR00117006": (TREATED, SECOND_SITE)}
ROLL = 270  # pixels by which each further image set of a real site is rolled: cells at the border change with it
BATCH = "real_batch"
RUN = "real"
IN_BUCKET = "real_plate"  # where the folder goes
REQUEST = {
    "job_type": "process_plate",
    "run": RUN,
    "load_data": f"{IN_BUCKET}/load_data.csv",
    "batch": BATCH,
    "pipelines": {
        "illumination": f"{IN_BUCKET}/pipelines/illum.cppipe",
        "analysis": f"{IN_BUCKET}/pipelines/analysis.cppipe",
    },
    "platemap": f"{IN_BUCKET}/platemap.txt",
    "output": "workspace",
    "image_sets_per_shard": 4,
}


def write_whole_plate(folder: Path) -> None:
    """Write images, load data, platemap and pipelines, as they are to be uploaded to `IN_BUCKET`."""
    (folder / "images").mkdir(parents=True)
    for plate, (wells, channels) in REAL_SITES.items():
        for channel, number in channels.items():
            (path,) = (REAL_DATA / "images" / plate).glob(f"*-{number}sk*.tiff")
            site = np.asarray(Image.open(path))
            for position, (well, name) in enumerate(product(wells, SITES)):
                tifffile.imwrite(folder / "images" / image_name(well, name, channel), _turned(site, position))
    there = Path("/home/ubuntu/bucket") / IN_BUCKET / "images"
    write_load_data(folder / "load_data.csv", there, {}, WHOLE_WELLS)
    rows = [("well_position", "treatment", "control_type")]
    rows += [(well, "DMSO", "negcon") for well in CONTROLS] + [(well, "other site", "trt") for well in TREATED]
    (folder / "platemap.txt").write_text("".join("\t".join(row) + "\n" for row in rows))
    write_pipelines(folder / "pipelines")


def _turned(site: "np.ndarray[tuple[int, int], np.dtype[np.uint16]]", position: int) -> "np.ndarray":
    """The site for position 0; after that mirrored from left to right, from top to bottom, and both, and rolled."""
    step = (-1 if position & 2 else 1, -1 if position & 1 else 1)
    return np.roll(site[:: step[0], :: step[1]], ROLL * position, axis=0)
