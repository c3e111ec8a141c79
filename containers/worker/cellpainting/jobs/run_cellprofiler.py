"""job_type `run_cellprofiler`: one pipeline over image sets. With a folder as input it is the published message."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any, ClassVar, Literal

from cellpainting.errors import InvalidField
from cellpainting.jobs.fields import Fields
from cellpainting.jobs.resources import Resources
from cellpainting.jobs.run_record import RunKeys, run_title
from cellpainting.jobs.stage import Stage
from cellpainting.ledger.image_set import Cause

PIPELINE_SUFFIXES = (".cppipe", ".cpproj")
BATCH_DATA_SUFFIX = ".h5"
IMAGE_SET_SOURCES = ("input", "load_data", "batch_data", "file_list")
DEFAULT_TIMEOUT_S = 4 * 3600  # a 384-well plate folder of small images fits; a hung Java does not burn a weekend
MAX_TIMEOUT_S = 7 * 24 * 3600  # Batch forgets finished jobs after a week; no shard should outlive that
MAX_IMAGE_SETS_PER_SHARD = 100_000
# Some 20 minutes of stock CellProfiler for sites of five channels: start-up is a hundredth of it, and a reclaimed host
# costs no more than the one group it was at.
DEFAULT_IMAGE_SETS_PER_VCPU = 12

OnBadImageSet = Literal["quarantine", "fail"]


@dataclass(frozen=True)
class RunCellProfiler:
    """One CellProfiler run. Keys are relative to the bucket.

    Exactly one of `input` (a folder), `load_data`, `batch_data` and `file_list` tells the image sets. `group_by` are
    metadata columns (`Metadata_Plate`); `groups`, if not empty, are the only groups to do, each as column to value.
    `path_remap` maps the beginning of a path in the load data to what stands there now. `timeout_s` bounds one run of
    CellProfiler over one group, in seconds. With `accelerate`, kernels of equal values take the place of CellProfiler's
    own measurements. `redrive` limits what is sent again to these causes.
    """

    job_type: ClassVar[str] = "run_cellprofiler"
    runtime: ClassVar[str] = "cellprofiler"

    pipeline: str
    output: str
    timeout_s: int
    run: str | None
    force: bool
    resources: Resources
    input: str | None = None
    load_data: str | None = None
    batch_data: str | None = None
    file_list: str | None = None
    group_by: tuple[str, ...] = ()
    groups: tuple[Mapping[str, str], ...] = ()
    image_sets_per_shard: int | None = None
    output_structure: str | None = None
    plugins: str | None = None
    on_bad_image_set: OnBadImageSet = "quarantine"
    accelerate: bool = True
    path_remap: tuple[tuple[str, str], ...] = ()
    redrive: tuple[str, ...] = ()
    stage: Stage | None = None

    @classmethod
    def parse(cls, fields: Fields) -> "RunCellProfiler":
        """Read the fields of one request and check what belongs together.

        Raises
        ------
        InvalidField
            Naming the field, the value got and what to write instead.
        """
        stage = Stage.parse(fields)
        job = cls(
            pipeline=fields.key("pipeline"),
            output=fields.key("output"),
            timeout_s=fields.whole_number("timeout_s", minimum=1, maximum=MAX_TIMEOUT_S) or DEFAULT_TIMEOUT_S,
            run=fields.run_name("run"),
            force=fields.flag("force"),
            resources=Resources.parse(fields),
            input=fields.optional_key("input"),
            load_data=fields.optional_key("load_data", or_below=RunKeys(stage.run_id).folder if stage else ""),
            batch_data=fields.optional_key("batch_data"),
            file_list=fields.optional_key("file_list"),
            group_by=fields.metadata_names("group_by"),
            groups=fields.groups("groups"),
            image_sets_per_shard=fields.whole_number(
                "image_sets_per_shard", minimum=1, maximum=MAX_IMAGE_SETS_PER_SHARD
            ),
            output_structure=fields.output_structure("output_structure"),
            plugins=fields.optional_key("plugins"),
            on_bad_image_set=fields.choice("on_bad_image_set", ("quarantine", "fail")) or "quarantine",
            accelerate=fields.flag("accelerate", default=True),
            path_remap=fields.text_map("path_remap"),
            redrive=fields.words("redrive", [cause.value for cause in Cause]),
            stage=stage,
        )
        _require_one_source(job)
        _require_pipeline_name(job)
        _require_separate_folders(job)
        return job

    @property
    def is_plain_folder(self) -> bool:
        """Whether this is the published request: a folder, of which only CellProfiler knows the image sets."""
        return (
            self.input is not None
            and not (self.load_data or self.batch_data or self.file_list)
            and not (self.group_by or self.groups or self.image_sets_per_shard)
        )

    @property
    def work(self) -> dict[str, Any]:
        """What is to be done, and not how: requests with equal work are the same run, whatever memory they ask for."""
        asked: dict[str, Any] = {
            "job_type": self.job_type,
            "pipeline": self.pipeline,
            "input": self.input,
            "output": self.output,
            "load_data": self.load_data,
            "batch_data": self.batch_data,
            "file_list": self.file_list,
            "group_by": list(self.group_by),
            "groups": [dict(group) for group in self.groups],
            "image_sets_per_shard": self.image_sets_per_shard,
            "output_structure": self.output_structure,
            "plugins": self.plugins,
            "path_remap": dict(self.path_remap),
        }
        return {field: value for field, value in asked.items() if value}

    @property
    def title(self) -> str:
        """A short name for the run: the pipeline's own, in the characters that run names may have."""
        return run_title(PurePosixPath(self.pipeline).stem, otherwise="pipeline", most=40)


def _require_one_source(job: RunCellProfiler) -> None:
    named = [name for name in IMAGE_SET_SOURCES if getattr(job, name) is not None]
    tables = [name for name in named if name != "input"]  # with a table, `input` is where its relative paths begin
    if not named:
        raise InvalidField(
            "input", None, f"a request needs one of {', '.join(IMAGE_SET_SOURCES)}: where its images are"
        )
    if len(tables) > 1:
        raise InvalidField(
            tables[1], getattr(job, tables[1]), f"{tables[0]!r} tells the image sets already; leave one out"
        )


def _require_pipeline_name(job: RunCellProfiler) -> None:
    is_batch_data = job.batch_data is not None and job.pipeline == job.batch_data  # which holds its own pipeline
    if not job.pipeline.endswith(PIPELINE_SUFFIXES) and not is_batch_data:
        raise InvalidField("pipeline", job.pipeline, f"a pipeline's name ends in {' or '.join(PIPELINE_SUFFIXES)}")
    if job.batch_data is not None and not job.batch_data.endswith(BATCH_DATA_SUFFIX):
        raise InvalidField("batch_data", job.batch_data, "CreateBatchFiles names it Batch_data.h5; name that file")


def _require_separate_folders(job: RunCellProfiler) -> None:
    if job.input is None or job.load_data or job.batch_data or job.file_list:
        return  # the folder is not listed: only what a table names is read
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
