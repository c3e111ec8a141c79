"""A plate's backend, looked at before it is built: which CSVs there are, and what of them could not be used."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import TypeVar

from cellpainting.backend.analysis import open_analysis
from cellpainting.backend.csv_sets import CsvSet, find_csv_sets, table_name
from cellpainting.backend.ingest_config import FileNames, read_ingest_config
from cellpainting.errors import InvalidRequest, MissingInput
from cellpainting.jobs import parse_job
from cellpainting.jobs.build_backend import BuildBackend
from cellpainting.jobs.run_cellprofiler import RunCellProfiler
from cellpainting.ledger import Outcome
from cellpainting.ledger.runs import read_request
from cellpainting.planning.plan_job import plan_job
from cellpainting.preflight.files import Tell
from cellpainting.preflight.finding import Finding, Severity
from cellpainting.preflight.groups import NearMiss
from cellpainting.preflight.outlook import Outlook, TableFiles
from cellpainting.storage import Storage, StoredObject

Read = TypeVar("Read")


class BackendInspection:
    """The steps of the preflight of a `build_backend` request. No CSV is read."""

    def __init__(self, job: BuildBackend, storage: Storage, tell: Tell) -> None:
        self._job = job
        self._storage = storage
        self._tell = tell
        self._image_sets: int | None = None  # of a run they are known
        self.findings: list[Finding] = []
        self.near_misses: tuple[NearMiss, ...] = ()

    @property
    def is_hopeless(self) -> bool:
        """Whether an error stops the whole run."""
        return any(finding.stops_all for finding in self.findings)

    def at_everything(self) -> Outlook:
        """Do all steps."""
        names = self._attempt(self._job.ingest_config or "", self._file_names)
        files = self._attempt(self._storage.uri(self._job.analysis), self._files)
        if names is None or files is None:
            return Outlook()
        self._tell(len(files), len(files))
        sets = find_csv_sets(files, names, ())
        self.findings += check_csv_sets(sets, names, self._storage.uri(self._job.analysis))
        self.findings += check_compartments(sets, self._job)
        wanted = [one for one in find_csv_sets(files, names, self._job.settings.compartments) if one.image]
        stored = {file.key: file for one in wanted for file in one.files}
        outlook = Outlook.of(self._job, plan_job(self._job, self._storage), stored)
        return replace(outlook, image_sets=self._image_sets, tables=TableFiles.of(_tables(wanted)))

    def _file_names(self) -> FileNames:
        config = self._job.ingest_config
        return read_ingest_config(self._storage.read(config), config) if config else FileNames()

    def _files(self) -> tuple[StoredObject, ...]:
        """What the worker would be given to read."""
        run_id = self._job.analysed_run
        if run_id is not None:
            _require_measuring(self._storage, run_id)
        analysis = open_analysis(self._storage, self._job.analysis)
        if run_id is not None:
            self._image_sets, left = _count(analysis.planned, run_id, self._job.plate)
            self.findings += [_left(run_id, left, self._image_sets + left)] if left else []
        return analysis.files

    def _attempt(self, subject: str, read: Callable[[], Read]) -> Read | None:
        try:
            return read()
        except (InvalidRequest, MissingInput) as error:
            self.findings.append(Finding.of_error(subject, error))
            return None


def check_csv_sets(sets: Sequence[CsvSet], names: FileNames, place: str) -> Iterator[Finding]:
    """Whether there are CSVs at all, in each folder the one that tells its image sets, and each table once."""
    if not any(one.image for one in sets):
        problem = f"no folder has an {names.image}" if sets else "there is no CSV"
        yield Finding(
            Severity.ERROR,
            place,
            f"{problem}, so no image set is known",
            "let ExportToSpreadsheet write it, correct 'analysis', or tell its name in 'ingest_config'",
        )
        return
    for one in sets:
        if not one.image and (one.tables or one.combined):
            yield Finding(
                Severity.ERROR,
                one.folder,
                f"a folder has CSVs and no {names.image}: nobody knows what image sets they are of",
                f"upload its {names.image}, or move the folder away",
                image_sets=(),
            )
        for file in one.surplus:
            yield Finding(
                Severity.ERROR,
                file.key,
                "a CSV has the name of another one of its folder but for its case: it would be left out",
                "keep the right one of them",
                image_sets=(),
            )


def check_compartments(sets: Sequence[CsvSet], job: BuildBackend) -> Iterator[Finding]:
    """Whether there are files of each table that the request names."""
    known = sorted({name for one in sets for name in one.tables})
    missing = [name for name in job.settings.compartments if table_name(name) not in known]
    if not sets or any(one.combined for one in sets):
        return  # what is inside a file of all compartments is seen when it is read
    for name in missing:
        yield Finding(
            Severity.ERROR,
            name,
            f"no folder has a CSV of a table that is asked for; the tables are {', '.join(known) or 'none'}",
            "correct 'compartments'",
            image_sets=() if len(missing) < len(job.settings.compartments) else None,
        )


def _require_measuring(storage: Storage, run_id: str) -> None:
    job = parse_job(read_request(storage, run_id))
    if not isinstance(job, RunCellProfiler):
        raise InvalidRequest(
            f"run {run_id!r} is of the type {job.job_type}, which measures nothing; "
            f"name a run of {RunCellProfiler.job_type}"
        )


def _count(outcomes: Iterable[Outcome], run_id: str, plate: str) -> tuple[int, int]:
    """Image sets of a plate that are done, and that are not."""
    plates = Counter((outcome.image_set.plate, outcome.state.is_success) for outcome in outcomes)
    done, left = plates[plate, True], plates[plate, False]
    if not done and not left:
        known = ", ".join(sorted({name or "one without a name" for name, _ in plates}))
        raise InvalidRequest(
            f"run {run_id!r} has no image set of the plate {plate!r}, its plates are: {known}; correct 'plate'"
        )
    if not done:
        raise InvalidRequest(
            f"none of the {left} image sets of the plate {plate!r} is done in run {run_id!r}; "
            f"'cpb status {run_id}' tells how it stands"
        )
    return done, left


def _left(run_id: str, left: int, total: int) -> Finding:
    return Finding(
        Severity.WARNING,
        f"{run_id}: {left:,} of {total:,} image sets",
        "image sets of the plate are not done, and would not be in the backend",
        f"wait for the run, or do them first ('cpb redrive {run_id}')",
    )


def _tables(sets: Iterable[CsvSet]) -> dict[str, list[StoredObject]]:
    """All files by the table that they are a part of, that of image sets first."""
    tables: dict[str, list[StoredObject]] = defaultdict(list)
    for one in sets:
        named = {"Image": one.image, **one.tables, "Object": one.combined, "Experiment": one.experiment}
        for name, file in named.items():
            if file is not None:
                tables[name].append(file)
    return tables
