"""Fields of view, looked at before they are decoded: the recipe's text, the experiment's files, whether tiles exist.

And before they are merged: whether they are there.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor

from cellpainting.errors import CellPaintingError, InvalidRequest, MissingInput
from cellpainting.jobs import DecodeFovs, MergeFovs
from cellpainting.planning.plan_fovs import open_experiment
from cellpainting.planning.plan_job import plan_job
from cellpainting.planning.spacetx import Experiment, tiles
from cellpainting.preflight.files import WORKERS, Stored, Tell, stat_files
from cellpainting.preflight.finding import Finding, Severity
from cellpainting.preflight.groups import NearMiss
from cellpainting.preflight.outlook import Outlook
from cellpainting.starfish.decoded_fields import find_decoded
from cellpainting.starfish.recipe import read_form
from cellpainting.storage import Storage

Tiles = dict[str, tuple[int, ...]]  # the place of each tile, and the numbers of the fields of view that it is of


class FovsInspection:
    """The steps of the preflight of a `decode_fovs` request."""

    def __init__(self, job: DecodeFovs, storage: Storage, tell: Tell) -> None:
        self._job = job
        self._storage = storage
        self._tell = tell
        self._planned = 0
        self.findings: list[Finding] = []
        self.near_misses: tuple[NearMiss, ...] = ()

    @property
    def is_hopeless(self) -> bool:
        """Whether an error stops the whole run, or every field of view has one."""
        lost = {number for finding in self.findings for number in finding.image_sets or ()}
        return any(finding.stops_all for finding in self.findings) or len(lost) == self._planned

    def at_everything(self) -> Outlook:
        """Do all steps; the fields of view are counted as the ledger counts them, in place of image sets."""
        try:
            plan = plan_job(self._job, self._storage)
        except (InvalidRequest, MissingInput) as error:
            self.findings.append(Finding.of_error(self._job.experiment, error))
            return Outlook()
        self._planned = plan.image_set_count
        try:
            read_form(self._storage.read(self._job.recipe), self._job.recipe)
        except InvalidRequest as error:
            self.findings.append(Finding.of_error(self._job.recipe, error))
        places = self._tiles(open_experiment(self._job, self._storage))
        stored = stat_files(list(places), self._storage, self._tell)
        self.findings += check_tiles(places, stored)
        return Outlook.of(self._job, plan, stored)

    def _tiles(self, experiment: Experiment) -> Tiles:
        users: dict[str, list[int]] = defaultdict(list)
        with ThreadPoolExecutor(WORKERS) as workers:
            looks = workers.map(lambda files: _places(experiment, files), experiment.fields.values())
            for number, (field, look) in enumerate(zip(experiment.fields, looks, strict=True)):
                if isinstance(look, CellPaintingError):
                    self.findings.append(_of_field(field, number, look))
                    continue
                for place in look:
                    users[place].append(number)
        return {place: tuple(numbers) for place, numbers in users.items()}


class MergeInspection:
    """The preflight of a `merge_fovs` request: whether enough fields of view are there now."""

    def __init__(self, job: MergeFovs, storage: Storage) -> None:
        self._job = job
        self._storage = storage
        self.findings: list[Finding] = []
        self.near_misses: tuple[NearMiss, ...] = ()

    @property
    def is_hopeless(self) -> bool:
        """Whether it would be refused."""
        return bool(self.findings)

    def at_everything(self) -> Outlook:
        """Look at the run that decodes them."""
        try:
            fields = find_decoded(self._storage, self._job.decoding_run)
            fields.require_enough(self._job.allow_missing)
        except (InvalidRequest, MissingInput) as error:
            self.findings.append(Finding.of_error(self._job.decoded, error))
            return Outlook()
        stored = stat_files([file.key for file in fields.files.values()], self._storage, lambda done, total: None)
        return Outlook.of(self._job, plan_job(self._job, self._storage), stored)


def check_tiles(places: Mapping[str, tuple[int, ...]], stored: Stored) -> Iterator[Finding]:
    """Tiles that are missing or empty."""
    for place, found in stored.items():
        if found is None:
            remedy = "upload it, or correct the experiment"
            yield Finding(Severity.ERROR, place, "a tile is not in the storage", remedy, places[place])
        elif not found.size:
            yield Finding(Severity.ERROR, place, "a tile has 0 bytes", "upload it again", places[place])


def _places(experiment: Experiment, files: Mapping[str, str]) -> list[str] | CellPaintingError:
    """Where the tiles of a field of view are, or what is wrong with its own files."""
    try:
        return [experiment.place(tile.name) for name in files.values() for tile in tiles(experiment.read(name))]
    except (InvalidRequest, MissingInput) as error:
        return error


def _of_field(field: str, number: int, error: CellPaintingError) -> Finding:
    found = Finding.of_error(field, error)
    return Finding(found.severity, found.subject, found.problem, found.remedy, (number,))
