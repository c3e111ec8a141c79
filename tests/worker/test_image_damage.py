"""A damaged image is found from its structure, and a whole one is left alone."""

from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from cellpainting.images.damage import find_damage

PIXELS = np.arange(64 * 64, dtype=np.uint16).reshape(64, 64)


@pytest.mark.parametrize("options", [{}, {"compression": "zlib"}, {"tile": (32, 32)}, {"rowsperstrip": 8}])
def test_whole_tiff_is_not_damaged(tmp_path: Path, options: dict[str, object]) -> None:
    tifffile.imwrite(tmp_path / "image.tif", PIXELS, **options)
    assert find_damage(tmp_path / "image.tif") is None


@pytest.mark.parametrize("options", [{}, {"compression": "zlib"}, {"tile": (32, 32)}])
@pytest.mark.parametrize("kept", [0.0, 0.001, 0.3, 0.95])
def test_truncated_tiff_is_damaged(tmp_path: Path, options: dict[str, object], kept: float) -> None:
    path = tmp_path / "image.tiff"
    tifffile.imwrite(path, PIXELS, **options)
    path.write_bytes(path.read_bytes()[: int(kept * path.stat().st_size)])
    assert find_damage(path)


def test_text_that_calls_itself_tiff_is_damaged(tmp_path: Path) -> None:
    (tmp_path / "image.tif").write_text("<Error><Code>AccessDenied</Code></Error>")
    assert "not a readable TIFF" in str(find_damage(tmp_path / "image.tif"))


def test_truncated_png_is_damaged_and_a_whole_one_is_not(tmp_path: Path) -> None:
    path = tmp_path / "image.png"
    Image.fromarray(PIXELS.astype(np.uint8)).save(path)
    assert find_damage(path) is None
    path.write_bytes(path.read_bytes()[:-3])
    assert "truncated" in str(find_damage(path))


def test_other_files_are_only_required_not_to_be_empty(tmp_path: Path) -> None:
    (tmp_path / "illum.npy").write_bytes(b"x")
    (tmp_path / "empty.npy").touch()
    assert find_damage(tmp_path / "illum.npy") is None
    assert find_damage(tmp_path / "empty.npy") == "the file is empty (0 bytes)"
