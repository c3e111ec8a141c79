"""A plate is measured by a real SLURM: `cpb plan`, `sbatch`, `cpb status`, and again what was lost on the way."""

import json
import shlex
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cellpainting.cellprofiler.environment import CellProfiler
from tests.conftest import Plate, write_site
from tests.worker.engines.slurm_cluster import SlurmCluster, slurm_cluster
from tests.worker.staged_run import REQUEST, RUN, WELLS, StagedRun

pytestmark = [pytest.mark.slurm, pytest.mark.cellprofiler, pytest.mark.timeout(600)]

CPB = shlex.quote(str(Path(sys.executable).with_name("cpb")))
JOBS_TIMEOUT_S = 300


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SlurmCluster]:
    with slurm_cluster(tmp_path_factory.mktemp("slurm")) as cluster:
        yield cluster


@pytest.fixture
def request_file(plate: Plate, cellprofiler: CellProfiler, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The request of a plate of three image sets, a shard each."""
    monkeypatch.setenv("CELLPROFILER", str(cellprofiler.command))
    path = plate.root / "request.json"
    path.write_text(json.dumps({**plate.document, "run": "plate-1", "image_sets_per_shard": 1}))
    return path


def wait_until(is_true: Callable[[], bool]) -> None:
    end = time.monotonic() + JOBS_TIMEOUT_S
    while not is_true():
        assert time.monotonic() < end, f"not within {JOBS_TIMEOUT_S} s"
        time.sleep(0.2)


def test_a_plate_is_measured_and_what_was_cancelled_is_measured_later(
    cluster: SlurmCluster, plate: Plate, request_file: Path
) -> None:
    folder = plate.root / "it's a folder"
    bucket = shlex.quote(str(plate.root))
    plan = f"{CPB} plan {shlex.quote(str(request_file))} --engine slurm --bucket {bucket} -o {shlex.quote(str(folder))}"
    status = f"{CPB} status plate-1 --bucket {bucket}"

    assert "3 image sets in 3 shards, 3 to be done" in cluster.shell(plan, plate.root)
    cluster.shell("sbatch run.sbatch", folder)
    wait_until(lambda: any(state == "RUNNING" for state in cluster.states().values()))
    running = min(element for element, state in cluster.states().items() if state == "RUNNING")
    cluster.shell(f"scancel {running}", folder)
    wait_until(lambda: not cluster.states())
    assert "2 done" in cluster.shell(f"{status} || true", folder)

    assert "3 image sets in 3 shards, 1 to be done" in cluster.shell(plan, plate.root)
    cluster.shell("sbatch run.sbatch", folder)
    wait_until(lambda: not cluster.states())
    assert "complete, 3 image sets; 3 shards: 3 ended" in cluster.shell(status, folder)
    assert "3 image sets in 3 shards, 0 to be done" in cluster.shell(plan, plate.root)


def test_the_stages_of_a_plate_are_submitted_together_and_done_one_after_the_other(
    cluster: SlurmCluster, tmp_path: Path, cellprofiler: CellProfiler, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CELLPROFILER", str(cellprofiler.command))
    run = StagedRun(tmp_path)
    run.put()
    for well in WELLS:
        write_site(run.root / "images", well)
    pipelines = {"illumination": "illum.cppipe", "analysis": "analysis.cppipe"}
    document = {**REQUEST, "pipelines": pipelines, "image_sets_per_shard": 3, "leave_out": ["profiles"]}
    (tmp_path / "request.json").write_text(json.dumps(document))

    cluster.shell(f"{CPB} plan request.json --engine slurm --bucket . -o jobs", tmp_path)
    cluster.shell("bash jobs/run.sh", tmp_path)
    wait_until(lambda: not cluster.states())
    assert "complete, 3 image sets" in cluster.shell(f"{CPB} status {RUN} --bucket .", tmp_path)
