"""One request, looked at from all sides: what would run, and what would go wrong."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from cellpainting.errors import CellPaintingError
from cellpainting.jobs import DecodeFovs, MergeFovs, ProcessFovs, parse_job
from cellpainting.jobs.build_backend import BuildBackend
from cellpainting.jobs.download_images import DownloadImages
from cellpainting.jobs.make_profiles import MakeProfiles
from cellpainting.jobs.make_report import MakeReport
from cellpainting.jobs.message import Job
from cellpainting.jobs.process_plate import ProcessPlate
from cellpainting.jobs.run_cellprofiler import RunCellProfiler
from cellpainting.jobs.run_record import RunRecord
from cellpainting.preflight.backend import BackendInspection
from cellpainting.preflight.budget import check_budget
from cellpainting.preflight.download import DownloadInspection
from cellpainting.preflight.files import Tell
from cellpainting.preflight.finding import Finding, Severity
from cellpainting.preflight.fovs import FovsInspection, MergeInspection
from cellpainting.preflight.groups import NearMiss
from cellpainting.preflight.measuring import MeasuringInspection
from cellpainting.preflight.outlook import Outlook
from cellpainting.preflight.page import ReportInspection
from cellpainting.preflight.stages import StagesInspection
from cellpainting.storage.base import Storage

if TYPE_CHECKING:
    from cellpainting.preflight.profiles import ProfilesInspection


DECODING = "decoding"  # the name of a run that only preflight has


@dataclass(frozen=True)
class Preflight:
    """What a look at one request brought. `is_hopeless` is whether nothing of it could succeed."""

    run_id: str
    outlook: Outlook
    findings: tuple[Finding, ...]
    near_misses: tuple[NearMiss, ...]
    is_hopeless: bool

    @property
    def exit_status(self) -> int:
        """0 nothing but warnings, 1 a part of it would fail, 2 nothing could succeed."""
        if self.is_hopeless:
            return 2
        return 1 if any(finding.severity is Severity.ERROR for finding in self.findings) else 0


class Inspection(Protocol):
    """A look at a request of one kind."""

    findings: list[Finding]
    near_misses: tuple[NearMiss, ...]

    @property
    def is_hopeless(self) -> bool:
        """Whether nothing of it could succeed, once everything was looked at."""
        ...

    def at_everything(self) -> Outlook:
        """Do all steps; StorageUnavailable if the storage itself fails."""
        ...


def check_request(record: RunRecord, storage: Storage, tell: Tell = lambda done, total: None) -> Preflight:
    """Check one request; `tell` hears how many files were looked at, of how many.

    Raises
    ------
    StorageUnavailable
        If the storage itself fails.
    """
    look = _inspection(record, record.job, storage, tell)
    outlook = look.at_everything()
    findings, is_hopeless = tuple(look.findings), look.is_hopeless
    short = () if is_hopeless else tuple(check_budget(record, storage))
    return Preflight(record.run_id, outlook, findings + short, look.near_misses, is_hopeless or bool(short))


def _inspection(run: RunRecord, job: Job, storage: Storage, tell: Tell) -> Inspection:
    match job:
        case DownloadImages():
            return DownloadInspection(job, storage, tell)
        case BuildBackend():
            return BackendInspection(job, storage, tell)
        case MakeProfiles():
            return _profiles_inspection(job, storage, tell)
        case MakeReport():
            return ReportInspection(job, storage, tell)
        case ProcessPlate():
            return StagesInspection(run, job, storage, tell)
        case ProcessFovs():
            return _inspection(run, parse_job(job.decoding(DECODING)), storage, tell)
        case DecodeFovs():
            return FovsInspection(job, storage, tell)
        case MergeFovs():
            return MergeInspection(job, storage)
        case RunCellProfiler():
            return MeasuringInspection(job, storage, tell)


def _profiles_inspection(job: MakeProfiles, storage: Storage, tell: Tell) -> "ProfilesInspection":
    try:
        from cellpainting.preflight.profiles import ProfilesInspection  # the only one that needs what a worker has
    except ImportError as error:
        raise CellPaintingError(
            f"{error.name} is not installed, which platemaps are read with; pip install 'cellpainting[profiling]'"
        ) from error
    return ProfilesInspection(job, storage, tell)
