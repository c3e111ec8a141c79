"""Which CSVs belong together: those in one folder, beside the CSV that lists its image sets."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from cellpainting.backend.ingest_config import FileNames
from cellpainting.backend.names import COMBINED, EXPERIMENT, IMAGE
from cellpainting.storage import StoredObject

CSV = ".csv"


@dataclass(frozen=True)
class CsvSet:
    """The CSVs of one folder, which is one run of CellProfiler's export. `image` is None where it is missing.

    `tables` are the CSVs of objects by the name of their table; `combined` has several such tables side by side;
    `surplus` have the name of another one but for its case; their tables are told.
    """

    folder: str
    image: StoredObject | None
    tables: Mapping[str, StoredObject]
    combined: StoredObject | None
    experiment: StoredObject | None
    surplus: Mapping[StoredObject, str] = field(default_factory=dict)

    @property
    def files(self) -> tuple[StoredObject, ...]:
        """All of them, the one of image sets first."""
        others = (self.combined, self.experiment, *self.surplus)
        return tuple(file for file in (self.image, *self.tables.values(), *others) if file is not None)

    @property
    def size(self) -> int:
        """Bytes of all of them."""
        return sum(file.size for file in self.files)


def find_csv_sets(files: Iterable[StoredObject], names: FileNames, compartments: tuple[str, ...]) -> list[CsvSet]:
    """Sort CSVs into sets, by folder. With `compartments`, other tables of objects are left out.

    A folder whose only CSV of image sets has a prefix (`MyExpt_Image.csv`, as CellProfiler names it by default) is
    read as if none of its files had.
    """
    folders: dict[str, list[StoredObject]] = defaultdict(list)
    for file in files:
        if file.key.casefold().endswith(CSV):
            folders[str(PurePosixPath(file.key).parent)].append(file)
    wanted = frozenset(map(table_name, compartments))
    return [_csv_set(folder, folders[folder], names, wanted) for folder in sorted(folders)]


def table_name(stem: str) -> str:
    """The table of a CSV, as cytominer-database names it: only its first letter is a capital."""
    return stem.capitalize()


def _csv_set(folder: str, files: list[StoredObject], names: FileNames, wanted: frozenset[str]) -> CsvSet:
    prefix = _prefix([PurePosixPath(file.key).name for file in files], names.image)
    special = {
        names.image.casefold(): IMAGE,
        names.object.casefold(): COMBINED,
        names.experiment.casefold(): EXPERIMENT,
    }
    named: dict[str, StoredObject] = {}
    surplus = {}
    for file in sorted(files, key=lambda file: file.key):
        name = PurePosixPath(file.key).name.removeprefix(prefix).casefold()
        table = special.get(name, table_name(name[: -len(CSV)]))
        if name not in special and wanted and table not in wanted:
            continue
        if named.setdefault(name, file) is not file:
            surplus[file] = table
    image, combined, experiment = (named.pop(name, None) for name in special)
    tables = {table_name(name[: -len(CSV)]): file for name, file in sorted(named.items())}
    return CsvSet(folder, image, tables, combined, experiment, surplus)


def _prefix(found: list[str], image: str) -> str:
    """What stands before the name of the CSV of image sets, if all files of the folder begin with it."""
    if any(name.casefold() == image.casefold() for name in found):
        return ""
    prefixes = [name[: -len(image)] for name in found if name.casefold().endswith("_" + image.casefold())]
    if len(prefixes) != 1 or not all(name.startswith(prefixes[0]) for name in found):
        return ""
    return prefixes[0]
