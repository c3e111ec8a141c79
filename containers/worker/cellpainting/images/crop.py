"""The middle of an image, as the published JUMP data sets for training are cropped."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Box:
    """A part of an image, in pixels from its top left corner."""

    top: int
    left: int
    height: int
    width: int

    def of(self, image: np.ndarray) -> np.ndarray:
        """That part, as a contiguous array."""
        return np.ascontiguousarray(image[self.top : self.top + self.height, self.left : self.left + self.width])


def centre_box(shape: tuple[int, ...], height: int, width: int) -> Box:
    """The box of `height` x `width` pixels in the middle of an image of this shape.

    Along an axis on which 0 is asked for, or more than there is, all of the image is kept. Of an odd margin, the
    smaller part is above or on the left. Source: jump_download, `crop_min_resolution`.
    """
    top, height = _span(shape[0], height)
    left, width = _span(shape[1], width)
    return Box(top, left, height, width)


def _span(size: int, wanted: int) -> tuple[int, int]:
    if wanted <= 0 or wanted > size:
        return 0, size
    return size // 2 - wanted // 2, wanted
