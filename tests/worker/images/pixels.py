"""Images without a file: noise, and any small image at all."""

import numpy as np
from hypothesis.extra.numpy import array_shapes, arrays

Depth = type[np.uint8] | type[np.uint16]

RANDOM = np.random.default_rng(7)
SHAPES = array_shapes(min_dims=2, max_dims=2, max_side=24)
ANY_IMAGE = arrays(np.uint8, SHAPES) | arrays(np.uint16, SHAPES)


def noise(height: int, width: int, depth: Depth) -> np.ndarray:
    """Pixels that use the whole depth."""
    return RANDOM.integers(0, np.iinfo(depth).max, (height, width), endpoint=True).astype(depth)
