"""The installer of starfish leaves alone what is not its own, and asks a starfish that is there for its version."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from cellpainting.starfish.environment import Starfish
from tests.conftest import REPOSITORY

INSTALL = REPOSITORY / "containers" / "starfish" / "install.sh"


def install(destination: Path, **variables: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [INSTALL, destination], env={**os.environ, **variables}, capture_output=True, text=True, check=False, timeout=60
    )


def test_folder_that_is_no_environment_is_not_touched(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").touch()
    result = install(tmp_path, STARFISH="")
    assert result.returncode == 2
    assert "not touched" in result.stderr
    assert (tmp_path / "thesis.txt").exists()


def test_python_without_starfish_is_refused(tmp_path: Path) -> None:
    result = install(tmp_path / "new", STARFISH=sys.executable)
    assert result.returncode == 2
    assert f"STARFISH={sys.executable} has no starfish" in result.stderr
    assert not (tmp_path / "new").exists()


@pytest.mark.starfish
def test_starfish_that_is_there_is_used_and_nothing_is_installed(tmp_path: Path) -> None:
    python = os.environ.get("STARFISH", str(REPOSITORY / ".starfish" / "bin" / "python"))
    result = install(tmp_path / "new", STARFISH=python)
    assert result.returncode == 0
    assert f"starfish {Starfish(Path(python)).version}: {python} (set by STARFISH" in result.stderr
    assert not (tmp_path / "new").exists()
