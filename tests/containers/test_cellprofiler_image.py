"""The image is built from its Dockerfile, and does a shard inside it: the container's own command, as uid 1000.

`pytest -m image`. The results have to equal those of this machine's own CellProfiler, run by hand.
"""

import csv
import importlib.util
import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BUILD = ROOT / "scripts" / "build_images.sh"
SMOKE = ROOT / "containers" / "cellprofiler" / "smoke"
IMAGE = "cpb-cellprofiler:latest"
WORKER_UID = 1000
EXAMPLES = Path(os.environ.get("CPB_EXAMPLES", ROOT.parent / "shared" / "data" / "cellprofiler_examples"))
# What differs between two runs of the same: where the files lay, and how long it took.
NOT_COMPARED = ("PathName_", "URL_", "Metadata_FileLocation", "ExecutionTime_", "ImageSet_")

pytestmark = [pytest.mark.image, pytest.mark.timeout(1200)]


class Engine:
    """Runs commands in the image: Docker or Podman, or buildah where no engine runs."""

    def __init__(self, command: list[str]) -> None:
        self._command = command
        self._container = ""
        if "buildah" in command[0]:
            self._container = self._output("from", "--pull-never", IMAGE)

    def close(self) -> None:
        if self._container:
            self._output("rm", self._container)

    def run(self, *arguments: str, mounts: dict[Path, str], entry_point: str = "cpb") -> None:
        """Run `entry_point` with the arguments; its output is pytest's.

        With an engine, also with a read-only root file system; buildah has no such option.
        """
        volumes = [word for source, target in mounts.items() for word in ("--volume", f"{source}:{target}")]
        if self._container:
            command = [
                "run",
                "--isolation",
                "chroot",
                *volumes,
                self._container,
                "--",
                entry_point,
                *arguments,
            ]
        else:
            command = ["run", "--rm", "--read-only", *volumes, "--entrypoint", entry_point, IMAGE, *arguments]
        subprocess.run([*self._command, *command], check=True, timeout=600)

    def _output(self, *arguments: str) -> str:
        done = subprocess.run([*self._command, *arguments], check=True, capture_output=True, text=True)
        return done.stdout.strip()


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    chosen = subprocess.run([BUILD, "--engine"], capture_output=True, text=True, check=False)
    if chosen.returncode != 0:
        pytest.skip(f"the image cannot be built here: {chosen.stderr.strip()}")
    subprocess.run([BUILD], check=True)
    engine = Engine(chosen.stdout.split())
    yield engine
    engine.close()


@pytest.fixture(scope="module")
def cellprofiler() -> Path:
    command = Path(os.environ.get("CELLPROFILER", ROOT / ".cellprofiler" / "bin" / "cellprofiler"))
    if not command.exists():
        pytest.skip(f"no CellProfiler at {command} to compare with; run 'make setup'")
    return command


@pytest.fixture
def writable(tmp_path: Path) -> Iterator[Path]:
    """A folder of the worker's user, for its bucket and its /tmp."""
    folder = tmp_path / "worker"
    folder.mkdir()
    yield folder
    # The worker's files are not this user's, if this is not root.
    shutil.rmtree(folder, ignore_errors=True)


def _spots(folder: Path) -> Path:
    """The pipeline and the image with which every installation is checked."""
    spec = importlib.util.spec_from_file_location("check", SMOKE / "check.py")
    assert spec
    assert spec.loader
    check = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(check)
    (folder / "images").mkdir(parents=True)
    check.write_image(folder / "images" / "spots.tif")
    shutil.copy(SMOKE / "smoke.cppipe", folder)
    return folder


def _human(folder: Path) -> Path:
    """CellProfiler's own ExampleHuman: three channels, nuclei, cells and cytoplasm."""
    source = EXAMPLES / "ExampleHuman"
    if not source.is_dir():
        pytest.skip(f"no {source}; CPB_EXAMPLES names the folder that holds ExampleHuman")
    return Path(shutil.copytree(source, folder))


def _by_hand(command: Path, example: Path, output: Path) -> None:
    (pipeline,) = example.glob("*.cppipe")
    output.mkdir()
    arguments = ["-c", "-r", "-p", str(pipeline), "-i", str(example / "images"), "-o", str(output)]
    subprocess.run([command, *arguments], check=True, cwd=output, env={**os.environ, "PYTHONHASHSEED": "0"})


def _tables(folder: Path) -> dict[str, list[dict[str, str]]]:
    tables = {}
    for path in folder.glob("*.csv"):
        if path.name == "Experiment.csv":  # when and where, not what
            continue
        with path.open(newline="") as file:
            rows = [
                {name: value for name, value in row.items() if not name.startswith(NOT_COMPARED)}
                for row in csv.DictReader(file)
            ]
        tables[path.name] = rows
    return tables


@pytest.mark.parametrize("example", [_spots, _human])
def test_the_image_does_a_shard_as_by_hand(
    engine: Engine,
    cellprofiler: Path,
    writable: Path,
    tmp_path: Path,
    example: Callable[[Path], Path],
) -> None:
    bucket, scratch = writable / "bucket", writable / "tmp"
    scratch.mkdir()
    folder = example(bucket / "example")
    (pipeline,) = folder.glob("*.cppipe")
    request = {
        "pipeline": f"example/{pipeline.name}",
        "input": "example/images",
        "output": "results",
        "run": "in-the-image",
    }
    record = bucket / "runs" / "in-the-image" / "request.json"
    record.parent.mkdir(parents=True)
    record.write_text(json.dumps(request))
    for path in [writable, *writable.rglob("*")]:
        os.chown(path, WORKER_UID, WORKER_UID)

    for what in ("--plan", "--shard=0"):
        engine.run(
            "run",
            "--request=file:///bucket/runs/in-the-image/request.json",
            what,
            mounts={bucket: "/bucket", scratch: "/tmp"},  # noqa: S108 - inside the image
        )

    manifest = json.loads((bucket / "runs" / "in-the-image" / "shards" / "0.json").read_text())
    assert manifest["cellprofiler_version"] == "4.2.8.1"
    _by_hand(cellprofiler, folder, tmp_path / "by_hand")
    expected = _tables(tmp_path / "by_hand")
    assert {"Image.csv"} < expected.keys()
    assert _tables(bucket / "results") == expected


def test_the_final_image_has_no_compiler_and_no_root(engine: Engine) -> None:
    script = "for tool in gcc cc javac uv; do ! command -v $tool || exit 1; done; test $(id -u) = 1000"
    engine.run("-c", script, mounts={}, entry_point="/bin/sh")
