"""An image set and the one state it ends in."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import PurePosixPath

# Where each column of plan.csv is found among CellProfiler's metadata, the Cell Painting Gallery's name first.
WELL_ROW_AND_COLUMN = (("Metadata_WellRow", "Metadata_WellCol"), ("Metadata_Row", "Metadata_Col"))


class State(StrEnum):
    """The states that an image set can end in; they add up to the plan."""

    DONE = "done"
    NO_CELLS = "no_cells"
    INPUT_MISSING = "input_missing"
    INPUT_DAMAGED = "input_damaged"
    QUARANTINED = "quarantined"
    FAILED = "failed"
    NOT_RUN = "not_run"

    @property
    def is_success(self) -> bool:
        """Whether nothing is left to do: an empty well that was measured is a result."""
        return self in (State.DONE, State.NO_CELLS)


class Cause(StrEnum):
    """Why an image set is not done; what `cpb redrive --cause` goes by."""

    INPUT_MISSING = "input_missing"
    INPUT_DAMAGED = "input_damaged"
    PIPELINE_ERROR = "pipeline_error"
    TIMEOUT = "timeout"
    OUT_OF_MEMORY = "out_of_memory"
    STORAGE_UNAVAILABLE = "storage_unavailable"
    MACHINE_LOST = "machine_lost"
    BLOCKED = "blocked"
    BUDGET = "budget"
    NOT_RUN = "not_run"

    @property
    def is_worth_retrying(self) -> bool:
        """Whether the same image set, sent again with nothing corrected, may well succeed."""
        return self not in NEEDS_CORRECTION


NEEDS_CORRECTION = (Cause.INPUT_MISSING, Cause.INPUT_DAMAGED, Cause.PIPELINE_ERROR, Cause.BLOCKED, Cause.BUDGET)


@dataclass(frozen=True)
class ImageSet:
    """One row of plan.csv. `number` counts from 1 within the shard; `folder` is where its results go, below the
    request's output; the rest is text, as named.
    """

    shard: int
    number: int
    folder: str = ""
    source: str = ""
    batch: str = ""
    plate: str = ""
    well: str = ""
    site: str = ""
    files: str = ""

    @classmethod
    def of(
        cls, shard: int, number: int, metadata: Mapping[str, str], files: Sequence[str], *, folder: str = ""
    ) -> "ImageSet":
        """Name an image set by its metadata; `files` are its images' keys."""
        return cls(
            shard=shard,
            number=number,
            folder=folder,
            source=metadata.get("Metadata_Source", ""),
            batch=metadata.get("Metadata_Batch", ""),
            plate=metadata.get("Metadata_Plate", ""),
            well=metadata.get("Metadata_Well", "") or _well_of_row_and_column(metadata),
            site=metadata.get("Metadata_Site", ""),
            files=" | ".join(files),
        )

    @property
    def label(self) -> str:
        """What a person calls it: plate, well and site, else its first file."""
        named = "-".join(part for part in (self.plate, self.well, self.site) if part)
        return named or PurePosixPath(self.files.split(" | ")[0]).name or f"image set {self.number}"


@dataclass(frozen=True)
class Outcome:
    """One row of ledger.csv: an image set, its state and, unless it is done, the cause and the reason."""

    image_set: ImageSet
    state: State
    reason: str = ""
    cause: Cause | None = None


def _well_of_row_and_column(metadata: Mapping[str, str]) -> str:
    for row, column in WELL_ROW_AND_COLUMN:
        if metadata.get(row) and metadata.get(column):
            return metadata[row] + metadata[column].zfill(2)
    return ""
