"""job_type `build_backend`: the measurements of one plate, from CellProfiler's CSVs to tables and well profiles."""

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from cellpainting.errors import InvalidField
from cellpainting.jobs.fields import Fields
from cellpainting.jobs.resources import Resources
from cellpainting.jobs.run_record import RUNS, RunKeys, run_title
from cellpainting.jobs.stage import Stage
from cellpainting.ledger.image_set import Cause

TIMEOUT_S = 4 * 3600  # a plate of 3,456 sites takes minutes; this is for one that hangs

Aggregate = Literal["mean", "median"]
AGGREGATES: tuple[Aggregate, ...] = ("mean", "median")


@dataclass(frozen=True)
class BackendSettings:
    """What is made of a plate's measurements.

    `compartments`, if not empty, are the only tables of objects to take. `aggregate` is how cells become well
    profiles. `sqlite` also makes the SQLite backend, `single_cells` also the table that joins the compartments.
    """

    compartments: tuple[str, ...] = ()
    sqlite: bool = True
    aggregate: Aggregate = "mean"
    single_cells: bool = False

    @classmethod
    def parse(cls, fields: Fields) -> "BackendSettings":
        """Read the fields of one request.

        Raises
        ------
        InvalidField
            Naming the field, the value got and what to write instead.
        """
        return cls(
            compartments=fields.names("compartments"),
            sqlite=fields.flag("sqlite", default=True),
            aggregate=fields.choice("aggregate", AGGREGATES) or "mean",
            single_cells=fields.flag("single_cells"),
        )


@dataclass(frozen=True)
class BuildBackend:
    """The backend of `plate` from the CSVs below `analysis`, a prefix, or of the run whose record that is
    (`runs/<run id>`). It is written to `<output>/<batch>/<plate>/`. `ingest_config` is cytominer-database's, a key.
    """

    job_type: ClassVar[str] = "build_backend"
    runtime: ClassVar[str] = "profiling"
    load_data: ClassVar[None] = None

    analysis: str
    output: str
    batch: str
    plate: str
    run: str | None
    force: bool
    resources: Resources
    settings: BackendSettings = BackendSettings()
    ingest_config: str | None = None
    redrive: tuple[str, ...] = ()
    stage: Stage | None = None

    @classmethod
    def parse(cls, fields: Fields) -> "BuildBackend":
        """Read the fields of one request.

        Raises
        ------
        InvalidField
            Naming the field, the value got and what to write instead.
        """
        job = cls(
            analysis=fields.key_or_run("analysis"),
            output=fields.key("output"),
            batch=fields.folder_name("batch"),
            plate=fields.folder_name("plate"),
            run=fields.run_name("run"),
            force=fields.flag("force"),
            resources=Resources.parse(fields),
            settings=BackendSettings.parse(fields),
            ingest_config=fields.optional_key("ingest_config"),
            redrive=fields.words("redrive", [cause.value for cause in Cause]),
            stage=Stage.parse(fields),
        )
        _require_separate_folders(job)
        return job

    @property
    def analysed_run(self) -> str | None:
        """The id of the run whose CSVs are read; None if `analysis` is a folder of CSVs."""
        return self.analysis.removeprefix(RUNS) if self.analysis.startswith(RUNS) else None

    @property
    def named_files(self) -> tuple[str, ...]:
        """The keys of single files that the request names."""
        return (self.ingest_config,) if self.ingest_config else ()

    @property
    def read_prefixes(self) -> tuple[str, ...]:
        """Where all that it reads lies, beside the named files: of a run, the manifests tell of all its results."""
        return (RunKeys(self.analysed_run).shards.rstrip("/") if self.analysed_run else self.analysis,)

    @property
    def folder(self) -> str:
        """The prefix of all results, as the Cell Painting Gallery has it: `<output>/<batch>/<plate>`."""
        return f"{self.output}/{self.batch}/{self.plate}"

    @property
    def timeout_s(self) -> int:
        """How long the plate may take, in seconds."""
        return TIMEOUT_S

    @property
    def work(self) -> dict[str, Any]:
        """What is to be done, and not how: requests with equal work are the same run, whatever memory they ask for."""
        return {
            "job_type": self.job_type,
            "analysis": self.analysis,
            "output": self.output,
            "batch": self.batch,
            "plate": self.plate,
            "compartments": list(self.settings.compartments),
            "sqlite": self.settings.sqlite,
            "aggregate": self.settings.aggregate,
            "single_cells": self.settings.single_cells,
            "ingest_config": self.ingest_config,
        }

    @property
    def title(self) -> str:
        """A short name for the run: the plate's, in the characters that run names may have."""
        return run_title(f"backend-{self.plate}", otherwise="backend")


def _require_separate_folders(job: BuildBackend) -> None:
    if job.folder == job.analysis:
        raise InvalidField(
            "output",
            job.output,
            f"the results would be written to 'analysis' itself, {job.analysis!r}: a second run could not tell them "
            "from what it is to read; choose another prefix",
        )
