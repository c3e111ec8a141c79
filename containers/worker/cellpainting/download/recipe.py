"""From the bytes of one image to those of the file that is published. Pure: no storage is touched."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import cached_property

import numpy as np

from cellpainting.download.provenance import Provenance
from cellpainting.images.crop import Box, centre_box
from cellpainting.images.decode import decode, require_signal
from cellpainting.images.png import encode_png
from cellpainting.images.scaling import Limits, histogram, percentile_limits, scale_to_8bit
from cellpainting.jobs.download_images import DownloadImages
from cellpainting.ledger import StoredFile

VERSION = 1  # of what becomes of an image; files of another one are made again


@dataclass(frozen=True)
class Recipe:
    """What is done to every image. `plate_limits` are those of each channel, where the plate has some of its own."""

    job: DownloadImages
    plate_limits: Mapping[str, Limits] = field(default_factory=dict)

    @cached_property
    def text(self) -> str:
        """All that tells two recipes apart, in a short form."""
        limits = {channel: asdict(one) for channel, one in sorted(self.plate_limits.items())}
        told = json.dumps([VERSION, self.job.processing, limits], sort_keys=True)
        return hashlib.sha256(told.encode()).hexdigest()[:16]

    def crop(self, content: bytes) -> tuple[np.ndarray, np.ndarray, Box]:
        """The pixels of an image, those of them that are kept, and where these are.

        Raises
        ------
        DamagedImage
            If the file is not whole, or shows nothing.
        """
        image = decode(content)
        require_signal(image)
        box = centre_box(image.shape, self.job.crop_height_px, self.job.crop_width_px)
        return image, box.of(image), box

    def make(self, content: bytes, stored: StoredFile, channel: str) -> tuple[bytes, Provenance]:
        """The PNG file of one image, and its provenance, which is inside, too.

        Raises
        ------
        DamagedImage
            If the image is not whole, or shows nothing.
        """
        image, pixels, box = self.crop(content)
        limits = self._limits(pixels, channel)
        provenance = Provenance(
            source=stored.key,
            source_size=stored.size,
            source_etag=stored.checksum,
            recipe=self.text,
            height=image.shape[0],
            width=image.shape[1],
            top=box.top,
            left=box.left,
            low=limits.low if limits else None,
            high=limits.high if limits else None,
        )
        return encode_png(scale_to_8bit(pixels, limits) if limits else pixels, provenance.to_note()), provenance

    def _limits(self, pixels: np.ndarray, channel: str) -> Limits | None:
        match self.job.scaling:
            case "none":
                return None
            case "plate":
                return self.plate_limits[channel]
            case "image":
                return percentile_limits(histogram(pixels), self.job.percentile)
