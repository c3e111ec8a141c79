"""CorrectIlluminationCalculate: minima of blocks without sorting, and Gaussian smoothing of a mask that hides nothing.

To the last digit, since objects are found in what is corrected.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.ndimage
from cellprofiler.modules.correctilluminationcalculate import (
    IC_BACKGROUND,
    SM_GAUSSIAN_FILTER,
    SM_SPLINES,
    CorrectIlluminationCalculate,
)
from cellprofiler_core.image import Image

from .kernel import Array
from .replacing import replace_method


def install() -> None:
    """Replace the methods that look for the background and that smooth it."""
    replace_method(CorrectIlluminationCalculate, "preprocess_image_for_averaging", preprocess_image_for_averaging)
    replace_method(CorrectIlluminationCalculate, "smooth_plane", smooth_plane)


def preprocess_image_for_averaging(self: Any, orig_image: Any) -> Any:
    """Make an image of the minima of its blocks."""
    pixels = orig_image.pixel_data
    is_by_blocks = self.intensity_choice == IC_BACKGROUND and self.smoothing_method != SM_SPLINES
    if not is_by_blocks or pixels.ndim != 2 or orig_image.has_mask:
        return NotImplemented
    rows, columns = (_blocks(length, self.block_size.value) for length in pixels.shape)
    minima = pixels
    for axis, blocks in enumerate((rows, columns)):
        # What is not a number is no minimum.
        minima = np.fmin.reduceat(minima, np.flatnonzero(np.diff(blocks, prepend=-1)), axis=axis)
    return Image(minima[rows[:, np.newaxis], columns].astype(float), parent_image=orig_image)


def _blocks(length: int, size: int) -> Array:
    """The block of about a size that each pixel of a row or column is in."""
    count = max(int(length / size), 1)
    return (np.arange(length) * (count / length)).astype(int)


def smooth_plane(self: Any, pixel_data: Array, mask: Array) -> Any:
    """Smooth with a Gaussian, and divide by what of it lies within the image."""
    is_made_for = pixel_data.ndim == 2 and pixel_data.shape == mask.shape and mask.all()
    if self.smoothing_method != SM_GAUSSIAN_FILTER or not is_made_for:
        return NotImplemented
    sigma = self.smoothing_filter_size(pixel_data.shape) / 2.35
    smoothed = scipy.ndimage.gaussian_filter(pixel_data, sigma, mode="constant", cval=0)
    return smoothed / (_gaussian_within(pixel_data.shape, sigma) + np.finfo(float).eps)


def _gaussian_within(shape: tuple[int, ...], sigma: float) -> Array:
    """An image of ones, smoothed: of rows that are the same, one is smoothed."""
    column = scipy.ndimage.gaussian_filter1d(np.ones(shape[0]), sigma, mode="constant", cval=0)
    distinct, row = np.unique(column, return_inverse=True)
    rows = np.repeat(distinct[:, np.newaxis], shape[1], axis=1)
    return np.asarray(scipy.ndimage.gaussian_filter1d(rows, sigma, mode="constant", cval=0)[row])
