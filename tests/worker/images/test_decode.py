"""An image file is decoded as a whole, or it is damaged and the message says in what way."""

import io
from collections.abc import Callable

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from cellpainting.errors import DamagedImage
from cellpainting.images.decode import decode, require_signal
from tests.worker.images.encodings import TIFFS, tiff
from tests.worker.images.pixels import noise

SIDE = 48


def png(pixels: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def jpeg_2000(pixels: np.ndarray) -> bytes:
    """Without loss."""
    return cv2.imencode(".jp2", pixels, [cv2.IMWRITE_JPEG2000_COMPRESSION_X1000, 1000])[1].tobytes()


FILES = {**TIFFS, "png": png, "jpeg 2000": jpeg_2000}


@pytest.mark.parametrize("kept", [0.02, 0.5, 0.9])
@pytest.mark.parametrize("encode", FILES.values(), ids=FILES)
def test_truncated_file_is_damaged(encode: Callable[[np.ndarray], bytes], kept: float) -> None:
    content = encode(noise(SIDE, SIDE, np.uint16))
    part = content[: int(kept * len(content))]
    with pytest.raises(DamagedImage, match=f"its {len(part)} bytes cannot be decoded"):
        decode(part)


@pytest.mark.parametrize("encode", [png, jpeg_2000])
def test_other_formats_are_decoded_too(encode: Callable[[np.ndarray], bytes]) -> None:
    image = noise(SIDE, SIDE, np.uint16)
    assert np.array_equal(decode(encode(image)), image)


def test_first_page_is_the_image() -> None:
    pages = np.stack([noise(SIDE, SIDE, np.uint16), noise(SIDE, SIDE, np.uint16)])
    assert np.array_equal(decode(tiff(pages, photometric="minisblack")), pages[0])


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"", "the file is empty"),
        (tiff(np.zeros((SIDE, SIDE, 3), np.uint8), photometric="rgb"), r"shape \(48, 48, 3\) and type uint8"),
        (tiff(np.zeros((SIDE, SIDE), np.float32)), "type float32, expected one channel of 8 or 16 bits"),
        (b"<Error><Code>AccessDenied</Code></Error>", "its 40 bytes cannot be decoded"),
        (tiff(noise(SIDE, SIDE, np.uint16))[:8] + bytes(4000), "cannot be decoded"),
    ],
    ids=["empty", "three channels", "float32", "text", "a header alone"],
)
def test_what_is_no_image_is_damaged_and_told(content: bytes, what: str) -> None:
    with pytest.raises(DamagedImage, match=what):
        decode(content)


@settings(deadline=None)
@given(st.binary(max_size=300), st.sampled_from([b"", b"II*\0", b"MM\0*", b"\x89PNG\r\n\x1a\n"]))
def test_any_bytes_are_an_image_or_damaged(rest: bytes, magic: bytes) -> None:
    try:
        assert decode(magic + rest).ndim == 2
    except DamagedImage as error:
        assert "bytes" in str(error) or "expected one channel" in str(error)  # noqa: PT017 (either is right)


@pytest.mark.parametrize("value", [0, 255, 65_535])
def test_image_without_signal_is_damaged(value: int) -> None:
    with pytest.raises(DamagedImage, match=f"all of its 9 x 5 pixels are {value}"):
        require_signal(np.full((5, 9), value, np.uint16))


def test_one_pixel_that_differs_is_a_signal() -> None:
    image = np.zeros((5, 9), np.uint8)
    image[4, 8] = 1
    require_signal(image)
