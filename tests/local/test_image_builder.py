"""What stands in for Docker keeps how the containers of an image start, and does not pretend to know more."""

import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner

from cellpainting.cli.local import up
from cellpainting.errors import LocalCloudError
from cellpainting.local.image_builder import write_program
from cellpainting.local.image_store import ImageStore

TAG = "39a7bd72d63c"


@pytest.fixture
def store(tmp_path: Path) -> ImageStore:
    return ImageStore(tmp_path / "images")


@pytest.fixture
def context(tmp_path: Path) -> Path:
    """The folder that an image is built from."""
    (tmp_path / "context" / "profiling").mkdir(parents=True)
    (tmp_path / "context" / "profiling" / "Dockerfile").write_text('ENTRYPOINT ["cpb"]\n')
    return tmp_path / "context"


def docker(store: ImageStore, folder: Path, *words: str) -> "subprocess.CompletedProcess[str]":
    """The program that CDK_DOCKER names, called as the CDK command line calls it."""
    program = folder / "docker"
    write_program(program, store)
    return subprocess.run([program, *words], cwd=folder, capture_output=True, text=True, check=False)


def test_an_image_is_there_once_it_was_built(store: ImageStore, context: Path) -> None:
    assert docker(store, context, "inspect", f"cdkasset-{TAG}").returncode == 1
    build = ("build", "--tag", f"cdkasset-{TAG}", "--file", "profiling/Dockerfile", "--platform", "linux/amd64", ".")
    assert docker(store, context, *build).returncode == 0
    assert docker(store, context, "inspect", f"cdkasset-{TAG}").returncode == 0
    kept = store.dockerfile(f"123456789012.dkr.ecr.us-east-1.amazonaws.com/assets:{TAG}")
    assert (kept.parent.name, kept.read_text()) == ("profiling", 'ENTRYPOINT ["cpb"]\n')


def test_an_image_from_elsewhere_is_refused_by_name(store: ImageStore) -> None:
    with pytest.raises(LocalCloudError, match="python:3 is none that was deployed here"):
        store.dockerfile("docker.io/library/python:3")


def test_a_command_that_it_does_not_know_fails(store: ImageStore, context: Path) -> None:
    ended = docker(store, context, "run", "python:3")
    assert ended.returncode == 2
    assert "docker run" in ended.stderr


def test_an_empty_account_leaves_the_storage_mode_to_who_deploys() -> None:
    ended = CliRunner().invoke(up, ["--empty", "--storage", "fsx"])
    assert ended.exit_code == 2
    assert "cdk deploy -c storage=..." in ended.output
