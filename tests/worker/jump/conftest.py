"""The small JUMP as tables in a folder, and as a Gallery on a server of its own."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.worker.jump.small_jump import Gallery, serving_gallery, write_tables


@pytest.fixture
def tables(tmp_path: Path) -> Path:
    return write_tables(tmp_path / "tables")


@pytest.fixture
def gallery(moto_url: str) -> Iterator[Gallery]:
    with serving_gallery(moto_url) as gallery:
        yield gallery
