"""`--containers` where it cannot be had: said at once, with what to do, before anything is sent."""

import os
import subprocess
from pathlib import Path

from tests.conftest import REPOSITORY


def run_in_containers(folder: Path, **variables: str) -> "subprocess.CompletedProcess[str]":
    request = folder / "request.json"
    request.write_text("{}")
    return subprocess.run(
        ["cpb", "local", "run", str(request), "--containers", "--data", str(folder / "data")],
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        cwd=REPOSITORY,
    )


def test_images_that_are_not_there_are_named_with_the_command_that_builds_them(tmp_path: Path) -> None:
    ended = run_in_containers(tmp_path, ENGINE="false")
    assert ended.returncode != 0
    assert "The image cpb-cellprofiler:latest is missing or out of date: make images" in ended.stderr
    assert not (tmp_path / "data").exists()


def test_machine_without_an_engine_is_told_how_to_get_one(tmp_path: Path) -> None:
    """Programs of the engines' names come first on the path, and do not work."""
    for name in ("docker", "podman"):
        (tmp_path / name).write_text("#!/bin/sh\nexit 1\n")
        (tmp_path / name).chmod(0o755)
    ended = run_in_containers(tmp_path, PATH=f"{tmp_path}{os.pathsep}{os.environ['PATH']}", ENGINE="")
    assert ended.returncode != 0
    assert "Neither Docker nor Podman runs here" in ended.stderr
