"""The image is built from its Dockerfile, and does a shard inside it: the container's own command, as uid 1000.

`pytest -m image`. The results have to equal those of this machine's own CellProfiler, run by hand.
"""

import importlib.util
import json
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from cellpainting.cellprofiler.compare_tables import compare_tables
from tests.conftest import REPOSITORY
from tests.containers.conftest import Engine

SMOKE = REPOSITORY / "containers" / "cellprofiler" / "smoke"
EXAMPLES = Path(os.environ.get("CPB_EXAMPLES", REPOSITORY.parent / "shared" / "data" / "cellprofiler_examples"))

pytestmark = [pytest.mark.image, pytest.mark.timeout(1200)]


@pytest.fixture(scope="module")
def cellprofiler() -> Path:
    command = Path(os.environ.get("CELLPROFILER", REPOSITORY / ".cellprofiler" / "bin" / "cellprofiler"))
    if not command.exists():
        pytest.skip(f"no CellProfiler at {command} to compare with; run 'make setup'")
    return command


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
    # How OpenBLAS is to compute, which a machine may say, changes last digits, and the worker passes nothing of it on.
    variables = {name: value for name, value in os.environ.items() if not name.startswith("OPENBLAS_")}
    subprocess.run([command, *arguments], check=True, cwd=output, env={**variables, "PYTHONHASHSEED": "0"})


@pytest.mark.parametrize("example", [_spots, _human])
def test_the_image_does_a_shard_as_by_hand(
    engine: Engine,
    cellprofiler: Path,
    bucket: Path,
    tmp_path: Path,
    example: Callable[[Path], Path],
) -> None:
    folder = example(bucket / "example")
    (pipeline,) = folder.glob("*.cppipe")
    request = {
        "pipeline": f"example/{pipeline.name}",
        "input": "example/images",
        "output": "results",
        "run": "in-the-image",
    }

    engine.run_request("cellprofiler", bucket, request)

    manifest = json.loads((bucket / "runs" / "in-the-image" / "shards" / "0.json").read_text())
    assert manifest["cellprofiler_version"] == "4.2.8.1"
    (group,) = manifest["groups"]
    assert group["acceleration"]["replaced"]
    assert group["acceleration"]["left_alone"] == {}
    _by_hand(cellprofiler, folder, tmp_path / "by_hand")
    compared = compare_tables(tmp_path / "by_hand", bucket / "results")
    assert {"Image.csv"} < {item.table for item in compared}
    assert not [item for item in compared if not item.is_equal]
