"""A small plate for every test that wants one."""

from pathlib import Path

import pytest

from tests.worker.backend.plates import write_plate


@pytest.fixture
def analysis(tmp_path: Path) -> Path:
    """Two wells of two cells; many tests break the first one."""
    return write_plate(tmp_path / "analysis")
