"""`cpb local up --containers`: one job of each type inside its image, and nothing left of it afterwards.

The CellProfiler and the starfish of this machine are hidden from it.
"""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cellpainting.cellprofiler.environment import CellProfiler
from cellpainting.jobs import RunCellProfiler
from cellpainting.jobs.message import JOB_TYPES
from examples.small_plate.demo import PIPELINES
from examples.small_plate.make_images import SMALL_PLATE, write_plate
from examples.starfish.check_truth import differences, read_spots
from examples.starfish.make_experiment import Drawing, write_experiment
from tests.conftest import DATA, REPOSITORY, SPOTS_PIPELINE, write_site
from tests.containers.conftest import Engine
from tests.local.conftest import LocalUp, start_local_up, wait_until
from tests.local.test_downloads import put_plates
from tests.local.test_process_plate import put, states

pytestmark = [pytest.mark.image, pytest.mark.timeout(1200)]

EXAMPLES = REPOSITORY / "examples"
NOWHERE = Path("/nowhere")


@pytest.fixture(scope="module")
def cloud(engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalUp]:
    up = start_cloud(tmp_path_factory.mktemp("cloud"))
    yield up
    assert up.stop() == 0
    assert running(engine) == []


def start_cloud(data: Path, *options: str) -> LocalUp:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("STARFISH", str(NOWHERE))
        return start_local_up(data, CellProfiler(NOWHERE, NOWHERE), "--containers", *options)


def running(engine: Engine) -> list[str]:
    """The names of the jobs' containers that the engine knows, running or not."""
    listed = subprocess.run(
        [*engine.command, "ps", "--all", "--format", "{{.Names}}"], check=True, capture_output=True, text=True
    )
    return [name for name in listed.stdout.split() if name.startswith("cpb-")]


def summary_of(cloud: LocalUp, run: str) -> dict[str, Any]:
    """Wait for the summary of a run: it takes two minutes of both cores, and longer beside other work."""
    path = cloud.folder / "runs" / run / "summary.json"
    wait_until(path.exists, f"{path} is written", 900)
    return dict(json.loads(path.read_text()))


def put_folder(cloud: LocalUp, folder: Path, prefix: str) -> None:
    for path in folder.rglob("*"):
        if path.is_file():
            put(cloud, path, f"{prefix}/{path.relative_to(folder).as_posix()}")


def put_spots(cloud: LocalUp, folder: Path, run: str, plugin: str) -> dict[str, Any]:
    """Upload an image set, its pipeline and a plugin, which CellProfiler imports; returns the request that measures."""
    write_site(folder / "images", "A01")
    (folder / "spots.cppipe").write_bytes(SPOTS_PIPELINE.read_bytes())
    (folder / "plugins").mkdir()
    (folder / "plugins" / "look_around.py").write_text(plugin)
    put_folder(cloud, folder, run)
    names = {"pipeline": "spots.cppipe", "input": "images", "plugins": "plugins", "output": "results"}
    return {"run": run, **{field: f"{run}/{name}" for field, name in names.items()}}


def test_plate_goes_through_all_its_stages(cloud: LocalUp, tmp_path: Path) -> None:
    write_plate(SMALL_PLATE, tmp_path)
    put_folder(cloud, tmp_path, "examples/small_plate")
    for pipeline in PIPELINES:
        put(cloud, EXAMPLES / "small_plate" / pipeline, f"examples/small_plate/{pipeline}")
    cloud.send((EXAMPLES / "small_plate" / "request.json").read_text())
    summary = summary_of(cloud, "small-plate")
    assert set(states(summary, SMALL_PLATE.name).values()) == {"complete"}
    assert summary["states"]["done"] + summary["states"]["no_cells"] == summary["image_sets"] == 12


def test_fields_of_view_are_decoded_and_merged(cloud: LocalUp, tmp_path: Path) -> None:
    write_experiment(tmp_path, Drawing(fields=2, spots=6))
    put_folder(cloud, tmp_path, "examples/starfish/experiment")
    put(cloud, EXAMPLES / "starfish" / "recipe.py", "examples/starfish/recipe.py")
    request = json.loads((EXAMPLES / "starfish" / "request.json").read_text())
    cloud.send({**request, "run": "iss"})
    summary = summary_of(cloud, "iss")
    assert states(summary, "") == {"decode": "complete", "merge": "complete"}
    merged = cloud.folder / "examples" / "starfish" / "results" / "merged_decoded_fovs.parquet"
    assert list(differences(read_spots(tmp_path / "truth.csv"), read_spots(merged))) == []


def test_images_are_downloaded_as_a_planning_job_found_them(cloud: LocalUp, tmp_path: Path) -> None:
    request = put_plates(cloud, tmp_path, "fetched")
    cloud.send({**request, "run": "fetched"})
    assert summary_of(cloud, "fetched")["states"]["done"] == 6
    assert len(list((cloud.folder / "fetched" / "training").rglob("P*__DNA.png"))) == 6


def test_cellprofiler_is_user_1000_and_can_write_to_tmp_only(cloud: LocalUp, tmp_path: Path) -> None:
    cloud.send(put_spots(cloud, tmp_path, "around", (DATA / "plugins" / "look_around.py").read_text()))
    assert summary_of(cloud, "around")["states"]["done"] == 1
    log = (cloud.folder / "runs" / "around" / "logs" / "0.log").read_text()
    assert "seen: user 1000:1000 can write to /dev/shm /tmp\n" in log


def test_every_job_type_has_run(cloud: LocalUp) -> None:
    """The last of this module: what the tests above have asked for, stages included, leaves none out."""
    requests = [json.loads(path.read_text()) for path in cloud.folder.glob("runs/*/request.json")]
    assert {request.get("job_type", RunCellProfiler.job_type) for request in requests} == set(JOB_TYPES)


def test_images_are_read_in_place_and_ctrl_c_leaves_no_container(engine: Engine, tmp_path: Path) -> None:
    cloud = start_cloud(tmp_path / "cloud", "--storage", "fsx")
    cloud.send(put_spots(cloud, tmp_path / "in_place", "in_place", ""))
    assert summary_of(cloud, "in_place")["states"]["done"] == 1
    cloud.send(put_spots(cloud, tmp_path / "hangs", "hangs", "import time\ntime.sleep(600)\n"))
    wait_until(lambda: running(engine), "the job has a container")
    assert cloud.stop() == 0
    assert running(engine) == []
