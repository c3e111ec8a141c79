"""job_type `make_report`: the page about one plate, from the runs and the backend that there are."""

from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any, ClassVar

from cellpainting.errors import InvalidField
from cellpainting.jobs.fields import Fields
from cellpainting.jobs.resources import Resources
from cellpainting.jobs.run_record import RunKeys, run_title
from cellpainting.jobs.stage import Stage
from cellpainting.ledger.image_set import Cause

TIMEOUT_S = 3600  # a page takes seconds, and a minute with pictures of large images; this is for one that hangs
PAGE = ".html"


@dataclass(frozen=True)
class MakeReport:
    """The page about `plate`, written to the key `output`. It shows what `runs` and the backend have left of it, and
    the profiles beside the backend, which is at `<...>/<batch>/<plate>`.
    """

    job_type: ClassVar[str] = "make_report"
    runtime: ClassVar[str] = "profiling"
    load_data: ClassVar[None] = None
    named_files: ClassVar[tuple[str, ...]] = ()  # what is not there is told on the page

    plate: str
    runs: tuple[str, ...]
    backend: str | None
    output: str
    run: str | None
    force: bool
    resources: Resources
    redrive: tuple[str, ...] = ()
    stage: Stage | None = None

    @classmethod
    def parse(cls, fields: Fields) -> "MakeReport":
        """Read the fields of one request.

        Raises
        ------
        InvalidField
            Naming the field, the value got and what to write instead.
        """
        job = cls(
            plate=fields.folder_name("plate"),
            runs=fields.run_names("runs"),
            backend=fields.optional_key("backend"),
            output=fields.key("output"),
            run=fields.run_name("run"),
            force=fields.flag("force"),
            resources=Resources.parse(fields),
            redrive=fields.words("redrive", [cause.value for cause in Cause]),
            stage=Stage.parse(fields),
        )
        _require_sources(job)
        if not job.output.endswith(PAGE):
            raise InvalidField("output", job.output, f"the name of a page ends in {PAGE}")
        return job

    @property
    def batch(self) -> str:
        """The part of the backend's address before the plate; empty without a backend."""
        return PurePosixPath(self.backend or "").parent.name

    @property
    def read_prefixes(self) -> tuple[str, ...]:
        """Where what it shows lies: the manifests of the runs, and the backend."""
        backend = (self.backend,) if self.backend else ()
        return (*(RunKeys(run).shards.rstrip("/") for run in self.runs), *backend)

    @property
    def timeout_s(self) -> int:
        """How long it may take, in seconds."""
        return TIMEOUT_S

    @property
    def work(self) -> dict[str, Any]:
        """What is to be done, and not how: requests with equal work are the same run, whatever memory they ask for."""
        return {
            "job_type": self.job_type,
            "plate": self.plate,
            "runs": list(self.runs),
            "backend": self.backend,
            "output": self.output,
        }

    @property
    def title(self) -> str:
        """A short name for the run: the plate's, in the characters that run names may have."""
        return run_title(f"report-{self.plate}", otherwise="report")


def _require_sources(job: MakeReport) -> None:
    if not job.runs and job.backend is None:
        raise InvalidField("runs", [], "name runs of the plate, its 'backend', or both: they are what the page shows")
    if job.backend is not None and (not job.batch or PurePosixPath(job.backend).name != job.plate):
        raise InvalidField("backend", job.backend, f"write the plate's folder, '<...>/<batch>/{job.plate}'")
