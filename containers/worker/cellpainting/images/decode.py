"""From the bytes of an image file to pixels, or to the reason why there are none. Needs OpenCV."""

import cv2
import numpy as np

from cellpainting.errors import DamagedImage

cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)  # it says on stderr what is raised here
cv2.setNumThreads(1)  # images are done side by side instead

DEPTHS = (np.uint8, np.uint16)


def decode(content: bytes) -> np.ndarray:
    """The first page of a TIFF (any byte order, strips or tiles, uncompressed, LZW, Deflate), PNG or JPEG 2000 file.

    Returns
    -------
    (height, width) uint8 or uint16, as the file has it.

    Raises
    ------
    DamagedImage
        If the file is empty, cannot be decoded as a whole, or is not one channel of 8 or 16 bits.
    """
    if not content:
        raise DamagedImage("the file is empty (0 bytes)")
    image = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_UNCHANGED)
    if image is None:
        raise DamagedImage(f"its {len(content)} bytes cannot be decoded: it is truncated, damaged or no image")
    if image.ndim != 2 or image.dtype not in DEPTHS:
        raise DamagedImage(
            f"got an image of shape {image.shape} and type {image.dtype}, expected one channel of 8 or 16 bits"
        )
    return image


def require_signal(image: np.ndarray) -> None:
    """Check that not all pixels are the same: no camera takes such an image; a file that was never filled has one.

    Raises
    ------
    DamagedImage
        If they are.
    """
    low, high, _, _ = cv2.minMaxLoc(image)
    if low == high:
        raise DamagedImage(f"all of its {image.shape[1]} x {image.shape[0]} pixels are {low:.0f}")
