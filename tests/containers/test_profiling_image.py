"""The image is built from its Dockerfile, and does a download, a backend, profiles and a page inside it: the
container's own command, as uid 1000.

`pytest -m image`.
"""

import csv
import hashlib
import shutil
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import tifffile
from PIL import Image

from cellpainting.ledger import read_ledger
from cellpainting.storage import FolderStorage
from tests.conftest import REPOSITORY
from tests.containers.conftest import Engine
from tests.worker.profiled_plates import platemap_text, write_backend

WELLS = ("A01", "A02", "A03")

pytestmark = [pytest.mark.image, pytest.mark.timeout(1200)]


def _write_plate(bucket: Path) -> None:
    """An image of 16 bits per well, darker on the left and brighter on the right, and the load data that names them."""
    (bucket / "images").mkdir()
    image = np.full((64, 64), 1000, np.uint16)
    image[:, 32:] = 3000
    with (bucket / "load_data.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow([*(f"Metadata_{name}" for name in ("Source", "Batch", "Plate", "Well", "Site")), "URL_OrigDNA"])
        for well in WELLS:
            tifffile.imwrite(bucket / "images" / f"{well}.tif", image)
            table.writerow(["source_4", "B1", "P1", well, "1", f"images/{well}.tif"])


def test_the_image_crops_scales_and_accounts_for_a_plate(engine: Engine, bucket: Path) -> None:
    _write_plate(bucket)
    expected = np.zeros((32, 48), np.uint8)
    expected[:, 24:] = 255
    request = {
        "job_type": "download_images",
        "load_data": "load_data.csv",
        "output": "training",
        "run": "in-the-image",
        "crop_height_px": 32,
        "crop_width_px": 48,
    }

    engine.run_request("profiling", bucket, request)

    ledger = read_ledger(FolderStorage(bucket), "in-the-image")
    assert ledger.is_complete
    assert ledger.counts["done"] == len(WELLS)
    index = pq.read_table(bucket / "training" / "index" / "source_4__B1__P1-0.parquet").to_pylist()
    assert [row["Metadata_Well"] for row in index] == list(WELLS)
    for row in index:
        path = bucket / "training" / row["FileName_OrigDNA"]
        assert path.name == f"source_4__P1__{row['Metadata_Well']}__1__DNA.png"
        assert hashlib.sha256(path.read_bytes()).hexdigest() == row["SHA256_DNA"]
        assert np.array_equal(np.asarray(Image.open(path)), expected)


def test_the_image_builds_a_backend_and_its_page(engine: Engine, bucket: Path) -> None:
    for site in ("BR00099001-A01-1", "BR00099001-A01-2"):
        shutil.copytree(REPOSITORY / "tests" / "data" / "analysis_csv" / site, bucket / "analysis" / site)
    names = {"analysis": "analysis", "output": "backend", "batch": "B1", "plate": "BR00099001"}

    engine.run_request("profiling", bucket, {"job_type": "build_backend", "run": "backend-in-the-image", **names})

    ledger = read_ledger(FolderStorage(bucket), "backend-in-the-image")
    assert ledger.is_complete
    assert ledger.counts["done"] == 2
    folder = bucket / "backend" / "B1" / "BR00099001"
    assert pq.read_table(folder / "Image.parquet")["Metadata_Site"].to_pylist() == ["1", "2"]
    assert "Complete" in (folder / "BR00099001_ingest.html").read_text()


def test_the_image_makes_profiles(engine: Engine, bucket: Path) -> None:
    write_backend(bucket / "backend", "P1")
    (bucket / "platemap.txt").write_bytes(platemap_text())
    names = {"backend": "backend/B1/P1", "platemap": "platemap.txt", "output": "profiles"}

    engine.run_request("profiling", bucket, {"job_type": "make_profiles", "run": "profiles-in-the-image", **names})

    assert read_ledger(FolderStorage(bucket), "profiles-in-the-image").is_complete
    made = bucket / "profiles" / "B1" / "P1" / "P1_normalized_feature_select_negcon_plate.parquet"
    assert pq.read_table(made)["Metadata_Well"].to_pylist()[:2] == ["A01", "A02"]


def test_the_image_makes_a_page(engine: Engine, bucket: Path) -> None:
    write_backend(bucket / "backend", "P1")
    names = {"plate": "P1", "backend": "backend/B1/P1", "output": "pages/P1.html"}

    engine.run_request("profiling", bucket, {"job_type": "make_report", "run": "page-in-the-image", **names})

    assert read_ledger(FolderStorage(bucket), "page-in-the-image").is_complete
    assert "<title>P1" in (bucket / "pages" / "P1.html").read_text()
