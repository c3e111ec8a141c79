"""One group of image sets, its images on this machine, ready to be told to CellProfiler."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from cellpainting.cellprofiler.driver import Task
from cellpainting.cellprofiler.inputs import Input
from cellpainting.cellprofiler.report import ReportedImageSet
from cellpainting.errors import CellProfilerFailed
from cellpainting.ledger import Cause, ImageSet, Outcome, State, StoredFile
from cellpainting.load_data import LoadData
from cellpainting.load_data.write_csv import write_csv
from cellpainting.planning import Group


@dataclass(frozen=True)
class PlacedGroup:
    """A group with its inputs, by place. `images` is the folder of a plain folder, or where all images lie."""

    shard: int
    group: Group
    table: LoadData
    image_sets: tuple[ImageSet, ...]
    inputs: Mapping[str, Input]
    images: Path
    scratch: Path

    @property
    def is_folder(self) -> bool:
        """Whether only CellProfiler can tell which image sets there are."""
        return not self.group.rows

    @property
    def stored(self) -> tuple[StoredFile, ...]:
        """What is there of its inputs, for the manifest."""
        return tuple(item.stored for item in self.inputs.values() if item.stored)

    @property
    def places(self) -> dict[Path, str]:
        """The place of each local file."""
        return {item.path: place for place, item in self.inputs.items() if not item.missing}

    @property
    def damaged(self) -> dict[Path, str]:
        """The files that are damaged, each with what is wrong with it."""
        return {item.path: item.damage for item in self.inputs.values() if item.damage}

    def unusable(self) -> dict[int, Outcome]:
        """The image sets with a missing or damaged file, by number."""
        found = (self._without_input(*pair) for pair in zip(self.image_sets, self.group.rows, strict=True))
        return {outcome.image_set.number: outcome for outcome in found if outcome}

    def _without_input(self, image_set: ImageSet, row: tuple[str, ...]) -> Outcome | None:
        used = [self.inputs[place] for place in self.table.images(row)]
        for item in used:
            if item.missing:
                return Outcome(image_set, State.INPUT_MISSING, item.missing, Cause.INPUT_MISSING)
        for item in used:
            if item.damage:
                return _damaged(image_set, item.path, item.damage)
        return None

    def task(self, attempt: int, left_out: Collection[int]) -> Task:
        """The next run of this group, without the image sets of these numbers."""
        folder = self.scratch / str(attempt)
        output, temporary = folder / "output", folder / "temporary"
        for made in (output, temporary):
            made.mkdir(parents=True)
        if self.is_folder:
            return Task(output, temporary, self.images, damaged=frozenset(self.damaged), left_out=frozenset(left_out))
        rows = tuple(
            row
            for image_set, row in zip(self.image_sets, self.group.rows, strict=True)
            if image_set.number not in left_out
        )
        table = LoadData(self.table.columns, rows)
        paths = {place: item.path for place, item in self.inputs.items()}
        used = dict.fromkeys(str(paths[place]) for row in rows for place in table.images(row))
        load_data, file_list = folder / "load_data.csv", folder / "files.txt"
        load_data.write_text(write_csv(table, paths), encoding="utf-8")
        file_list.write_text("\n".join(used), encoding="utf-8")
        types = {column.name: column.type.value for column in table.columns if not column.is_image}
        return Task(output, temporary, self.images, load_data, types, file_list)

    def number_image_sets(
        self, reported: Collection[ReportedImageSet], left_out: Collection[int]
    ) -> dict[int, ImageSet]:
        """Which image set of the plan each of CellProfiler's numbers is, by its files.

        Raises
        ------
        CellProfilerFailed
            If CellProfiler found one that is not planned, or not all that are.
        """
        if self.is_folder:
            return {item.number: self._found(item) for item in reported}
        planned: dict[frozenset[Path], list[ImageSet]] = {}
        for image_set, row in zip(self.image_sets, self.group.rows, strict=True):
            if image_set.number not in left_out:
                files = frozenset(self.inputs[place].path for place in self.table.images(row))
                planned.setdefault(files, []).append(image_set)
        numbers = {item.number: _taken(item, planned) for item in reported}
        if missing := [image_set.label for image_sets in planned.values() for image_set in image_sets]:
            raise CellProfilerFailed(
                f"CellProfiler does not find {len(missing)} of the planned image sets, such as {missing[0]}; "
                "the pipeline's own input modules leave them out"
            )
        return numbers

    def damaged_in_folder(self, reported: Collection[ReportedImageSet]) -> dict[int, Outcome]:
        """The image sets of a plain folder that have a damaged file."""
        found: dict[int, Outcome] = {}
        for item in reported:
            for file in sorted(item.files & self.damaged.keys()):
                found.setdefault(item.number, _damaged(self._found(item), file, self.damaged[file]))
        return found

    def _found(self, item: ReportedImageSet) -> ImageSet:
        places = self.places
        keys = sorted(places.get(file, str(file)) for file in item.files)
        return ImageSet.of(self.shard, item.number, item.metadata, keys, folder=self.group.folder)


def _damaged(image_set: ImageSet, path: Path, damage: str) -> Outcome:
    """The outcome of an image set with a damaged file."""
    return Outcome(image_set, State.INPUT_DAMAGED, f"{path.name}: {damage}", Cause.INPUT_DAMAGED)


def _taken(item: ReportedImageSet, planned: dict[frozenset[Path], list[ImageSet]]) -> ImageSet:
    """Image sets of the same files stand in the order of the plan, as CellProfiler numbers them."""
    same_files = planned.get(item.files)
    if not same_files:
        names = ", ".join(sorted(path.name for path in item.files))
        raise CellProfilerFailed(f"CellProfiler finds an image set that is not planned, of the files {names}")
    image_set = same_files.pop(0)
    if not same_files:
        del planned[item.files]
    return image_set
