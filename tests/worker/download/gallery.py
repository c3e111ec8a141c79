"""A plate of small images as the Cell Painting Gallery has it, its load data, and what a download makes of them."""

import csv
import io
import subprocess
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from PIL import Image

from cellpainting.download.here import Here, download
from cellpainting.download.tally import Tell
from cellpainting.ledger import Ledger
from cellpainting.storage import FolderStorage
from tests.worker.images.encodings import lzw

BUCKET = "cellpainting-gallery"
FOLDER = "cpg0016-jump/source_4/images/2021_04_26_Batch1/images/BR00117035__2021-05-02T16_02_51-Measurement 1/Images"
PLATE = ("source_4", "2021_04_26_Batch1", "BR00117035")
CHANNELS = {"DNA": 5, "ER": 4, "RNA": 3, "AGP": 2, "Mito": 1}
SHAPE = (40, 48)

Site = tuple[str, str]  # well and site
SITES: tuple[Site, ...] = (("A01", "1"), ("A01", "2"), ("B12", "1"))
IMAGES = tuple((*site, channel) for site in SITES for channel in CHANNELS)


def image_key(well: str, site: str, channel: str) -> str:
    """The key of an image in the Gallery's bucket."""
    row, column = ord(well[0]) - ord("A") + 1, int(well[1:])
    return f"{FOLDER}/r{row:02}c{column:02}f{int(site):02}p01-ch{CHANNELS[channel]}sk1fk1fl1.tiff"


def pixels(well: str, site: str, channel: str) -> np.ndarray:
    """The pixels of that image."""
    random = np.random.default_rng(zlib.crc32(image_key(well, site, channel).encode()))
    return random.integers(100, 5000, SHAPE).astype(np.uint16)


def image_files(sites: Iterable[Site] = SITES) -> dict[str, bytes]:
    """All image files of some sites by key."""
    images = [(*site, channel) for site in sites for channel in CHANNELS]
    return {image_key(*image): lzw(pixels(*image)) for image in images}


def write_images(folder: Path, sites: Iterable[Site] = SITES) -> None:
    """The same files below a folder."""
    for key, content in image_files(sites).items():
        (folder / key).parent.mkdir(parents=True, exist_ok=True)
        (folder / key).write_bytes(content)


def write_load_data(path: Path, root: str, sites: Iterable[Site] = SITES) -> Path:
    """The load data of some sites, whose images lie below the address `root`."""
    names = [f"{kind}_Orig{channel}" for channel in CHANNELS for kind in ("FileName", "PathName")]
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow([f"Metadata_{name}" for name in ("Source", "Batch", "Plate", "Well", "Site")] + names)
        for site in sites:
            files = [Path(image_key(*site, channel)).name for channel in CHANNELS]
            table.writerow([*PLATE, *site, *(cell for name in files for cell in (name, f"{root}/{FOLDER}/"))])
    return path


def published_path(well: str, site: str, channel: str) -> str:
    """Where the file of an image is below the output."""
    source, _, plate = PLATE
    return f"{'/'.join(PLATE)}/{source}__{plate}__{well}__{site}__{channel}.png"


def read_png(content: bytes) -> np.ndarray:
    with Image.open(io.BytesIO(content)) as image:
        image.load()
        return np.asarray(image)


@dataclass(frozen=True)
class Download:
    """Load data, whose images are below the address `root`, the folder for what is made, and where S3 is."""

    table: Path
    folder: Path
    root: str
    endpoint_url: str | None = None

    @classmethod
    def below(
        cls, folder: Path, root: str, endpoint_url: str | None = None, sites: Iterable[Site] = SITES
    ) -> "Download":
        """One of these sites, to a folder below another, where the table is, too."""
        return cls(write_load_data(folder / "BR00117035.csv", root, sites), folder / "jump", root, endpoint_url)

    def carry_out(self, *, tell: Tell = lambda done, total, fetched_bytes: None, **processing: Any) -> Ledger:
        """Do what `cpb jump download` does, with fields of a request."""
        here = Here(self.folder, self.endpoint_url, processors=2)
        return download(self.table, processing, here, show=lambda line: None, tell=tell)

    @property
    def command(self) -> list[str]:
        """What is typed; with few workers, as its images are small."""
        options = ["--load-data", str(self.table), "--output", str(self.folder), "--workers", "1"]
        return [
            "cpb",
            "jump",
            "download",
            *options,
            *(["--endpoint-url", self.endpoint_url] if self.endpoint_url else []),
        ]

    def start(self) -> "subprocess.Popen[str]":
        return subprocess.Popen(self.command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, text=True)

    def typed(self, *options: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run([*self.command, *options], check=False, capture_output=True, text=True)

    @property
    def bucket(self) -> FolderStorage:
        return FolderStorage(self.folder)

    @property
    def images(self) -> Path:
        return self.folder / "images"

    def path(self, well: str, site: str, channel: str) -> Path:
        """The published file of an image."""
        return self.images / published_path(well, site, channel)

    def read(self, well: str, site: str, channel: str) -> np.ndarray:
        """The pixels of that file."""
        return read_png(self.path(well, site, channel).read_bytes())

    @property
    def published(self) -> dict[str, bytes]:
        """All PNG files of the tree, by their paths below the output."""
        return {
            path.relative_to(self.images).as_posix(): path.read_bytes()
            for path in (self.images / PLATE[0]).rglob("*.png")
        }

    def index(self) -> list[Mapping[str, Any]]:
        """The rows of the index of all parts."""
        parts = sorted((self.images / "index").glob("*.parquet"))
        return [row for part in parts for row in pq.read_table(part).to_pylist()]
