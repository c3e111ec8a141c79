"""What tests share: CellProfiler's place, small images that it can measure, and a bucket on disk."""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from cellpainting.cellprofiler.environment import CellProfiler, find_cellprofiler
from cellpainting.cellprofiler.run import run
from cellpainting.errors import CellProfilerNotFound
from cellpainting.jobs import RunRecord, parse_job
from cellpainting.ledger import Ledger, Manifest, read_ledger
from cellpainting.storage import FolderStorage

REPOSITORY = Path(__file__).resolve().parents[1]
SPOTS_PIPELINE = Path(__file__).with_name("data") / "spots.cppipe"
SPOTS = ((20, 20), (20, 44), (44, 32))  # row, column of the three spots in every image of 64 x 64 pixels


def write_site(folder: Path, well: str, *, spots: bool = True, illum_size: int = 64) -> None:
    """Write the two images of one image set: DNA with three spots or none, and its illumination function."""
    folder.mkdir(parents=True, exist_ok=True)
    y, x = np.ogrid[:64, :64]
    light = sum(np.exp(-((y - row) ** 2 + (x - column) ** 2) / 32) for row, column in SPOTS)
    image = 10 + 190 * light if spots else np.zeros((64, 64))
    tifffile.imwrite(folder / f"P1_{well}_s1_DNA.tif", image.astype(np.uint8))
    tifffile.imwrite(folder / f"P1_{well}_s1_Illum.tif", np.full((illum_size, illum_size), 255, np.uint8))


@pytest.fixture(scope="session")
def cellprofiler() -> CellProfiler:
    """The CellProfiler that `make setup` installed, or the one that CELLPROFILER names."""
    named = os.environ.get("CELLPROFILER", str(REPOSITORY / ".cellprofiler" / "bin" / "cellprofiler"))
    try:
        return find_cellprofiler(named)
    except CellProfilerNotFound as error:
        pytest.fail(str(error))


@dataclass(frozen=True)
class Plate:
    """A bucket on disk with a pipeline and a folder of images, and the request that asks for them to be measured."""

    root: Path
    document: Mapping[str, Any]

    @property
    def bucket(self) -> FolderStorage:
        return FolderStorage(self.root)

    @property
    def images(self) -> Path:
        return self.root / "plate" / "images"

    @property
    def record(self) -> RunRecord:
        return RunRecord.of(parse_job(self.document), self.document)

    def asking(self, **fields: Any) -> "Plate":
        """The same plate with a request that differs."""
        return Plate(self.root, {**self.document, **fields})

    def write_request(self) -> str:
        """Put the request where a worker finds it; returns its URI."""
        key = self.record.keys.request
        self.bucket.write(key, json.dumps(self.document).encode())
        return self.bucket.uri(key)

    def run(self, cellprofiler: CellProfiler) -> Manifest:
        """Do the one shard of the plate in this process."""
        return run(self.record, 0, bucket=self.bucket, images_from=self.bucket, cellprofiler=cellprofiler)

    def ledger(self) -> Ledger:
        return read_ledger(self.bucket, self.record.run_id)


@pytest.fixture
def plate(tmp_path: Path) -> Plate:
    """Three image sets, of the wells A01, A02 and A03, and a pipeline that measures them."""
    root = tmp_path / "bucket"
    for well in ("A01", "A02", "A03"):
        write_site(root / "plate" / "images", well)
    (root / "plate" / "spots.cppipe").write_bytes(SPOTS_PIPELINE.read_bytes())
    return Plate(root, {"pipeline": "plate/spots.cppipe", "input": "plate/images/", "output": "plate/results/"})
