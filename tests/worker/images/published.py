"""What jump_download does to an image (`crop_min_resolution`, `robust_convert_to_8bit`), written from its document."""

import numpy as np


def published(image: np.ndarray, *, height_px: int = 768, width_px: int = 768, percentile: float = 1.0) -> np.ndarray:
    """The middle of an image, in 8 bits between its own percentiles."""
    img = _middle(_middle(image, 0, height_px), 1, width_px).astype(np.float32)
    low, high = np.percentile(img, percentile), np.percentile(img, 100 - percentile)
    scaled = (img - low) / (high - low + np.finfo(float).eps)
    return (np.clip(scaled, 0, 1) * 255).astype(np.uint8)


def _middle(image: np.ndarray, axis: int, wanted: int) -> np.ndarray:
    size = image.shape[axis]
    if wanted <= 0 or wanted > size:
        return image
    start = size // 2 - wanted // 2
    return image.take(range(start, start + wanted), axis)
