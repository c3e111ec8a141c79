"""Profiles, looked at before they are made: the configuration, and of each plate its backend and its metadata."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from cellpainting.errors import CellPaintingError, InvalidRequest, MissingInput
from cellpainting.jobs.make_profiles import MakeProfiles
from cellpainting.planning.plan_job import plan_job
from cellpainting.preflight.files import WORKERS, Tell
from cellpainting.preflight.finding import Finding, Severity
from cellpainting.preflight.groups import NearMiss
from cellpainting.preflight.outlook import Outlook
from cellpainting.profiles.aggregate_plate import PlateBackend
from cellpainting.profiles.annotate import Treatments, annotate
from cellpainting.profiles.config import ProfilingConfig
from cellpainting.profiles.layout import Places
from cellpainting.profiles.make_profiles import require_separate_folders
from cellpainting.profiles.names import PLATE, WELL
from cellpainting.profiles.plate_steps import given_profile, require_controls
from cellpainting.profiles.platemap import read_external_metadata, read_platemap
from cellpainting.profiles.profiles import Profiles
from cellpainting.profiles.request import open_request
from cellpainting.scratch import scratch_folder
from cellpainting.storage import Storage, StoredObject


@dataclass(frozen=True)
class PlateLook:
    """What a look at one plate brought: the files with its measurements, and what is wrong, if anything.

    `is_usable` is whether profiles of it could be made all the same.
    """

    name: str
    files: tuple[StoredObject, ...] = ()
    problem: CellPaintingError | None = None
    is_usable: bool = True


def look_at_platemap(job: MakeProfiles, storage: Storage) -> list[Finding]:
    """What is wrong with the platemap and the treatments of a plate that has no measurements yet."""
    try:
        plates = Plates.of(job, storage)
    except (InvalidRequest, MissingInput) as error:
        return [Finding.of_error(job.wanted.name, error)]
    return findings_of(
        [plates.look_at_metadata(PlateLook(f"{batch}/{plate}"), batch, plate) for batch, plate in plates.names]
    )


class ProfilesInspection:
    """The steps of the preflight of a `make_profiles` request. No table of measurements is read."""

    def __init__(self, job: MakeProfiles, storage: Storage, tell: Tell) -> None:
        self._job = job
        self._storage = storage
        self._tell = tell
        self.findings: list[Finding] = []
        self.near_misses: tuple[NearMiss, ...] = ()

    @property
    def is_hopeless(self) -> bool:
        """Whether an error stops the whole run."""
        return any(finding.stops_all for finding in self.findings)

    def at_everything(self) -> Outlook:
        """Do all steps; the plates are counted as the ledger counts them, in place of image sets."""
        try:
            plates = Plates.of(self._job, self._storage)
        except (InvalidRequest, MissingInput) as error:
            self.findings.append(Finding.of_error(self._job.wanted.name, error))
            return Outlook()
        looks = self._look_at(plates)
        self.findings += findings_of(looks)
        if self.is_hopeless:
            return Outlook()
        stored = {file.key: file for look in looks for file in look.files}
        return replace(Outlook.of(self._job, plan_job(self._job, self._storage), stored), image_sets=len(looks))

    def _look_at(self, plates: "Plates") -> list[PlateLook]:
        looks = []
        with scratch_folder() as scratch, ThreadPoolExecutor(WORKERS) as workers:
            for look in workers.map(lambda name: plates.look_at(scratch, *name), plates.names):
                looks.append(look)
                self._tell(len(looks), len(plates.names))
        return looks


@dataclass(frozen=True)
class Plates:
    """What is asked for of which plates, with the table of treatments that they share, if there is one."""

    config: ProfilingConfig
    places: Places
    treatments: Treatments | None

    @classmethod
    def of(cls, job: MakeProfiles, storage: Storage) -> "Plates":
        """Read what all plates have in common.

        Raises
        ------
        MissingInput, InvalidRequest
            If configuration or external metadata are not there, or cannot be used.
        """
        config, places = open_request(job.wanted, storage)
        require_separate_folders(config, places)
        external = config.annotate.external if config.annotate else None
        if external is None:
            return cls(config, places, None)
        file = places.layout.treatments(external.file)
        rows = read_external_metadata(file.read(), file.uri, external.merge_column)
        return cls(config, places, Treatments(file.uri, rows, external.merge_column))

    @property
    def names(self) -> list[tuple[str, str]]:
        """Batch and plate of each."""
        return [(batch.name, plate) for batch in self.config.batches for plate in batch.plates]

    def look_at(self, scratch: Path, batch: str, plate: str) -> PlateLook:
        """Whether a plate has measurements, a platemap and, where they are asked for, negative controls."""
        look = PlateLook(f"{batch}/{plate}")
        try:
            look = replace(look, files=self._measurements(batch, plate, scratch))
        except (InvalidRequest, MissingInput) as error:
            return replace(look, problem=error, is_usable=False)
        return self.look_at_metadata(look, batch, plate)

    def look_at_metadata(self, look: PlateLook, batch: str, plate: str) -> PlateLook:
        """Whether a plate has a platemap and, where they are asked for, negative controls."""
        try:
            wells = self._platemap_wells(batch, plate) if self.config.annotate else None
        except (InvalidRequest, MissingInput) as error:
            return replace(look, problem=error, is_usable=False)
        try:
            if wells and self.config.normalize_negcon:
                require_controls(plate, wells, self.config.controls)
        except InvalidRequest as error:
            return replace(look, problem=error, is_usable=self.config.normalize is not None)
        return look

    def _measurements(self, batch: str, plate: str, scratch: Path) -> tuple[StoredObject, ...]:
        if self.config.aggregate is None:
            output = self.places.output
            return (output.storage.stat(output.key(given_profile(self.config, batch, plate))),)
        backend = PlateBackend(self.places.backend, f"{batch}/{plate}", plate, scratch)
        return tuple(backend.files(self.config.aggregate))

    def _platemap_wells(self, batch: str, plate: str) -> Profiles:
        """The wells of a platemap, with its columns and those of external metadata, as profiles without a feature."""
        file = self.places.layout.platemap_of(batch, plate)
        platemap = read_platemap(file.read(), file.uri, self.config.platemap_well_column)
        wells = list(platemap.wells[platemap.well_column])
        metadata = pd.DataFrame({PLATE: [plate] * len(wells), WELL: wells})
        profiles = Profiles(metadata, np.empty((len(wells), 0)), ())
        return annotate(profiles, platemap, self.treatments, drop_unmatched=False)[0]


def findings_of(looks: Sequence[PlateLook]) -> list[Finding]:
    """What is wrong with plates: warnings while profiles of one could be made, since the others are then left out."""
    severity = Severity.WARNING if any(look.is_usable for look in looks) else Severity.ERROR
    return [replace(Finding.of_error(look.name, look.problem), severity=severity) for look in looks if look.problem]
