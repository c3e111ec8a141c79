"""From the bytes of a file to 8 bits, every pixel is what the published formula gives."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from cellpainting.images.crop import centre_box
from cellpainting.images.decode import decode
from cellpainting.images.scaling import histogram, percentile_limits, scale_to_8bit
from tests.conftest import REPOSITORY
from tests.worker.images.encodings import TIFFS, tiff
from tests.worker.images.pixels import ANY_IMAGE, Depth, noise
from tests.worker.images.published import published

REAL_IMAGES = REPOSITORY.parent / "shared" / "data" / "images"


def ours(image: np.ndarray, *, height_px: int = 768, width_px: int = 768, percentile: float = 1.0) -> np.ndarray:
    pixels = centre_box(image.shape, height_px, width_px).of(image)
    return scale_to_8bit(pixels, percentile_limits(histogram(pixels), percentile))


def test_every_real_image_has_the_pixels_of_the_published_formula() -> None:
    paths = sorted(REAL_IMAGES.rglob("*.tiff"))
    if not paths:
        pytest.skip(f"there are no images in {REAL_IMAGES}")
    for path in paths:
        with Image.open(path) as image:  # another decoder than ours
            expected = published(np.asarray(image))
        assert np.array_equal(ours(decode(path.read_bytes())), expected), path


@pytest.mark.parametrize("depth", [np.uint8, np.uint16])
@pytest.mark.parametrize("encode", TIFFS.values(), ids=TIFFS)
def test_no_encoding_of_a_file_changes_a_pixel(encode: Callable[[np.ndarray], bytes], depth: Depth) -> None:
    image = noise(45, 52, depth)
    decoded = decode(encode(image))
    assert decoded.dtype == depth
    assert np.array_equal(decoded, image)
    assert np.array_equal(ours(decoded, height_px=32, width_px=32), published(image, height_px=32, width_px=32))


@pytest.mark.parametrize("depth", [np.uint8, np.uint16])
@pytest.mark.parametrize(
    ("shape", "crop"),
    [
        ((40, 48), (0, 0)),
        ((40, 48), (0, 16)),
        ((40, 48), (40, 48)),
        ((20, 9), (12, 12)),
        ((9, 20), (12, 12)),
        ((5, 7), (12, 12)),
        ((41, 47), (16, 16)),
        ((40, 48), (15, 17)),
        ((41, 47), (15, 17)),
        ((1, 1), (1, 1)),
    ],
)
def test_edges_of_the_crop_are_as_published(shape: tuple[int, int], crop: tuple[int, int], depth: Depth) -> None:
    image, (height_px, width_px) = noise(*shape, depth), crop
    expected = published(image, height_px=height_px, width_px=width_px)
    assert np.array_equal(ours(image, height_px=height_px, width_px=width_px), expected)


@pytest.mark.parametrize("value", [0, 1, 700, 65_535])
def test_flat_image_is_black_as_published(value: int) -> None:
    image = np.full((30, 30), value, np.uint16)
    assert np.array_equal(ours(decode(tiff(image))), published(image))
    assert not ours(image).any()


percentiles = st.sampled_from([0.0, 0.5, 1.0, 49.9]) | st.floats(0, 49.99)


@settings(deadline=None)
@given(ANY_IMAGE, percentiles, st.integers(0, 30), st.integers(0, 30))
def test_any_image_crop_and_percentile_are_as_published(
    image: np.ndarray, percentile: float, height_px: int, width_px: int
) -> None:
    expected = published(image, height_px=height_px, width_px=width_px, percentile=percentile)
    assert np.array_equal(ours(image, height_px=height_px, width_px=width_px, percentile=percentile), expected)


@settings(deadline=None)
@given(ANY_IMAGE, percentiles)
def test_limits_are_exactly_the_percentiles_of_numpy(image: np.ndarray, percentile: float) -> None:
    limits, values = percentile_limits(histogram(image), percentile), image.astype(np.float32)
    assert limits.low == np.percentile(values, percentile)
    assert limits.high == np.percentile(values, 100 - percentile)


@pytest.mark.parametrize("percentile", [0.1, 1, 17.3, 33.3, 49])
def test_limits_between_values_far_apart_are_rounded_as_numpy_rounds(percentile: float) -> None:
    for width in range(1, 200):
        image = noise(1, width, np.uint16)
        limits, values = percentile_limits(histogram(image), percentile), image.astype(np.float32)
        assert limits.low == np.percentile(values, percentile)
        assert limits.high == np.percentile(values, 100 - percentile)


def test_histogram_counts_every_pixel_of_an_image_beyond_what_float32_counts() -> None:
    image = np.zeros((4097, 4097), np.uint8)
    image[0, 0] = 255
    counts = histogram(image)
    assert (counts[0], counts[255], counts.sum()) == (4097 * 4097 - 1, 1, 4097 * 4097)
