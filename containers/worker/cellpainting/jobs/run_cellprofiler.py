"""job_type `run_cellprofiler`: one pipeline over a folder of images. It is the published message."""

import re
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import ClassVar

from cellpainting.errors import InvalidField
from cellpainting.jobs.fields import Fields
from cellpainting.jobs.resources import Resources

PIPELINE_SUFFIXES = (".cppipe", ".cpproj")
DEFAULT_TIMEOUT_S = 4 * 3600  # a 384-well plate folder of small images fits; a hung Java does not burn a weekend
MAX_TIMEOUT_S = 7 * 24 * 3600  # Batch forgets finished jobs after a week; no shard should outlive that


@dataclass(frozen=True)
class RunCellProfiler:
    """One CellProfiler run. Keys are relative to the bucket; `timeout_s` bounds CellProfiler itself, in seconds."""

    job_type: ClassVar[str] = "run_cellprofiler"
    runtime: ClassVar[str] = "cellprofiler"

    pipeline: str
    input: str
    output: str
    timeout_s: int
    run: str | None
    force: bool
    resources: Resources

    @classmethod
    def parse(cls, fields: Fields) -> "RunCellProfiler":
        """Read the fields of one request and check what belongs together.

        Raises
        ------
        InvalidField
            Naming the field, the value got and what to write instead.
        """
        job = cls(
            pipeline=fields.key("pipeline"),
            input=fields.key("input"),
            output=fields.key("output"),
            timeout_s=fields.whole_number("timeout_s", minimum=1, maximum=MAX_TIMEOUT_S) or DEFAULT_TIMEOUT_S,
            run=fields.run_name("run"),
            force=fields.flag("force"),
            resources=Resources.parse(fields),
        )
        if not job.pipeline.endswith(PIPELINE_SUFFIXES):
            raise InvalidField("pipeline", job.pipeline, f"a pipeline's name ends in {' or '.join(PIPELINE_SUFFIXES)}")
        if any(part.startswith(".") for part in job.input.split("/")):
            raise InvalidField(
                "input", job.input, "CellProfiler leaves out folders whose names begin with a dot; rename it"
            )
        if (job.output + "/").startswith(job.input + "/"):
            raise InvalidField(
                "output",
                job.output,
                f"it lies inside the input {job.input!r}: a second run would read the first's results",
            )
        return job

    @property
    def work(self) -> dict[str, str]:
        """What is to be done, and not how: requests with equal work are the same run, whatever memory they ask for."""
        return {"job_type": self.job_type, "pipeline": self.pipeline, "input": self.input, "output": self.output}

    @property
    def title(self) -> str:
        """A short name for the run: the pipeline's own, in the characters that run names may have."""
        return re.sub(r"[^A-Za-z0-9]+", "-", PurePosixPath(self.pipeline).stem).strip("-")[:40] or "pipeline"
