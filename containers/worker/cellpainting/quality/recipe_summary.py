"""profiling-recipe's `quality_control/summary/summary.tsv`: how many wells, sites and images each plate has."""

import csv
import io
from collections.abc import Iterable
from dataclasses import dataclass

import pandas as pd

from cellpainting.errors import InvalidRequest, InvalidTable, NoImageSets
from cellpainting.profiles.text_table import TAB, read_text_table

COLUMNS = (
    "Batch_Name",
    "Plate_Name",
    "Well_Count",
    "Images_per_site",
    "Sites_per_well_Median",
    "Sites_per_well_mad",
)
IMAGE_FILE = "FileName"  # what columns with the name of an image begin with


@dataclass(frozen=True)
class PlateSummary:
    """One plate. `sites_median` and `sites_deviation`, the mean absolute deviation, are of the sites of its wells."""

    batch: str
    plate: str
    wells: int
    images_per_site: int
    sites_median: float
    sites_deviation: float

    @property
    def row(self) -> tuple[str, ...]:
        """The row as the recipe writes it; a median between two numbers of sites is not cut to the lower one."""
        numbers = (str(self.wells), str(self.images_per_site), f"{self.sites_median:g}", f"{self.sites_deviation:.3f}")
        return (self.batch, self.plate, *numbers)


def plate_summary(batch: str, plate: str, load_data: pd.DataFrame, columns: tuple[str, str]) -> PlateSummary:
    """Count what a plate's load data has.

    Source: profiling-recipe, whose deviation is that of pandas before 2.0: the mean absolute one, about the mean.

    Parameters
    ----------
    load_data
        load_data.csv as it is, a row per image set.
    columns
        Those that have the row and the column of a well, such as Metadata_Row and Metadata_Col.

    Raises
    ------
    InvalidRequest
        If there is no such column.
    NoImageSets
        If no row has a value in both.
    """
    for column in columns:
        if column not in load_data:
            raise InvalidRequest(
                f"there is no column {column!r} in the load data of plate {plate}, which has "
                f"{', '.join(load_data)}; correct the names of row and column of the summary"
            )
    sites = load_data.groupby(list(columns)).size()
    if sites.empty:
        raise NoImageSets(
            f"no row of the load data of plate {plate} has a value in {' and '.join(columns)}; give load data with a "
            "row per image set"
        )
    return PlateSummary(
        batch,
        plate,
        wells=len(sites),
        images_per_site=sum(name.startswith(IMAGE_FILE) for name in map(str, load_data.columns)),
        sites_median=float(sites.median()),
        sites_deviation=float((sites - sites.mean()).abs().mean()),
    )


def summary_tsv(summaries: Iterable[PlateSummary], existing: bytes | None = None) -> bytes:
    """The file with these plates, and those that `existing` has beside them, by batch and plate.

    Raises
    ------
    InvalidTable
        If `existing` is not such a file.
    """
    rows = {row[:2]: row for row in (_read(existing) if existing else ())}
    rows.update({one.row[:2]: one.row for one in summaries})
    text = io.StringIO(newline="")
    table = csv.writer(text, delimiter=TAB, lineterminator="\n")
    table.writerow(COLUMNS)
    table.writerows(rows[key] for key in sorted(rows))
    return text.getvalue().encode()


def _read(content: bytes) -> list[tuple[str, ...]]:
    """The rows of an older file, word by word."""
    table = read_text_table(content, "summary.tsv", TAB)
    if set(table.columns) != set(COLUMNS):
        raise InvalidTable(
            f"summary.tsv has the columns {', '.join(table.columns)} where {', '.join(COLUMNS)} are expected; move it "
            "away, and a new one is made"
        )
    return list(zip(*(table.column(name) for name in COLUMNS), strict=True))
