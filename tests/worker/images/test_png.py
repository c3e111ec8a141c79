"""PNG files that every reader reads, whose note tells whether each of their bytes is the one that was written."""

import io
import string

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from cellpainting.errors import DamagedImage
from cellpainting.images.png import encode_png, read_note
from tests.worker.images.pixels import ANY_IMAGE, Depth, noise

NOTE = '{"source":"s3://cellpainting-gallery/a folder/r01c01f01p01-ch1sk1fk1fl1.tiff"}'
FILE = encode_png(noise(9, 13, np.uint16), NOTE)


def by_pillow(content: bytes) -> np.ndarray:
    with Image.open(io.BytesIO(content)) as image:
        image.load()  # with the checksums of all parts
        return np.asarray(image)


@settings(deadline=None)
@given(ANY_IMAGE)
def test_what_was_written_is_read_by_pillow_and_opencv(image: np.ndarray) -> None:
    content = encode_png(image)
    assert np.array_equal(by_pillow(content), image)
    decoded = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_UNCHANGED)
    assert decoded is not None
    assert decoded.dtype == image.dtype
    assert np.array_equal(decoded, image)


@pytest.mark.parametrize("depth", [np.uint8, np.uint16])
@pytest.mark.parametrize("shape", [(1, 1), (1, 17), (17, 1), (31, 33), (768, 768)])
def test_any_size_is_read_with_its_note(shape: tuple[int, int], depth: Depth) -> None:
    image = noise(*shape, depth)
    content = encode_png(image, NOTE)
    assert np.array_equal(by_pillow(content), image)
    assert read_note(content) == NOTE


@given(st.text(string.printable, min_size=1))
def test_note_is_read_as_it_was_written(note: str) -> None:
    assert read_note(encode_png(np.zeros((2, 2), np.uint8), note)) == note


def test_file_without_a_note_of_ours_has_an_empty_one() -> None:
    others = io.BytesIO()
    Image.new("L", (3, 3)).save(others, "PNG")
    assert read_note(others.getvalue()) == read_note(encode_png(np.zeros((3, 3), np.uint8))) == ""


def test_file_that_is_truncated_anywhere_is_damaged() -> None:
    for length in range(len(FILE)):
        with pytest.raises(DamagedImage):
            read_note(FILE[:length])


@given(st.integers(0, len(FILE) - 1), st.integers(1, 255))
def test_file_with_a_changed_byte_is_damaged(position: int, change: int) -> None:
    content = bytearray(FILE)
    content[position] ^= change
    with pytest.raises(DamagedImage):
        read_note(bytes(content))


def test_what_follows_the_end_is_damage() -> None:
    with pytest.raises(DamagedImage, match="3 bytes follow its end"):
        read_note(FILE + b"abc")


def test_image_with_the_noise_of_a_camera_takes_no_more_room_than_pillow_needs() -> None:
    light = np.hypot(*np.mgrid[-128:128, -128:128]) / 2
    image = (light + np.random.default_rng(1).normal(60, 8, light.shape)).clip(0, 255).astype(np.uint8)
    usual = io.BytesIO()
    Image.fromarray(image).save(usual, "PNG")
    assert len(encode_png(image)) <= usual.tell()
