"""A plate's cells, or its profile if that is there already, as the first profile of all."""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import polars as pl

from cellpainting.backend.names import EXPERIMENT, IMAGE
from cellpainting.backend.profile import IMAGE_CATEGORIES, SITES, WELLS
from cellpainting.backend.read_backend import Backend, aggregate_backend, open_backend, read_images, reading
from cellpainting.backend.report import REPORT
from cellpainting.errors import DamagedTable, MissingInput
from cellpainting.jobs.build_backend import Aggregate
from cellpainting.profiles.config import AggregateStep
from cellpainting.profiles.place import Place
from cellpainting.profiles.profile_report import InputFile
from cellpainting.profiles.profiles import Profiles
from cellpainting.profiles.shelf import Source
from cellpainting.profiles.write_profiles import PARQUET, of_polars
from cellpainting.storage import FolderStorage, StoredObject

SQLITE = "sqlite"
COUNTS = "Count"  # a category of profiling-recipe: profiles have all counts, as metadata
PIECE = 1 << 20
BACKENDS = "backend"  # the folder of scratch for copies of them


class PlateBackend:
    """The backend of one plate at `<place>/<batch>/<plate>/`, as we make it or as cytominer-database does."""

    def __init__(self, place: Place, folder: str, plate: str, scratch: Path) -> None:
        self._place, self._folder, self._plate, self._scratch = place, folder, plate, scratch
        within = PurePosixPath(place.key(folder))
        files = {PurePosixPath(item.key): item for item in place.storage.list(str(within))}
        self._files = {path.name: item for path, item in files.items() if path.parent == within}
        self._tables = [
            name
            for name in self._files
            if name.endswith(f".{PARQUET}") and not name.startswith((f"{plate}.", f"{plate}_", f"{EXPERIMENT}."))
        ]
        if f"{IMAGE}.{PARQUET}" not in self._files and f"{plate}.{SQLITE}" not in self._files:
            raise MissingInput(
                f"there is no backend at {place.uri(folder)}: neither {IMAGE}.{PARQUET} nor {plate}.{SQLITE}; make it "
                "with 'cpb ingest' or a build_backend job, or leave the plate out of the configuration"
            )

    @property
    def method(self) -> Aggregate | None:
        """How the backend's own profile was aggregated; None if it has none.

        Raises
        ------
        DamagedTable
            If the backend's report does not say.
        """
        name = f"{self._plate}{REPORT}"
        if name not in self._files or f"{self._plate}.{PARQUET}" not in self._files:
            return None
        try:
            method: Aggregate = json.loads(self._place.read(f"{self._folder}/{name}"))["aggregate"]
        except (ValueError, KeyError, TypeError) as error:
            uri = self._place.uri(f"{self._folder}/{name}")
            raise DamagedTable(f"{uri} is no report of a backend ({error!r}); make the backend again") from error
        return method

    def files(self, step: AggregateStep) -> list[StoredObject]:
        """The files that a step reads."""
        return [self._files[name] for name in self._read_by(step)]

    def sources(self, step: AggregateStep) -> list[Source]:
        """The files that a step reads, as they are now."""
        return [self._source(name) for name in self._read_by(step)]

    def aggregate(self, step: AggregateStep) -> Profiles:
        """A row per well, or per site, as the step says."""
        if self._has_it(step):
            path = self._local(f"{self._plate}.{PARQUET}")
            with reading(path):
                frame = pl.read_parquet(path)
            return of_polars(frame.select(name for name in frame.columns if _is_wanted(name, step.image_categories)))
        return of_polars(
            aggregate_backend(
                self.open(),
                step.method or "mean",
                SITES if step.by_site else WELLS,
                sites=step.sites,
                image_categories=tuple(name for name in step.image_categories if name != COUNTS),
            )
        )

    def wells(self) -> list[str]:
        """All wells of which there is an image set."""
        return sorted({image.well for image in read_images(self.open_images()).values()})

    def open(self) -> Backend:
        """The tables, to read."""
        for name in self._tables if self._has_files else ():
            self._local(name)
        return self.open_images()

    def open_images(self) -> Backend:
        """The same, of which the table of image sets is sure to be there: from a bucket, no other one is fetched."""
        if self._has_files:
            return open_backend(self._local(f"{IMAGE}.{PARQUET}").parent)
        return open_backend(self._local(f"{self._plate}.{SQLITE}"))

    @property
    def _has_files(self) -> bool:
        """Whether each table is a file of its own."""
        return f"{IMAGE}.{PARQUET}" in self._files

    def _has_it(self, step: AggregateStep) -> bool:
        """Whether the backend's own profile is what the step would make."""
        is_usual = not step.sites and not step.by_site and set(step.image_categories) <= {COUNTS, *IMAGE_CATEGORIES}
        return is_usual and self.method is not None and step.method in (None, self.method)

    def _read_by(self, step: AggregateStep) -> Sequence[str]:
        if self._has_it(step):
            return [f"{self._plate}.{PARQUET}"]
        return self._tables if self._has_files else [f"{self._plate}.{SQLITE}"]

    def _source(self, name: str) -> Source:
        item: StoredObject = self._files[name]
        uri = self._place.storage.uri(item.key)
        return Source(f"{uri} {item.size} {item.etag}", lambda: InputFile(uri, item.size, _sha256(self._local(name))))

    def _local(self, name: str) -> Path:
        """A file where it is, or a copy of it, made once."""
        key = self._files[name].key
        if isinstance(self._place.storage, FolderStorage):
            return self._place.storage.path(key)
        path = self._scratch / BACKENDS / self._folder / name
        if not path.exists():
            self._place.storage.download(key, path)
        return path


def _is_wanted(name: str, image_categories: Sequence[str]) -> bool:
    return not name.startswith("Image_") or name.startswith(tuple(f"Image_{one}" for one in image_categories))


def _sha256(path: Path) -> str:
    digest: Any = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(PIECE):
            digest.update(piece)
    return str(digest.hexdigest())
