"""Image sets that CellProfiler is to measure, looked at before: the load data, the pipeline's text, every file."""

from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

from cellpainting.errors import InvalidRequest, MissingInput
from cellpainting.jobs.run_cellprofiler import RunCellProfiler
from cellpainting.load_data import LoadData
from cellpainting.load_data.read_table import read_table
from cellpainting.pipelines import Pipeline, parse_pipeline
from cellpainting.planning.plan_job import ImageSetSource, places_of, plan_job
from cellpainting.planning.run_plan import RunPlan
from cellpainting.preflight.check import check, choose_selection, planned_rows
from cellpainting.preflight.files import Stored, Tell, Users, check_contents, check_files, stat_files, users_of_files
from cellpainting.preflight.finding import Finding, Severity
from cellpainting.preflight.groups import NearMiss, find_near_misses
from cellpainting.preflight.modules import check_modules
from cellpainting.preflight.outlook import Outlook
from cellpainting.preflight.sources import check_folder, read_file_list
from cellpainting.storage.base import Storage

PROJECT_SUFFIX = ".cpproj"
Read = TypeVar("Read")


class MeasuringInspection:
    """The steps of the preflight of a `run_cellprofiler` request; each goes as far as those before it let it."""

    def __init__(self, job: RunCellProfiler, storage: Storage, tell: Tell) -> None:
        self.job = job
        self.storage = storage
        self.tell = tell
        self.findings: list[Finding] = []
        self.near_misses: tuple[NearMiss, ...] = ()
        self.planned: Sequence[int] | None = None  # rows of the load data; None if there is none

    @property
    def is_hopeless(self) -> bool:
        """Whether an error stops the whole run, or every planned image set has one."""
        if any(finding.stops_all for finding in self.findings) or self.planned == []:
            return True
        lost = {number for finding in self.findings for number in finding.image_sets or ()}
        return self.planned is not None and lost.issuperset(self.planned)

    def at_everything(self) -> Outlook:
        """Do all steps."""
        pipeline = self._pipeline()
        if self.job.load_data:
            table = self._attempt(self.job.load_data, self._read_table)
            return self._at_table(pipeline, table) if table is not None else Outlook()
        if pipeline is not None:
            self.findings += check_modules(self.job, pipeline)
        plan = self._plan() if self.job.is_plain_folder else None
        return Outlook.of(self.job, plan, self._at_source())

    def _at_table(self, pipeline: Pipeline | None, table: LoadData) -> Outlook:
        selection = None
        if pipeline is not None:
            selection = choose_selection(self.job, pipeline, table)
            self.findings += check(self.job, pipeline, table, selection)
            self.near_misses = find_near_misses(table, selection) if selection else ()
        self.planned = planned_rows(table, selection)
        plan = self._plan(table) if pipeline is not None and self.planned else None
        stored = self._at_files(users_of_files(table, self.planned))
        self.findings += check_contents(table, self.planned, stored)
        return Outlook.of(self.job, plan, stored)

    def _read_table(self) -> LoadData:
        name = self.job.load_data or ""
        return read_table(self.storage.read(name), name, places_of(self.job, self.storage))

    def _pipeline(self) -> Pipeline | None:
        """The pipeline, unless it is inside a project or batch file, which only CellProfiler reads."""
        key = self.job.pipeline
        if key == self.job.batch_data or (key.endswith(PROJECT_SUFFIX) and self.job.is_plain_folder):
            self._attempt(key, lambda: self.storage.stat(key))
            return None
        return self._attempt(key, lambda: parse_pipeline(self.storage.read(key), key))

    def _plan(self, table: LoadData | None = None) -> RunPlan | None:
        def read_source(job: RunCellProfiler, storage: Storage) -> ImageSetSource:
            return ImageSetSource(table or LoadData((), ()), storage.read(job.pipeline))

        if any(finding.stops_all for finding in self.findings):
            return None  # planning would say the same again
        return self._attempt("request", lambda: plan_job(self.job, self.storage, read_source))

    def _at_files(self, users: Mapping[str, Users]) -> Stored:
        stored = stat_files(list(users), self.storage, self.tell)
        self.findings += check_files(users, stored)
        return stored

    def _at_source(self) -> Stored | None:
        """What can be known of image sets that only CellProfiler lists."""
        if self.job.file_list:
            users = self._attempt(self.job.file_list, lambda: read_file_list(self.job, self.storage))
            return self._at_file_list(self.job.file_list, users or {})
        if self.job.batch_data:
            key = self.job.batch_data
            self._attempt(key, lambda: self.storage.stat(key))
        elif self.job.input:
            self.findings += check_folder(self.job.input, self.storage)
        return None

    def _at_file_list(self, key: str, users: Mapping[str, Users]) -> Stored:
        stored = self._at_files(users)
        if stored and not any(stored.values()):
            problem = "none of the files that the list names is in the storage"
            self.findings.append(Finding(Severity.ERROR, key, problem, "upload them, or correct the list"))
        return stored

    def _attempt(self, subject: str, read: Callable[[], Read]) -> Read | None:
        try:
            return read()
        except (InvalidRequest, MissingInput) as error:
            self.findings.append(Finding.of_error(subject, error))
            return None
