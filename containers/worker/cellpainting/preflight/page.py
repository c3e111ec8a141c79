"""A page, looked at before it is made: whether there is a backend, and whether there are the runs."""

from collections.abc import Iterator
from dataclasses import replace

from cellpainting.errors import CellPaintingError, InvalidRequest, MissingInput
from cellpainting.jobs import BuildBackend, MakeProfiles, RunCellProfiler, parse_job
from cellpainting.jobs.make_report import MakeReport
from cellpainting.ledger.runs import read_request
from cellpainting.planning.plan_job import plan_job
from cellpainting.preflight.files import Tell
from cellpainting.preflight.finding import Finding, Severity
from cellpainting.preflight.groups import NearMiss
from cellpainting.preflight.outlook import Outlook
from cellpainting.storage import Storage


class ReportInspection:
    """The steps of the preflight of a `make_report` request. No result is read."""

    def __init__(self, job: MakeReport, storage: Storage, tell: Tell) -> None:
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
        """Do all steps; the plate is counted as the ledger counts it, in place of image sets."""
        problems = list(self._problems())
        named = len(self._job.runs) + bool(self._job.backend)
        # The page tells what is not there, as long as there is something else.
        severity = Severity.WARNING if len(problems) < named else Severity.ERROR
        self.findings += [replace(Finding.of_error(name, error), severity=severity) for name, error in problems]
        self._tell(named, named)
        return replace(Outlook.of(self._job, plan_job(self._job, self._storage), None), image_sets=1)

    def _problems(self) -> Iterator[tuple[str, CellPaintingError]]:
        backend = self._job.backend
        if backend and not any(True for _ in self._storage.list(backend)):
            uri = self._storage.uri(backend)
            yield backend, MissingInput(f"there is no backend at {uri}, or not yet; build it first, or correct it")
        for run_id in self._job.runs:
            try:
                _require_plates(self._storage, run_id)
            except InvalidRequest as error:
                yield run_id, error


def _require_plates(storage: Storage, run_id: str) -> None:
    job = parse_job(read_request(storage, run_id))
    if not isinstance(job, RunCellProfiler | BuildBackend | MakeProfiles):
        raise InvalidRequest(f"run {run_id} is a {job.job_type} job, which measures no plate; name another run")
