"""Pictures of sites: with outlines, where the pipeline has saved such, else the channels in false colours."""

import re
from base64 import b64encode
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import PurePosixPath

import cv2
import numpy as np

from cellpainting.errors import DamagedImage, MissingInput
from cellpainting.images.contact_sheet import COLOURS, TOGETHER
from cellpainting.images.decode import decode
from cellpainting.images.scaling import histogram, percentile_limits, scale_to_8bit
from cellpainting.ledger import GroupResult, ImageSet
from cellpainting.profiles.platemap import canonical_well
from cellpainting.report.sources import PlateSources
from cellpainting.storage import Storage

PICTURES = frozenset({".png", ".jpg", ".jpeg", ".tif", ".tiff"})
OUTLINED = re.compile(r"outline|overlay", re.IGNORECASE)  # what people call such pictures, and folders of them
WORDS = re.compile(r"[A-Za-z0-9]+")
SIDE_PX, JPEG_QUALITY = 320, 82  # about 20 kB
WINDOW_PX = 540  # of a larger field, its middle: cells can be told apart
DISPLAY_PERCENTILE = 0.5  # of pixels that are shown black, and as many full
MOST_CHANNELS = 5
DRAWN = "outlines as the pipeline drew them"
BLANK = 0.1  # of the pixels: lines take some hundredths, cells more
DARK = 32  # of 255: noise between cells is


@dataclass(frozen=True)
class Picture:
    """A site of which there can be a picture: `outlined` is the key of one with outlines, `images` of channels."""

    image_set: ImageSet
    storage: Storage
    outlined: str | None
    images: tuple[str, ...]

    def draw(self) -> tuple[str, str] | None:
        """The picture as a data: URI and what is seen on it; None if its files are not there, or damaged."""
        outlines = self._outlines()
        if outlines is not None and not _has_lines_only(outlines):
            return _data_uri(outlines), DRAWN
        channels = self._channels()
        if channels is None:
            return None if outlines is None else (_data_uri(outlines), DRAWN)
        pixels, seen = channels
        if outlines is None or outlines.shape != pixels.shape:
            return _data_uri(pixels), seen
        return _data_uri(np.where(_lines(outlines), outlines, pixels)), f"outlines over {seen}"

    def _outlines(self) -> np.ndarray | None:
        """The picture with outlines, in BGR, if there is one."""
        with suppress(MissingInput):
            if self.outlined:
                return cv2.imdecode(np.frombuffer(self.storage.read(self.outlined), np.uint8), cv2.IMREAD_COLOR)
        return None

    def _channels(self) -> tuple[np.ndarray, str] | None:
        """The channels in one picture, in BGR, and what they are; None if one cannot be had."""
        with suppress(MissingInput, DamagedImage):
            if self.images:
                channels = {key: decode(self.storage.read(key)) for key in self.images[:MOST_CHANNELS]}
                return _together(channels), f"{len(channels)} channels in false colours"
        return None


def pictures_of(sources: PlateSources) -> Iterator[Picture]:
    """Every site of the plate that was measured, in the order of the runs' plans."""
    for run in sources.runs:
        for manifest in run.manifests:
            for group in manifest.groups:
                for outcome in group.outcomes:
                    if outcome.image_set.plate == sources.plate and outcome.state.is_success:
                        yield _picture(outcome.image_set, group, run.bucket)


def _picture(image_set: ImageSet, group: GroupResult, bucket: Storage) -> Picture:
    drawn = [file.key for file in group.outputs if _is_outlined(file.key)]
    if len(group.outcomes) > 1:
        drawn = [key for key in drawn if _names(PurePosixPath(key).stem, image_set)]
    images = tuple(key for key in image_set.files.split(" | ") if _is_picture(key) and "://" not in key)
    return Picture(image_set, bucket, min(drawn, default=None), images)


def _is_picture(key: str) -> bool:
    """Not an illumination function, which is an image of an image set, too."""
    return PurePosixPath(key).suffix.lower() in PICTURES


def _is_outlined(key: str) -> bool:
    return _is_picture(key) and bool(OUTLINED.search("/".join(PurePosixPath(key).parts[-2:])))


def _has_lines_only(pixels: np.ndarray) -> bool:
    """Whether outlines were drawn on a blank image, which shows no cells. Dark all over it stays as it is: channels
    without a cell would be stretched until their noise shines.
    """
    return bool(0 < np.mean(_lines(pixels)) < BLANK)


def _lines(pixels: np.ndarray) -> np.ndarray:
    """Where a picture, in BGR, is not dark; its last axis has one value."""
    brightest: np.ndarray = pixels.max(axis=2, keepdims=True)
    return brightest > DARK


def _names(text: str, image_set: ImageSet) -> bool:
    """Whether a file's name tells of this well and site, such as `P1_A01_s2`."""
    words = WORDS.findall(text)
    is_well = any(canonical_well(word) == canonical_well(image_set.well) for word in words if canonical_well(word))
    sites = {re.sub(r"^(s|f|fov|site)(?=\d)", "", word.lower()).lstrip("0") for word in words}
    return is_well and (not image_set.site or image_set.site.lstrip("0") in sites)


def _together(channels: Mapping[str, np.ndarray]) -> np.ndarray:
    """Channels laid over each other, in BGR."""
    dark = np.ones((*next(iter(channels.values())).shape, 3), np.float32)
    for number, (key, image) in enumerate(channels.items()):
        if image.shape != dark.shape[:2]:
            raise DamagedImage(f"{key} has another size than its other channels")
        bits = (
            image
            if image.dtype == np.uint8
            else scale_to_8bit(image, percentile_limits(histogram(image), DISPLAY_PERCENTILE))
        )
        colour = np.array(_colour(key, number)[::-1], np.float32) / 255
        dark *= 1 - TOGETHER * (bits[..., None].astype(np.float32) / 255) * colour
    return ((1 - dark) * 255).astype(np.uint8)


def _colour(key: str, number: int) -> tuple[int, int, int]:
    """That of the dye whose name the file has, or the next of all."""
    named = [colour for name, colour in COLOURS.items() if name in WORDS.findall(PurePosixPath(key).stem)]
    return named[0] if named else list(COLOURS.values())[number % len(COLOURS)]


def _data_uri(pixels: np.ndarray) -> str:
    side = min(WINDOW_PX, *pixels.shape[:2])
    top, left = (pixels.shape[0] - side) // 2, (pixels.shape[1] - side) // 2
    square = pixels[top : top + side, left : left + side]
    small = cv2.resize(square, (SIDE_PX, SIDE_PX), interpolation=cv2.INTER_AREA)
    encoded = cv2.imencode(".jpg", small, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])[1]
    return "data:image/jpeg;base64," + b64encode(encoded.tobytes()).decode()


def spread(count: int, most: int) -> Sequence[int]:
    """Positions of at most `most` of `count` things, evenly from first to last."""
    if count <= most:
        return range(count)
    return sorted({round(step * (count - 1) / max(1, most - 1)) for step in range(most)})
