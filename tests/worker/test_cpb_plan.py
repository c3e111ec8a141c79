"""`cpb plan` puts the plan into the bucket and the engine's files into a folder; any engine then does the work."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from cellpainting.cellprofiler.environment import CellProfiler
from cellpainting.cli.plan import plan
from cellpainting.cli.status import status
from cellpainting.errors import InvalidField, InvalidRequest
from cellpainting.jobs.run_record import RunKeys
from cellpainting.ledger import read_plan
from cellpainting.storage import FolderStorage
from tests.conftest import Plate

KEYS = RunKeys("plate-1")
LOAD_DATA = """Metadata_Plate,Metadata_Well,FileName_DNA,PathName_DNA
P1,A01,a.tif,images
P1,A02,b.tif,images
P1,A03,c.tif,images
"""
PIPELINE = """CellProfiler Pipeline: http://www.cellprofiler.org
Version:5
DateRevision:428
GitHash:
ModuleCount:1
HasImagePlaneDetails:False

LoadData:[module_num:1|svn_version:'Unknown'|variable_revision_number:6|enabled:True]
    Load images based on this data?:Yes
    Group images by metadata?:No
    Select metadata tags for grouping:
"""
REQUEST = {
    "run": "plate-1",
    "pipeline": "a.cppipe",
    "load_data": "load_data.csv",
    "input": "plates",
    "output": "results",
    "image_sets_per_shard": 2,
}


@pytest.fixture
def bucket(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FolderStorage:
    """A bucket with load data of three image sets and a pipeline that reads it, on a machine without CellProfiler."""
    monkeypatch.delenv("CELLPROFILER", raising=False)
    bucket = FolderStorage(tmp_path / "bucket")
    bucket.write("load_data.csv", LOAD_DATA.encode())
    bucket.write("a.cppipe", PIPELINE.encode())
    return bucket


def call(bucket: FolderStorage, document: Any, engine: str, folder: Path) -> Result:
    path = bucket.root.parent / "request.json"
    path.write_text(json.dumps(document))
    arguments = [str(path), "--bucket", str(bucket.root), "--engine", engine, "-o", str(folder)]
    return CliRunner().invoke(plan, arguments, standalone_mode=False)


def test_the_plan_and_the_request_are_in_the_bucket(bucket: FolderStorage, tmp_path: Path) -> None:
    result = call(bucket, REQUEST, "slurm", tmp_path / "jobs")
    assert result.return_value == 0
    assert "run plate-1: 3 image sets in 2 shards, 2 to be done" in result.output
    assert f"cd {tmp_path}/jobs && sbatch run.sbatch" in result.output
    assert f"cpb status plate-1 --bucket file://{bucket.root}" in result.output
    assert [one.well for one in read_plan(bucket.read(KEYS.plan))] == ["A01", "A02", "A03"]
    assert json.loads(bucket.read(KEYS.request)) == REQUEST
    assert bucket.stat(KEYS.shard_plan(1))


@pytest.mark.parametrize(
    ("engine", "files"),
    [
        ("aws-batch", ["request.json"]),
        ("slurm", ["run.sbatch"]),
        ("htcondor", ["run.sub", "shards.txt"]),
        ("commands", ["commands.txt"]),
    ],
)
def test_each_engine_has_its_files(bucket: FolderStorage, tmp_path: Path, engine: str, files: list[str]) -> None:
    call(bucket, REQUEST, engine, tmp_path / "jobs")
    assert sorted(path.name for path in (tmp_path / "jobs").iterdir()) == files


def test_a_name_that_stands_for_other_work_is_refused(bucket: FolderStorage, tmp_path: Path) -> None:
    call(bucket, REQUEST, "slurm", tmp_path / "jobs")
    result = call(bucket, {**REQUEST, "output": "elsewhere"}, "slurm", tmp_path / "jobs")
    assert isinstance(result.exception, InvalidField)
    assert json.loads(bucket.read(KEYS.request)) == REQUEST


def test_several_requests_in_a_file_are_refused(bucket: FolderStorage, tmp_path: Path) -> None:
    other = {**REQUEST, "run": "plate-2", "output": "elsewhere"}
    result = call(bucket, [REQUEST, other], "slurm", tmp_path / "jobs")
    assert isinstance(result.exception, InvalidRequest)
    assert "2 requests" in str(result.exception)


def test_a_backend_is_planned_without_cellprofiler_and_its_image_sets_are_the_worker_s_to_tell(
    bucket: FolderStorage, tmp_path: Path
) -> None:
    request = {"run": "plate-1", "job_type": "build_backend", "analysis": "analysis/P1", "output": "backend"}
    result = call(bucket, {**request, "batch": "B1", "plate": "P1", "job_vcpu": 4}, "commands", tmp_path / "jobs")
    assert "run plate-1: an unknown number of image sets in 1 shards, 1 to be done" in result.output
    (command,) = (tmp_path / "jobs" / "commands.txt").read_text().splitlines()
    assert "--vcpus 4" in command
    assert command.endswith("--shard 0")


def test_profiles_are_planned_without_cellprofiler(bucket: FolderStorage, tmp_path: Path) -> None:
    bucket.write("config_files/plates.yml", b"read by the worker alone")
    request = {"run": "plate-1", "job_type": "make_profiles", "config": "config_files/plates.yml"}
    result = call(bucket, request, "commands", tmp_path / "jobs")
    assert "in 1 shards, 1 to be done" in result.output
    assert (tmp_path / "jobs" / "commands.txt").read_text().rstrip().endswith("--shard 0")


@pytest.mark.cellprofiler
def test_the_commands_measure_a_plate_and_then_nothing_is_left(
    plate: Plate, cellprofiler: CellProfiler, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CELLPROFILER", str(cellprofiler.command))
    document = {**plate.document, "run": "plate-1", "image_sets_per_shard": 2}
    result = call(plate.bucket, document, "commands", tmp_path / "jobs")
    assert "3 image sets in 2 shards, 2 to be done" in result.output
    start = next(line.partition("start it:")[2] for line in result.output.splitlines() if "start it:" in line)
    subprocess.run(["bash", "-ec", start], check=True, timeout=200)
    arguments = ["plate-1", "--bucket", str(plate.root)]
    assert CliRunner().invoke(status, arguments, standalone_mode=False).return_value == 0
    assert "2 shards, 0 to be done" in call(plate.bucket, document, "commands", tmp_path / "jobs").output
