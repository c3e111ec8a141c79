"""The dispatcher's asset: what is in it, and that it runs with what Lambda has."""

import json
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from constants import PRODUCTION
from tests.stacks.templates import function

ROOT = Path(__file__).resolve().parents[2]
# What Lambda's Python runtime brings along: boto3 and what it needs.
RUNTIME_MODULES = ("boto3", "botocore", "s3transfer", "jmespath", "dateutil", "six.py", "urllib3")


@pytest.fixture(scope="module")
def bundle(assemblies: dict[str, Path]) -> Path:
    folder = assemblies["s3"]
    return folder / f"asset.{function(folder, 'Dispatcher')['Code']['S3Key'].removesuffix('.zip')}"


def test_it_holds_the_handler_and_the_shared_parts_and_nothing_else(bundle: Path) -> None:
    package = ROOT / "containers" / "worker" / "cellpainting"
    handler = {file.name for file in (ROOT / "lambdas" / "dispatcher").glob("*.py")}
    parts = {
        f"cellpainting/{file.relative_to(package)}"
        for name in ("cost", "dispatch", "jobs", "ledger", "load_data", "pipelines", "planning", "storage")
        for file in (package / name).rglob("*.py")
    }
    bundled = {str(file.relative_to(bundle)) for file in bundle.rglob("*") if file.is_file()}
    others = {"cellpainting/__init__.py", "cellpainting/errors.py", "cellpainting/cost/prices.csv"}
    assert bundled == handler | parts | others
    assert "handler.py" in bundled


def test_the_same_modules_are_the_same_asset(bundle: Path, assemblies: dict[str, Path]) -> None:
    assert (assemblies["fsx"] / bundle.name).is_dir()


@pytest.mark.parametrize(("construct", "module"), [("Dispatcher", "handler"), ("Watcher", "watcher")])
def test_a_function_imports_with_boto3_alone(
    assemblies: dict[str, Path], tmp_path: Path, construct: str, module: str
) -> None:
    folder = assemblies["s3"]
    bundle = folder / f"asset.{function(folder, construct)['Code']['S3Key'].removesuffix('.zip')}"
    site_packages = Path(sysconfig.get_paths()["purelib"])
    for name in RUNTIME_MODULES:
        (tmp_path / name).symlink_to(site_packages / name)
    path = [str(bundle), str(tmp_path)]
    code = f"import sys; sys.path += {path!r}; import {module}; print({module}.handler)"
    ended = subprocess.run(
        # -I and -S leave the standard library alone on the path.
        [sys.executable, "-I", "-S", "-B", "-c", code],
        env={
            "AWS_DEFAULT_REGION": "eu-west-1",
            "BUCKET": "data",
            "JOB_QUEUES": "{}",
            "ON_DEMAND_QUEUE": "on-demand",
            "JOB_TYPES": "{}",
            "RUNS_TOPIC": "runs",
            "MAX_MEMORY_MIB": "32768",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    assert "function handler" in ended.stdout


def test_a_missing_part_stops_the_bundling(tmp_path: Path) -> None:
    code = (
        "from pathlib import Path\n"
        "from stacks.function_code import copy_modules\n"
        f"copy_modules(Path({str(tmp_path / 'jobs')!r}), Path({str(tmp_path / 'out')!r}))\n"
    )
    ended = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert ended.returncode != 0
    assert "holds no Python module, and a function needs it" in ended.stderr


def test_an_image_is_built_from_its_own_folder_and_the_worker_without_their_by_products(
    assemblies: dict[str, Path],
) -> None:
    folder = assemblies["s3"]
    images = json.loads((folder / "batch-cpb.assets.json").read_text())["dockerImages"]
    assert len(images) == len(PRODUCTION.batch.runtimes)
    for image in images.values():
        context = folder / image["source"]["directory"]
        own = Path(image["source"]["dockerFile"]).parent.name
        assert {entry.name for entry in context.iterdir()} == {own, "worker", "installer.lock", ".dockerignore"}
        assert (context / image["source"]["dockerFile"]).is_file()
        inside = {file.name for folder in context.iterdir() if folder.is_dir() for file in folder.rglob("*")}
        assert not {name for name in inside if name.startswith(".") or name == "__pycache__"}
        assert image["source"]["platform"] == "linux/amd64"
