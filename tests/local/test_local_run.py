"""`cpb local run`: one command from images to an account of every image set, interrupted and resumed at will."""

import fcntl
import json
import os
import signal
import socket
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from cellpainting.cellprofiler.compare_tables import compare_tables
from cellpainting.cellprofiler.environment import CellProfiler
from tests.conftest import REPOSITORY, SPOTS_PIPELINE, write_site
from tests.local.conftest import wait_until
from tests.local.test_messages import NOT_MEASURED, PUBLISHED_EXAMPLES, processes_of, run_id, tables

pytestmark = pytest.mark.cellprofiler


class LocalRun:
    """A folder with a plate, a request and the local cloud's data, and the command over them."""

    def __init__(self, folder: Path, cellprofiler: CellProfiler, wells: int) -> None:
        self.folder = folder
        self.request: dict[str, Any] = {"pipeline": "p/spots.cppipe", "input": "p/images/", "output": "results/"}
        self.environment = {**os.environ, "CELLPROFILER": str(cellprofiler.command)}
        for number in range(1, wells + 1):
            write_site(self.images, f"A{number:02d}")
        self.images.mkdir(parents=True, exist_ok=True)
        (folder / "plate" / "spots.cppipe").write_bytes(SPOTS_PIPELINE.read_bytes())

    @property
    def images(self) -> Path:
        return self.folder / "plate" / "images"

    @property
    def bucket(self) -> Path:
        return self.folder / "data" / "bucket"

    def command(self, *options: str, messages: Sequence[Any] = ()) -> list[str]:
        files = []
        for number, message in enumerate(messages or [self.request]):
            path = self.folder / f"request{number}.json"
            path.write_text(message if isinstance(message, str) else json.dumps(message))
            files.append(str(path))
        return ["cpb", "local", "run", *files, "--data", str(self.folder / "data"), *options]

    def run(self, *options: str, messages: Sequence[Any] = ()) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            self.command(*options, messages=messages),
            check=False,
            capture_output=True,
            text=True,
            env=self.environment,
            cwd=REPOSITORY,
        )


@pytest.fixture
def local_run(tmp_path: Path, cellprofiler: CellProfiler) -> LocalRun:
    return LocalRun(tmp_path, cellprofiler, wells=2)


def test_plate_goes_up_is_measured_and_its_results_come_down(local_run: LocalRun) -> None:
    write_site(local_run.images, "B01", illum_size=32)
    folder = local_run.folder
    options = ["--upload", f"{folder}/plate=p", "--download", f"results={folder}/down"]
    first = local_run.run(*options)
    assert first.returncode == 1
    assert "P1-B01-1: quarantined: CorrectIlluminationApply" in first.stdout
    assert len(tables(folder / "down")["Image.csv"]) == 2

    write_site(local_run.images, "B01")
    corrected = local_run.run(*options)
    assert corrected.returncode == 0, corrected.stdout
    assert "2 files of" in corrected.stdout
    assert len(tables(folder / "down")["Image.csv"]) == 3

    again = local_run.run(*options)
    assert again.returncode == 0
    assert "nothing was submitted" in again.stdout


def test_valid_requests_are_done_when_another_is_refused(local_run: LocalRun) -> None:
    messages = ["not json", local_run.request, {**local_run.request, "outptu": "x"}]
    ended = local_run.run("--upload", f"{local_run.folder}/plate=p", messages=messages)
    assert ended.returncode == 2
    assert "refused: the message is not JSON" in ended.stdout
    assert "field 'outptu': got 'x'; unknown field" in ended.stdout
    assert json.loads((local_run.bucket / "runs" / run_id(local_run.request) / "summary.json").read_text())["complete"]


def test_interrupted_run_stops_cleanly_and_is_resumed_by_the_same_command(
    tmp_path: Path, cellprofiler: CellProfiler
) -> None:
    local_run = LocalRun(tmp_path, cellprofiler, wells=12)
    run = run_id(local_run.request)
    options = ["--upload", f"{tmp_path}/plate=p"]
    process = subprocess.Popen(
        local_run.command(*options), env=local_run.environment, cwd=REPOSITORY, stdout=subprocess.PIPE, text=True
    )
    wait_until((local_run.bucket / "runs" / run / "plan.csv").exists, "CellProfiler has listed its image sets")
    process.send_signal(signal.SIGINT)
    printed = process.communicate(timeout=30)[0]
    assert process.returncode == 130, printed
    assert processes_of(run) == []
    assert not (local_run.bucket / "results").exists()
    assert not (local_run.bucket / "runs" / run / "shards").exists()
    assert list((tmp_path / "data" / "scratch").iterdir()) == []

    resumed = local_run.run(*options)
    assert resumed.returncode == 0, resumed.stdout
    assert len(tables(local_run.bucket / "results")["Image.csv"]) == 12


def test_mounted_folder_is_measured_in_place_without_a_copy(local_run: LocalRun) -> None:
    before = {path.name: path.stat() for path in local_run.images.iterdir()}
    relative = os.path.relpath(local_run.folder / "plate", REPOSITORY)  # as people type it
    ended = local_run.run("--mount", f"{relative}=p")
    assert ended.returncode == 0, ended.stdout
    assert len(tables(local_run.bucket / "results")["Image.csv"]) == 2
    assert {path.name: path.stat().st_mtime_ns for path in local_run.images.iterdir()} == {
        name: status.st_mtime_ns for name, status in before.items()
    }
    assert not list(local_run.bucket.rglob("*.tif"))
    log = (local_run.bucket / "results" / "Image.csv").read_text()
    assert str(local_run.images) in log


def test_file_system_mode_reads_uploaded_images_in_place(local_run: LocalRun) -> None:
    ended = local_run.run("--storage", "fsx", "--upload", f"{local_run.folder}/plate=p")
    assert ended.returncode == 0, ended.stdout
    assert str(local_run.bucket / "p" / "images") in (local_run.bucket / "results" / "Image.csv").read_text()


@pytest.mark.parametrize("example", ["ExampleHuman", "ExampleVitraImages"])
def test_published_example_gives_the_same_tables_as_cellprofiler_by_hand(
    tmp_path: Path, cellprofiler: CellProfiler, example: str
) -> None:
    if not PUBLISHED_EXAMPLES.is_dir():
        pytest.skip(f"CellProfiler's example images are not at {PUBLISHED_EXAMPLES}")
    (pipeline,) = (PUBLISHED_EXAMPLES / example).glob("*.cppipe")
    local_run = LocalRun(tmp_path, cellprofiler, wells=0)
    local_run.request = {
        "pipeline": f"examples/{example}/{pipeline.name}",
        "input": f"examples/{example}/images/",
        "output": "results",
    }
    ended = local_run.run("--upload", f"{PUBLISHED_EXAMPLES}=examples")
    assert ended.returncode == 0, ended.stdout
    by_hand = tmp_path / "by_hand"
    images = PUBLISHED_EXAMPLES / example / "images"
    subprocess.run(
        [cellprofiler.command, "-c", "-r", "-p", pipeline, "-i", images, "-o", by_hand, "-d", tmp_path / "done"],
        check=True,
        env={**os.environ, "PYTHONHASHSEED": "0"},
        capture_output=True,
    )
    compared = compare_tables(by_hand, local_run.bucket / "results")
    assert len(compared) > 100
    assert not [item for item in compared if not item.is_equal and not item.column.startswith(NOT_MEASURED)]


def test_second_local_cloud_on_the_same_data_is_refused(local_run: LocalRun) -> None:
    data = local_run.folder / "data"
    data.mkdir()
    with (data / "in-use").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        ended = local_run.run()
    assert ended.returncode == 1
    assert "in use by another local cloud" in ended.stderr


def test_data_folder_that_cellprofiler_would_not_look_into_is_refused(local_run: LocalRun) -> None:
    ended = local_run.run("--data", str(local_run.folder / ".hidden" / "data"))
    assert ended.returncode == 1
    assert "begin with a dot" in ended.stderr


def test_message_that_the_queue_does_not_take_is_refused(local_run: LocalRun) -> None:
    ended = local_run.run(messages=["x" * 2_000_000])
    assert ended.returncode == 2
    assert "the queue does not take the message" in ended.stderr


def test_port_that_another_program_has_is_named(local_run: LocalRun) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        ended = subprocess.run(
            ["cpb", "local", "up", "--port", port, "--data", str(local_run.folder / "data")],
            check=False,
            capture_output=True,
            text=True,
            env=local_run.environment,
            cwd=REPOSITORY,
        )
    assert ended.returncode == 1
    assert f"port {port} cannot be used" in ended.stderr


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (["--upload", "nowhere=p"], "is not a folder"),
        (["--upload", ".=../p"], "'..'"),
        (["--mount", "."], "has no '='"),
    ],
)
def test_bad_option_is_refused_before_anything_starts(local_run: LocalRun, options: list[str], reason: str) -> None:
    ended = local_run.run(*options)
    assert ended.returncode == 2
    assert reason in ended.stderr


def test_missing_cellprofiler_is_named_before_anything_is_sent(local_run: LocalRun) -> None:
    local_run.environment["CELLPROFILER"] = "/nowhere/cellprofiler"
    ended = local_run.run()
    assert ended.returncode == 1
    assert "CELLPROFILER=/nowhere/cellprofiler is no file; run 'make setup'" in ended.stderr
