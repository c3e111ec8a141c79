"""What there is of a plate to make a page of: ledgers, backend, profiles and the reports beside them."""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import PurePosixPath

from cellpainting.backend.report import REPORT as INGEST_REPORT
from cellpainting.backend.report import IngestReport
from cellpainting.errors import MissingInput
from cellpainting.jobs import Job
from cellpainting.ledger import Ledger, Manifest, Outcome
from cellpainting.ledger.plate_map import WORST_FIRST
from cellpainting.profiles.config import SUMMARY, Controls
from cellpainting.profiles.place import Place
from cellpainting.profiles.profile_report import REPORT, MakingReport, ProfileReport
from cellpainting.profiles.profiles import Profiles
from cellpainting.profiles.write_profiles import PARQUET, read_parquet
from cellpainting.quality.files import replicate_quality_file, well_quality_file
from cellpainting.quality.replicates import ReplicateQuality
from cellpainting.quality.well_quality import PlateQuality
from cellpainting.report.treatments import Naming, Treatment, treatments_of
from cellpainting.scratch import scratch_folder
from cellpainting.storage import Storage

NONE = (MissingInput, KeyError, TypeError, ValueError)  # no such report, or one of another program or version
NEGCON = "_normalized_negcon"
WHOLE = "_normalized"
SELECTED = "_normalized_feature_select"
AUGMENTED = "_augmented"


@dataclass(frozen=True)
class RunSource:
    """One run of CellProfiler."""

    bucket: Storage
    run_id: str
    job: Job
    ledger: Ledger
    manifests: tuple[Manifest, ...]


@dataclass(frozen=True)
class PlateFolders:
    """Where the results of one plate are; each is None if there are none.

    `backend` and `profiles` are folders of the plate itself, `root` the folder that `quality_control` is in.
    """

    batch: str
    plate: str
    backend: Place | None = None
    profiles: Place | None = None
    root: Place | None = None


class PlateSources:
    """All of one plate. What is not there is None, or empty."""

    def __init__(self, folders: PlateFolders, runs: tuple[RunSource, ...]) -> None:
        self.batch, self.plate = folders.batch, folders.plate
        self.backend, self._profiles, self._root = folders.backend, folders.profiles, folders.root
        self.runs = tuple(run for run in runs if any(self._is_of(one) for one in run.ledger.outcomes))

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to show."""
        return not (self.outcomes or self.ingest or self.reports)

    @cached_property
    def ingest(self) -> IngestReport | None:
        """The report on the backend."""
        if self.backend is None:
            return None
        with suppress(*NONE):
            return IngestReport.from_json(self.backend.read(f"{self.plate}{INGEST_REPORT}"))
        return None

    @cached_property
    def outcomes(self) -> tuple[Outcome, ...]:
        """Every image set once, with the worst that became of it in measuring or in the backend."""
        found: dict[tuple[str, str, str], Outcome] = {}
        for one in self._every_outcome():
            place = one.image_set.well, one.image_set.site, "" if one.image_set.site else one.image_set.files
            known = found.get(place)
            if known is None or WORST_FIRST.index(one.state) < WORST_FIRST.index(known.state):
                found[place] = one
        return tuple(found.values())

    @cached_property
    def reports(self) -> Mapping[str, ProfileReport]:
        """The reports on the plate's profiles, by what their names have after the plate's."""
        if self._profiles is None:
            return {}
        reports = {}
        for item in self._profiles.storage.list(self._profiles.prefix):
            name = PurePosixPath(item.key)
            if name.suffix == REPORT and name.stem.startswith(self.plate):
                with suppress(*NONE):
                    reports[name.stem.removeprefix(self.plate)] = ProfileReport.from_json(
                        self._profiles.storage.read(item.key)
                    )
        return {name: report for name, report in reports.items() if self._is_current(report)}

    def _is_current(self, report: ProfileReport) -> bool:
        """Whether a profile is there by the configuration, and not left from an earlier one that could be made then."""
        making = self.making
        if making is None or (self.batch, self.plate) not in making.plates:
            return True
        return report.profile in making.profiles

    @cached_property
    def making(self) -> MakingReport | None:
        """What became of the configuration that the profiles are of."""
        if self._profiles is None:
            return None
        for place in (self._profiles, self._profiles.above(2)):  # of the plate, or of a configuration
            with suppress(*NONE):
                return MakingReport.from_json(place.read(SUMMARY))
        return None

    @cached_property
    def quality(self) -> PlateQuality | None:
        """What the images of each well are like."""
        if self._root is None:
            return None
        with suppress(*NONE):
            return PlateQuality.from_json(self._root.read(well_quality_file(self.batch, self.plate)))
        return None

    @cached_property
    def selected(self) -> str | None:
        """Which selected profile is shown: one normalized to controls rather than to the whole plate."""
        names = sorted(name for name in self.reports if name.startswith(SELECTED) and "consensus" not in name)
        to_controls = [name for name in names if name.startswith(f"{SELECTED}_negcon")]
        return next(iter(to_controls or names), None)

    @cached_property
    def replicates(self) -> ReplicateQuality | None:
        """How alike the replicates are, in the selected profile that is shown."""
        if self._root is None or self.selected is None:
            return None
        names = (f"{self.batch}/{self.plate}", f"{self.batch}/{self.batch}", "all")
        for name in names:
            with suppress(*NONE):
                return ReplicateQuality.from_json(self._root.read(replicate_quality_file(f"{name}{self.selected}")))
        return None

    def profile(self, name: str) -> Profiles | None:
        """One of the plate's profiles, by what its name has after the plate's."""
        if self._profiles is None or name not in self.reports:
            return None
        with scratch_folder() as scratch:
            return read_parquet(self._profiles.local(f"{self.plate}{name}.{PARQUET}", scratch))

    @cached_property
    def annotated(self) -> Profiles | None:
        """The profile with the platemap's columns, or without them."""
        return self.profile(AUGMENTED) or self.profile("")

    @cached_property
    def naming(self) -> Naming:
        """The columns that say what is in a well, as the profiles were made by them."""
        report = self.reports.get(AUGMENTED)
        controls = report.findings.settings.get("controls") if report else None
        treatment = self.replicates.treatment_column if self.replicates else None
        if controls is None:
            return Naming(treatment)
        return Naming(treatment, Controls(controls["column"], tuple(controls["negative"])))

    @cached_property
    def treatments(self) -> Mapping[str, Treatment]:
        """What is in each well."""
        return treatments_of(self.annotated, self.naming)

    @cached_property
    def normalized(self) -> Profiles | None:
        """The profile normalized to controls, or to the whole plate."""
        return self.profile(NEGCON) or self.profile(WHOLE)

    def _every_outcome(self) -> Iterator[Outcome]:
        for run in self.runs:
            yield from (one for one in run.ledger.outcomes if self._is_of(one))
        yield from self.ingest.outcomes if self.ingest else ()

    def _is_of(self, outcome: Outcome) -> bool:
        return outcome.image_set.plate == self.plate
