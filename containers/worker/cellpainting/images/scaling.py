"""From 16 bits to 8 between two percentiles: the published formula, by a histogram and a look-up table.

The formula (jump_download, `robust_convert_to_8bit`), for pixels as float32:

    (image - low) / (high - low + eps), clipped to 0..1, times 255, cut to uint8

where low and high are NumPy's percentiles p and 100 - p. Pixels are whole numbers, so that all it asks of the image is
its histogram, and there are no more results than there are values.
"""

from dataclasses import dataclass

import cv2
import numpy as np

COUNTED_EXACTLY = 2**24  # OpenCV counts in float32, which has every whole number up to here


@dataclass(frozen=True)
class Limits:
    """The pixel values that become 0 and 255. Both are values that float32 has."""

    low: float
    high: float

    @property
    def largest_error(self) -> float:
        """How far `restore` is off at most, in the units of the original pixels, for those between the limits: half of
        one of 255 steps, and what float32 rounds.
        """
        return (self.high - self.low) / 255 / 2 + float(np.spacing(np.float32(self.high)))


def histogram(image: np.ndarray) -> np.ndarray:
    """How many pixels have each value.

    Parameters
    ----------
    image : (height, width) uint8 or uint16

    Returns
    -------
    (256,) or (65536,) int64
    """
    bins = int(np.iinfo(image.dtype).max) + 1
    if image.size > COUNTED_EXACTLY:
        return np.bincount(image.ravel(), minlength=bins)
    return cv2.calcHist([image], [0], None, [bins], [0, bins]).ravel().astype(np.int64)


def percentile_limits(counts: np.ndarray, percentile: float) -> Limits:
    """The percentiles `percentile` and `100 - percentile` of the pixels with this histogram, in NumPy's own arithmetic:
    linear between two neighbours, as `numpy.percentile` has it for an array of float32.
    """
    cumulative = np.cumsum(counts)
    return Limits(_percentile(cumulative, percentile), _percentile(cumulative, 100 - percentile))


def scale_to_8bit(image: np.ndarray, limits: Limits) -> np.ndarray:
    """The published formula with given limits.

    Parameters
    ----------
    image : (height, width) uint8 or uint16, not changed

    Returns
    -------
    (height, width) uint8
    """
    values = np.arange(int(np.iinfo(image.dtype).max) + 1, dtype=np.float32)
    low, high = np.float32(limits.low), np.float32(limits.high)
    scaled = np.clip((values - low) / (high - low + np.finfo(float).eps), 0, 1)
    table: np.ndarray = (scaled * 255).astype(np.uint8)
    return np.take(table, image)


def restore(image: np.ndarray, limits: Limits) -> np.ndarray:
    """The original pixels of an image that `scale_to_8bit` made, as near as 8 bits can have them.

    Off by `limits.largest_error` at most where the original was between the limits; what was outside becomes the limit,
    or up to that much above the lower one.

    Parameters
    ----------
    image : (height, width) uint8

    Returns
    -------
    (height, width) float32
    """
    step = (limits.high - limits.low) / 255
    table = limits.low + (np.arange(256) + 0.5) * step
    table[255] = limits.high  # only the limit and what is above become 255
    return np.take(table.astype(np.float32), image)


def _percentile(cumulative: np.ndarray, percentile: float) -> float:
    position = (int(cumulative[-1]) - 1) * (percentile / 100)
    before = int(np.floor(position))
    after = min(before + 1, int(cumulative[-1]) - 1)
    share = position - before
    left, right = (np.float32(np.searchsorted(cumulative, rank, side="right")) for rank in (before, after))
    difference = right - left
    if share < 0.5:  # NumPy takes the nearer neighbour as its start, which float32 tells apart
        return float(left + difference * share)
    return float(right - difference * (1 - share))
