"""The registry of container images, as far as the local cloud needs one: the Dockerfile of each image, by its tag."""

import shutil
from dataclasses import dataclass
from pathlib import Path

from cellpainting.errors import LocalCloudError


@dataclass(frozen=True)
class ImageStore:
    """A folder with a folder per tag, in which the Dockerfile lies below the name of its runtime."""

    folder: Path

    def add(self, tag: str, dockerfile: Path) -> None:
        """Keep what says how the containers of an image start."""
        kept = self.folder / tag / dockerfile.parent.name / dockerfile.name
        kept.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(dockerfile, kept)

    def has(self, tag: str) -> bool:
        return (self.folder / tag).is_dir()

    def dockerfile(self, image: str) -> Path:
        """The Dockerfile of an image, which is named with registry and tag.

        Raises
        ------
        LocalCloudError
            If the image was not built for this local cloud.
        """
        for found in (self.folder / image.rpartition(":")[2]).glob("*/*"):
            return found
        raise LocalCloudError(f"the image {image} is none that was deployed here; images from elsewhere cannot run")
