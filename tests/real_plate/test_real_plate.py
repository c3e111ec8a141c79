"""The pipelines that labs run, over a plate of real images: equal to one plain CellProfiler run over the same table."""

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from cellpainting.cellprofiler.compare_tables import compare_tables
from cellpainting.cellprofiler.environment import CellProfiler
from cellpainting.cellprofiler.process import ONE_THREAD, SAME_COLUMNS
from cellpainting.cellprofiler.run import Capacity, run
from cellpainting.jobs import RunRecord, parse_job
from cellpainting.ledger import Manifest
from cellpainting.planning.plan_job import plan_job
from cellpainting.storage import FolderStorage
from tests.conftest import measuring
from tests.real_plate.compare import columns, differences, read_tables
from tests.real_plate.make_plate import (
    CHANNELS,
    PLATE,
    REAL_DATA,
    SITES,
    WELLS,
    write_images,
    write_load_data,
    write_pipelines,
)

pytestmark = [
    pytest.mark.plate,
    pytest.mark.timeout(3600),
    pytest.mark.skipif(not REAL_DATA.is_dir(), reason=f"{REAL_DATA} is not here: real images and published pipelines"),
]


def measure(bucket: Path, request: dict[str, Any], cellprofiler: CellProfiler) -> list[Manifest]:
    """All shards of a request, with two CellProfiler processes each."""
    storage = FolderStorage(bucket)
    record = RunRecord.of(parse_job(request), request)
    job = measuring(record.job)
    plan = plan_job(job, storage)
    capacity = Capacity(processes=2, memory_mib=8192)
    manifests = []
    for shard in plan.shards:
        manifest = run(
            record, job, shard, bucket=storage, images_from=storage, cellprofiler=cellprofiler, capacity=capacity
        )
        assert manifest.is_success, manifest.reason or manifest.outcomes
        manifests.append(manifest)
    return manifests


def measure_plainly(pipeline: Path, load_data: Path, output: Path, cellprofiler: CellProfiler) -> None:
    """The same by hand: one CellProfiler process over the whole table."""
    command = [
        str(cellprofiler.command),
        "-c",
        "-r",
        "-p",
        str(pipeline),
        "-o",
        str(output),
        f"--data-file={load_data}",
    ]
    subprocess.run(command, check=True, env={**os.environ, **ONE_THREAD, **SAME_COLUMNS}, capture_output=True)


@pytest.fixture(scope="module")
def bucket(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bucket on disk with the plate, its pipelines and its load data."""
    root = tmp_path_factory.mktemp("real") / "bucket"
    write_images(root / "images")
    write_load_data(root / "load_data" / "load_data.csv", root / "images", {})
    write_pipelines(root / "pipelines")
    return root


@pytest.fixture(scope="module")
def illum(bucket: Path, cellprofiler: CellProfiler) -> Path:
    """The plate's illumination functions, as the worker made them."""
    request = {"pipeline": "pipelines/illum.cppipe", "load_data": "load_data/load_data.csv", "output": "illum"}
    (manifest,) = measure(bucket, request, cellprofiler)
    assert [group.folder for group in manifest.groups] == [PLATE]
    return bucket / "illum" / PLATE


@pytest.mark.cellprofiler
def test_illumination_functions_by_plate_equal_a_plain_run(
    bucket: Path, illum: Path, cellprofiler: CellProfiler, tmp_path: Path
) -> None:
    measure_plainly(
        bucket / "pipelines" / "illum.cppipe", bucket / "load_data" / "load_data.csv", tmp_path, cellprofiler
    )
    made = {path.relative_to(illum): path.read_bytes() for path in illum.rglob("*") if path.is_file()}
    by_hand = {path.relative_to(tmp_path): path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    assert len([name for name in made if "Illum" in name.name]) == len(CHANNELS)
    assert made == by_hand


@pytest.mark.cellprofiler
def test_analysis_by_site_equals_a_plain_run_to_the_last_digit_and_accelerated_within_a_millionth(
    bucket: Path, illum: Path, cellprofiler: CellProfiler, tmp_path: Path
) -> None:
    functions = {channel: next(illum.rglob(f"*Illum{channel}*")) for channel in CHANNELS}
    load_data = bucket / "load_data" / "load_data_with_illum.csv"
    write_load_data(load_data, bucket / "images", functions)
    request = {
        "pipeline": "pipelines/analysis.cppipe",
        "load_data": "load_data/load_data_with_illum.csv",
        "output": "analysis",
        "image_sets_per_shard": 8,
        "accelerate": False,
    }
    manifests = measure(bucket, request, cellprofiler)
    assert len(manifests) == 2
    measure(bucket, {**request, "output": "accelerated", "accelerate": True}, cellprofiler)
    measure_plainly(bucket / "pipelines" / "analysis.cppipe", load_data, tmp_path, cellprofiler)
    folders = sorted((bucket / "analysis" / PLATE / "analysis").iterdir())
    assert [folder.name for folder in folders] == [f"{PLATE}-{well}-{site}" for well in WELLS for site in SITES]
    ours, plain = read_tables(folders), read_tables([tmp_path])
    assert list(differences(ours, plain)) == []
    assert all(len(columns(folders, name)) == 1 for name in ours)
    assert columns(folders, "Cells.csv") == columns([tmp_path], "Cells.csv")
    compared = compare_tables(bucket / "analysis", bucket / "accelerated")
    assert len(compared) > len(folders) * 4000
    assert not [item for item in compared if not item.is_equal]
