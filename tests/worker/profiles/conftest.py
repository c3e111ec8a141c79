"""A workspace for every test that wants one."""

from pathlib import Path

import pytest

from tests.worker.profiles.made_plates import Workspace


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    """An empty one."""
    return Workspace(tmp_path / "workspace")
