"""One row per well, or per site: cells aggregated, image sets and objects counted, as pycytominer's collate has it.

Unlike there, a well without a cell keeps its row: its counts are 0, and its features are missing.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from cellpainting.backend.aggregate import OPERATIONS, Aggregator, Grouping, total
from cellpainting.backend.batch_record import ImageKey
from cellpainting.backend.image_index import IndexedImage
from cellpainting.backend.names import COUNT, IMAGE, PLATE, SITE, WELL
from cellpainting.backend.table import Table, in_order
from cellpainting.jobs.build_backend import Aggregate

# Of the measurements of whole images, the categories that collate puts into profiles.
IMAGE_CATEGORIES = ("Granularity", "Texture", "ImageQuality", "Threshold")
Counts = NDArray[np.int64]
SITE_COUNT, OBJECT_COUNT = "Metadata_Site_Count", "Metadata_Object_Count"
EVERYTHING = slice(None)
ROWS_AT_A_TIME = 384
OBJECTS = "Cells"  # what Metadata_Object_Count counts, where there are any


@dataclass(frozen=True)
class Level:
    """What a profile has a row for."""

    names: tuple[str, ...]

    def grouping(self, images: Mapping[ImageKey, IndexedImage]) -> Grouping:
        """The groups of the image sets of a plate."""
        return Grouping.of({key: self._place(image) for key, image in images.items()})

    def _place(self, image: IndexedImage) -> tuple[str, ...]:
        named = {PLATE: image.plate, WELL: image.well, SITE: image.site}
        return tuple(named[name] for name in self.names)


WELLS = Level((PLATE, WELL))
SITES = Level((PLATE, WELL, SITE))


class ProfileBuilder:
    """Aggregates the tables of a plate, one after the other, and puts the profile together."""

    def __init__(
        self,
        level: Level,
        images: Mapping[ImageKey, IndexedImage],
        counts: Mapping[ImageKey, Mapping[str, int]],
        how: Aggregate,
        image_categories: tuple[str, ...] = IMAGE_CATEGORIES,
    ) -> None:
        self._level, self._images, self._counts = level, images, counts
        self._image_categories = image_categories
        self._grouping = level.grouping(images)
        self._operation = OPERATIONS[how]
        self._tables: dict[str, list[Aggregator]] = {}

    def begin(self, table: Table) -> None:
        """Expect the rows of a table."""
        counts = {key: self._counts[key].get(table.name, 0) for key in self._images}
        if table.name == IMAGE:
            counted = sorted(name for name in table.features if name.startswith(COUNT))
            measured = sorted(
                (name for name in table.features if name.startswith(self._image_categories)), key=_image_feature
            )
            wanted = [(counted, total), (measured, self._operation)]
        else:
            wanted = [(list(table.features), self._operation)]
        self._tables[table.name] = [
            Aggregator(self._grouping, features, counts, operation) for features, operation in wanted
        ]

    def take(self, table: Table, rows: pl.DataFrame) -> None:
        """Take some rows of a table that has begun."""
        for aggregator in self._tables[table.name]:
            aggregator.take(rows)

    def end(self, table: Table, folder: Path) -> None:
        """Put what was aggregated of a table aside, if it is much."""
        for number, aggregator in enumerate(self._tables[table.name] if self._level is SITES else ()):
            aggregator.spill(folder / f"sites-{table.name}-{number}.npy")

    def profile(self, rows: slice = EVERYTHING) -> pl.DataFrame:
        """The profile, or some of its rows: metadata, then features of images, then those of each compartment."""
        compartments = in_order(name for name in self._tables if name != IMAGE)
        counted, measured = self._tables[IMAGE]
        parts = [self._names()[rows]]
        if self._level is WELLS:
            parts.append(pl.DataFrame({SITE_COUNT: self._sites()[rows]}))
        parts.append(_frame([f"Metadata_{name}" for name in counted.features], counted, rows))
        parts.append(pl.DataFrame({OBJECT_COUNT: self._objects(compartments)[rows]}))
        parts.append(_frame([_image_feature(name) for name in measured.features], measured, rows))
        parts += [_frame(one.features, one, rows) for name in compartments for one in self._tables[name]]
        return pl.concat(parts, how="horizontal")

    def slices(self) -> Iterator[pl.DataFrame]:
        """The profile, some rows at a time: that by site has 200 MB at 3,456 sites."""
        for start in range(0, max(len(self._grouping.keys), 1), ROWS_AT_A_TIME):
            yield self.profile(slice(start, start + ROWS_AT_A_TIME))

    def _names(self) -> pl.DataFrame:
        keys = [[text or None for text in row] for row in self._grouping.keys]
        return pl.DataFrame(keys, schema=dict.fromkeys(self._level.names, pl.String), orient="row")

    def _sites(self) -> Counts:
        """Image sets of each well; those without a site, where others have one, do not count, as in pycytominer."""
        has_sites = any(image.site for image in self._images.values())
        counts = {key: int(bool(image.site) or not has_sites) for key, image in self._images.items()}
        return self._grouping.totals(counts)

    def _objects(self, compartments: Sequence[str]) -> Counts:
        counted = OBJECTS if OBJECTS in compartments else next(iter(compartments), "")
        return self._grouping.totals({key: self._counts[key].get(counted, 0) for key in self._images})


def _image_feature(name: str) -> str:
    return name if name.startswith(f"{IMAGE}_") else f"{IMAGE}_{name}"


def _frame(names: Sequence[str], aggregator: Aggregator, rows: slice) -> pl.DataFrame:
    return pl.DataFrame(aggregator.rows(rows), schema=list(names), orient="row", nan_to_null=True)
