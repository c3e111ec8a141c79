"""What tests share: CellProfiler's place, small images that it can measure, and a bucket on disk."""

import csv
import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from moto.server import ThreadedMotoServer

from cellpainting.cellprofiler.environment import CellProfiler, find_cellprofiler
from cellpainting.cellprofiler.run import Capacity, run
from cellpainting.errors import CellProfilerNotFound
from cellpainting.jobs import (
    BuildBackend,
    DownloadImages,
    Job,
    MakeProfiles,
    MakeReport,
    RunCellProfiler,
    RunRecord,
    parse_job,
)
from cellpainting.ledger import Ledger, Manifest, read_ledger, write_plan
from cellpainting.planning import ShardPlan
from cellpainting.planning.plan_job import plan_job
from cellpainting.planning.run_plan import RunPlan
from cellpainting.storage import FolderStorage

REPOSITORY = Path(__file__).resolve().parents[1]
DATA = Path(__file__).with_name("data")
SPOTS_PIPELINE = DATA / "spots.cppipe"
LOAD_DATA_PIPELINE = DATA / "spots_load_data.cppipe"  # the same, grouped by plate, well and site
ONE_PROCESS = Capacity(processes=1, memory_mib=4096)
SPOTS = ((20, 20), (20, 44), (44, 32))  # row, column of the three spots in every image of 64 x 64 pixels


def measuring(job: Job) -> RunCellProfiler:
    """A job that is known to be one of CellProfiler's."""
    assert isinstance(job, RunCellProfiler)
    return job


def downloading(job: Job) -> DownloadImages:
    """A job that is known to be a download."""
    assert isinstance(job, DownloadImages)
    return job


def building(job: Job) -> BuildBackend:
    """A job that is known to build a backend."""
    assert isinstance(job, BuildBackend)
    return job


def profiling(job: Job) -> MakeProfiles:
    """A job that is known to make profiles."""
    assert isinstance(job, MakeProfiles)
    return job


def reporting(job: Job) -> MakeReport:
    """A job that is known to make a page."""
    assert isinstance(job, MakeReport)
    return job


def write_site(
    folder: Path,
    well: str,
    *,
    plate: str = "P1",
    site: str = "1",
    spots: bool = True,
    brightness: int = 190,
    illum_size: int = 64,
) -> None:
    """Write the two images of one image set: DNA with three spots or none, and its illumination function."""
    folder.mkdir(parents=True, exist_ok=True)
    y, x = np.ogrid[:64, :64]
    light = sum(np.exp(-((y - row) ** 2 + (x - column) ** 2) / 32) for row, column in SPOTS)
    image = 10 + brightness * light if spots else np.zeros((64, 64))
    tifffile.imwrite(folder / f"{plate}_{well}_s{site}_DNA.tif", image.astype(np.uint8))
    tifffile.imwrite(folder / f"{plate}_{well}_s{site}_Illum.tif", np.full((illum_size, illum_size), 255, np.uint8))


def write_load_data(path: Path, images: Path, image_sets: Iterable[tuple[str, str, str]]) -> None:
    """Write load data with a row per plate, well and site, as CellProfiler itself can read it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as file:
        table = csv.writer(file)
        names = [f"{kind}_{channel}" for channel in ("DNA", "Illum") for kind in ("FileName", "PathName")]
        table.writerow(["Metadata_Plate", "Metadata_Well", "Metadata_Site", *names])
        for plate, well, site in image_sets:
            files = [f"{plate}_{well}_s{site}_{channel}.tif" for channel in ("DNA", "Illum")]
            table.writerow([plate, well, site, *(cell for file in files for cell in (file, images))])


@pytest.fixture(scope="module")
def moto_url() -> Iterator[str]:
    """AWS's APIs as moto serves them over HTTP, on a port of its own."""
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


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
    """A bucket on disk with pipelines and a folder of images, and the request that asks for them to be measured."""

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

    @property
    def job(self) -> RunCellProfiler:
        return measuring(self.record.job)

    def asking(self, **fields: Any) -> "Plate":
        """The same plate with a request that differs."""
        return Plate(self.root, {**self.document, **fields})

    def with_load_data(self, image_sets: Sequence[tuple[str, str, str]], **fields: Any) -> "Plate":
        """The same plate with load data of these plates, wells and sites, and the pipeline that reads it."""
        write_load_data(self.root / "plate" / "load_data.csv", self.images, image_sets)
        (self.root / "plate" / "spots_load_data.cppipe").write_bytes(LOAD_DATA_PIPELINE.read_bytes())
        named = {"pipeline": "plate/spots_load_data.cppipe", "load_data": "plate/load_data.csv"}
        return Plate(self.root, {**named, "output": "plate/results/", **fields})

    def plan(self) -> RunPlan:
        """Plan the request as the dispatcher does, and store what workers and the ledger read of it."""
        plan, keys = plan_job(self.record.job, self.bucket), self.record.keys
        for shard in plan.shards:
            self.bucket.write(keys.shard_plan(shard.number), shard.to_json())
        planned = [
            image_set for shard in plan.shards for group in shard.groups for image_set in shard.image_sets(group)
        ]
        if planned:
            self.bucket.write(keys.plan, write_plan(planned))
        return plan

    def write_request(self) -> str:
        """Put the request and its plan where a worker finds them; returns the request's URI."""
        key = self.record.keys.request
        self.bucket.write(key, json.dumps(self.document).encode())
        self.plan()
        return self.bucket.uri(key)

    def run(self, cellprofiler: CellProfiler, *, processes: int = 1, memory_mib: int = 4096) -> Manifest:
        """Do the first shard of the plate in this process."""
        return self.run_shard(self.plan().shards[0], cellprofiler, Capacity(processes, memory_mib))

    def run_shard(self, shard: ShardPlan, cellprofiler: CellProfiler, capacity: Capacity = ONE_PROCESS) -> Manifest:
        """Do a shard as it was planned."""
        bucket = self.bucket
        return run(
            self.record,
            self.job,
            shard,
            bucket=bucket,
            images_from=bucket,
            cellprofiler=cellprofiler,
            capacity=capacity,
        )

    def ledger(self) -> Ledger:
        return read_ledger(self.bucket, self.record.run_id)


@pytest.fixture
def plate(tmp_path: Path) -> Plate:
    """Three image sets, of the wells A01, A02 and A03, and a pipeline that measures them."""
    root = tmp_path / "bucket"
    for number, well in enumerate(("A01", "A02", "A03")):
        write_site(root / "plate" / "images", well, brightness=190 - 20 * number)
    (root / "plate" / "spots.cppipe").write_bytes(SPOTS_PIPELINE.read_bytes())
    return Plate(root, {"pipeline": "plate/spots.cppipe", "input": "plate/images/", "output": "plate/results/"})
