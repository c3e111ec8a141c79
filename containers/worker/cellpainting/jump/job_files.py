"""From the data set of all load data to a job file and a request for each plate that something is wanted of.

<folder>/<source>__<batch>__<plate>.parquet   load data of the image sets that are wanted
<folder>/<source>__<batch>__<plate>.json      the request for them
<folder>/requests.json                        all requests in one list
<folder>/selection.json                       what was asked for, what was chosen, and what is nowhere
"""

import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from cellpainting.errors import InvalidRequest
from cellpainting.jobs import DownloadImages
from cellpainting.jump.load_data import NOT_IN_NAMES
from cellpainting.jump.metadata import PERT_TYPE
from cellpainting.jump.selection import NOT_KNOWN, choose, is_bad, read_known_bad
from cellpainting.jump.selection_config import FILTERS, Selection
from cellpainting.jump.tables import BATCH, PLATE, PLATE_TYPE, SOURCE, WELL

PLATES_AT_ONCE = 50  # of the largest, some 250 MB in memory
ASKED_PER_SOURCE = 8  # image sets whose files are asked for their size
SUMMARY, REQUESTS = "selection.json", "requests.json"
KIND = (SOURCE, PLATE_TYPE, PERT_TYPE)

Tell = Callable[[int, int], None]  # plates looked at, of how many


@dataclass(frozen=True)
class Count:
    """What is chosen of one source, plate type and control type, and how many sites there are."""

    source: str
    plate_type: str
    control_type: str
    plates: int
    wells: int
    sites: int
    sites_there: int


@dataclass(frozen=True)
class Choice:
    """All that was chosen: job files by name, counts, and sites left out since they are known to be bad.

    `files` counts their images by source, as the images of some image sets, `asked`, let expect; these are all there
    are where there are few. `unmatched` has, by filter, the values that no image set has.
    """

    jobs: tuple[str, ...]
    counts: tuple[Count, ...]
    known_bad: int
    files: Mapping[str, int]
    asked: Mapping[str, Sequence[str]]
    unmatched: Mapping[str, Sequence[str]]


class JobWriter:
    """Writes the job files of a selection into a folder, in place of those of an earlier one."""

    def __init__(self, data_set: Path, folder: Path, selection: Selection) -> None:
        self._folder, self._selection = folder, selection
        self._files = sorted(data_set.glob(f"{SOURCE}=*/*.parquet"))
        if not self._files:
            raise InvalidRequest(f"{data_set} has no {SOURCE}=*/*.parquet; make it with 'cpb jump load-data'")
        self._bad = read_known_bad(selection.known_bad)
        self._random = np.random.default_rng(selection.seed)
        self._jobs: dict[str, dict[str, Any]] = {}
        self._counts: list[pl.DataFrame] = []
        self._candidates: dict[str, list[list[str]]] = {}
        self._found: dict[str, set[str]] = {name: set() for name in FILTERS}
        self._known_bad = 0

    def write(self, tell: Tell) -> Choice:
        """Do all plates; what is chosen.

        Raises
        ------
        InvalidRequest
            If a plate's file is none of the data set's.
        """
        self._folder.mkdir(parents=True, exist_ok=True)
        for start in range(0, len(self._files), PLATES_AT_ONCE):
            self._do(self._files[start : start + PLATES_AT_ONCE])
            tell(min(start + PLATES_AT_ONCE, len(self._files)), len(self._files))
        counts = _summed(self._counts)
        asked = {source: self._some(candidates) for source, candidates in self._candidates.items()}
        choice = Choice(
            jobs=tuple(sorted(self._jobs)),
            counts=counts,
            known_bad=self._known_bad,
            files=_count_files(asked, counts),
            asked={source: [place for places in some for place in places] for source, some in asked.items()},
            unmatched=self._unmatched(),
        )
        self._delete_earlier()
        self._write_json(REQUESTS, [self._jobs[name] for name in choice.jobs])
        self._write_json(SUMMARY, {"asked_for": _document(self._selection), "chosen": asdict(choice)})
        return choice

    def _do(self, files: list[Path]) -> None:
        try:
            frame = pl.read_parquet(files, hive_partitioning=True).with_columns(pl.col(SOURCE).cast(pl.String))
            chosen = choose(frame, self._selection, self._bad)
        except pl.exceptions.PolarsError as error:
            raise InvalidRequest(f"{files[0].parent}: {error}; make the data set again") from error
        self._known_bad += int(is_bad(frame, self._bad).sum())
        self._counts.append(_counted(frame, chosen))
        for name, columns in FILTERS.items():
            wanted = {*self._selection.keep.get(name, ()), *self._selection.leave_out.get(name, ())}
            for column in columns:
                self._found[name] |= wanted.intersection(frame[column].unique())
        for plate in chosen.partition_by(SOURCE, BATCH, PLATE, maintain_order=True):
            self._write_plate(plate)
        for (source,), members in chosen.partition_by(SOURCE, as_dict=True).items():
            some = members.sample(min(ASKED_PER_SOURCE, len(members)), seed=self._selection.seed)
            job = self._selection.job("plate")
            self._candidates.setdefault(str(source), []).extend(_places(job, row) for row in some.iter_rows(named=True))

    def _write_plate(self, plate: pl.DataFrame) -> None:
        row = plate.row(0, named=True)
        name = NOT_IN_NAMES.sub("_", "__".join(row[column] for column in (SOURCE, BATCH, PLATE)))
        partial = self._folder / f".{name}.partial"
        plate.select(SOURCE, pl.exclude(SOURCE)).write_parquet(partial)
        partial.replace(self._folder / f"{name}.parquet")
        self._jobs[name] = self._selection.document(name)
        self._write_json(f"{name}.json", self._jobs[name])

    def _some(self, candidates: Sequence[list[str]]) -> list[list[str]]:
        order = self._random.permutation(len(candidates))[:ASKED_PER_SOURCE]
        return [candidates[number] for number in sorted(order)]

    def _unmatched(self) -> dict[str, list[str]]:
        sections = {"keep": self._selection.keep, "leave_out": self._selection.leave_out}
        missing = {
            f"{section}.{name}": [value for value in values if value not in self._found[name]]
            for section, filters in sections.items()
            for name, values in filters.items()
        }
        return {where: values for where, values in missing.items() if values}

    def _delete_earlier(self) -> None:
        """Delete the job files of an earlier selection that are not of this one: they would be downloaded, too."""
        with suppress(FileNotFoundError):
            earlier = json.loads((self._folder / SUMMARY).read_text(encoding="utf-8"))["chosen"]["jobs"]
            for name in set(earlier) - self._jobs.keys():
                (self._folder / f"{name}.parquet").unlink(missing_ok=True)
                (self._folder / f"{name}.json").unlink(missing_ok=True)

    def _write_json(self, name: str, document: Any) -> None:
        partial = self._folder / f".{name}.partial"
        partial.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
        partial.replace(self._folder / name)


def _counted(frame: pl.DataFrame, chosen: pl.DataFrame) -> pl.DataFrame:
    """Chosen and all sites of each plate, by kind of well."""
    keys = (*KIND, BATCH, PLATE)
    there = _known(frame).group_by(keys).agg(pl.len().alias("sites_there"))
    taken = _known(chosen).group_by(keys).agg(pl.len().alias("sites"), pl.col(WELL).n_unique().alias("wells"))
    return there.join(taken, on=keys, how="left").with_columns(pl.col("sites", "wells").fill_null(0))


def _known(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.with_columns(pl.col(PLATE_TYPE, PERT_TYPE).fill_null(NOT_KNOWN))


def _summed(frames: Sequence[pl.DataFrame]) -> tuple[Count, ...]:
    plates = (pl.col("sites") > 0).sum().alias("plates")
    summed = pl.concat(frames).group_by(KIND).agg(plates, pl.col("wells", "sites", "sites_there").sum()).sort(KIND)
    return tuple(Count(*row) for row in summed.iter_rows())


def _count_files(asked: Mapping[str, Sequence[Sequence[str]]], counts: Sequence[Count]) -> dict[str, int]:
    """Images of each source: image sets, times the images that those that were looked at have."""
    return {
        source: round(
            sum(count.sites for count in counts if count.source == source) * sum(map(len, places)) / len(places)
        )
        for source, places in asked.items()
    }


def _places(job: DownloadImages, row: Mapping[str, Any]) -> list[str]:
    """The files of one image set."""
    channels = job.channels or tuple(
        name.removeprefix("FileName_Orig") for name in row if name.startswith("FileName_Orig")
    )
    named = [(row[f"PathName_Orig{channel}"], row[f"FileName_Orig{channel}"]) for channel in channels]
    return [folder + name for folder, name in named if folder and name]


def _document(selection: Selection) -> dict[str, Any]:
    return {**asdict(selection), "known_bad": list(map(str, selection.known_bad))}
