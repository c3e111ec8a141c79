"""job_type `download_images`: the images of load data, cropped and scaled, as files to train on."""

from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any, ClassVar, Literal

from cellpainting.errors import InvalidField
from cellpainting.jobs.fields import Fields
from cellpainting.jobs.resources import Resources
from cellpainting.jobs.run_record import run_title
from cellpainting.jobs.stage import Stage
from cellpainting.ledger.image_set import Cause

TABLE_SUFFIXES = (".csv", ".csv.gz", ".parquet")
CHANNELS = ("DNA", "ER", "RNA", "AGP", "Mito")  # of Cell Painting, in the order of their wavelengths
JUMP_CROP_PX = 768  # of the published data set for training
JUMP_PERCENTILE = 1.0
MOST_PIXELS = 100_000  # along one side; no camera has more
IMAGE_SETS_PER_TAR = 64  # some 100 MB of five channels, as readers of WebDataset like them
TIMEOUT_PER_IMAGE_SET_S = 30  # five images in half a minute is slower than any network that is worth waiting for

Scaling = Literal["image", "plate", "none"]
Format = Literal["png", "webdataset"]


@dataclass(frozen=True)
class DownloadImages:
    """Images of the image sets of `load_data`, a key, as files below `output`, a prefix.

    `select` keeps the image sets whose metadata column has one of these values. `channels`, if not empty, are the only
    ones to take. A crop of 0 pixels keeps a side whole. `scaling` to 8 bits is between the percentiles `percentile` and
    `100 - percentile` of each image (as published), or of a plate's images of a channel; `none` keeps all bits.
    """

    job_type: ClassVar[str] = "download_images"
    runtime: ClassVar[str] = "profiling"

    load_data: str
    output: str
    run: str | None
    force: bool
    resources: Resources
    select: tuple[tuple[str, tuple[str, ...]], ...] = ()
    channels: tuple[str, ...] = ()
    crop_height_px: int = JUMP_CROP_PX
    crop_width_px: int = JUMP_CROP_PX
    scaling: Scaling = "image"
    percentile: float = JUMP_PERCENTILE
    format: Format = "png"
    redrive: tuple[str, ...] = ()
    stage: Stage | None = None

    @classmethod
    def parse(cls, fields: Fields) -> "DownloadImages":
        """Read the fields of one request.

        Raises
        ------
        InvalidField
            Naming the field, the value got and what to write instead.
        """
        height = fields.whole_number("crop_height_px", minimum=0, maximum=MOST_PIXELS)
        width = fields.whole_number("crop_width_px", minimum=0, maximum=MOST_PIXELS)
        percentile = fields.number("percentile", minimum=0, below=50)
        job = cls(
            load_data=fields.key("load_data"),
            output=fields.key("output"),
            run=fields.run_name("run"),
            force=fields.flag("force"),
            resources=Resources.parse(fields),
            select=fields.values_of_columns("select"),
            channels=fields.names("channels"),
            crop_height_px=JUMP_CROP_PX if height is None else height,
            crop_width_px=JUMP_CROP_PX if width is None else width,
            scaling=fields.choice("scaling", ("image", "plate", "none")) or "image",
            percentile=JUMP_PERCENTILE if percentile is None else percentile,
            format=fields.choice("format", ("png", "webdataset")) or "png",
            redrive=fields.words("redrive", [cause.value for cause in Cause]),
            stage=Stage.parse(fields),
        )
        if not job.load_data.endswith(TABLE_SUFFIXES):
            raise InvalidField("load_data", job.load_data, f"its name ends in one of {', '.join(TABLE_SUFFIXES)}")
        return job

    @property
    def timeout_s(self) -> int:
        """How long one group of image sets may take, in seconds: an image set, or all those of a tar file."""
        return TIMEOUT_PER_IMAGE_SET_S * self.image_sets_per_group

    @property
    def image_sets_per_group(self) -> int:
        """Image sets that are published together."""
        return IMAGE_SETS_PER_TAR if self.format == "webdataset" else 1

    @property
    def processing(self) -> dict[str, Any]:
        """What is done to each image."""
        return {
            "crop_height_px": self.crop_height_px,
            "crop_width_px": self.crop_width_px,
            "scaling": self.scaling,
            "percentile": None if self.scaling == "none" else self.percentile,
        }

    @property
    def work(self) -> dict[str, Any]:
        """What is to be done, and not how: requests with equal work are the same run, whatever memory they ask for."""
        return {
            "job_type": self.job_type,
            "load_data": self.load_data,
            "output": self.output,
            "select": {column: list(values) for column, values in self.select},
            "channels": list(self.channels),
            "format": self.format,
            **self.processing,
        }

    @property
    def title(self) -> str:
        """A short name for the run: the table's own, in the characters that run names may have."""
        return run_title(PurePosixPath(self.load_data).name.partition(".")[0], otherwise="images")
