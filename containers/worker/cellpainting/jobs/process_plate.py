"""job_type `process_plate`: plates from raw images to profiles and a page, a stage after the other."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any, ClassVar

from cellpainting.errors import InvalidField
from cellpainting.jobs.build_backend import BackendSettings
from cellpainting.jobs.fields import Fields
from cellpainting.jobs.plate_source import PlateSource, parse_plates
from cellpainting.jobs.resources import Resources
from cellpainting.jobs.run_cellprofiler import MAX_IMAGE_SETS_PER_SHARD, MAX_TIMEOUT_S, PIPELINE_SUFFIXES, OnBadImageSet
from cellpainting.jobs.run_record import run_title
from cellpainting.ledger.image_set import Cause

MOST_IN_RUN_NAME = 60  # the ids of stages have the plate's name and the stage's, too
LEFT_OUT = ("backend", "profiles", "report")  # the others are left out by giving no pipeline


@dataclass(frozen=True)
class Pipelines:
    """The pipelines of the stages that CellProfiler does; a stage without one is left out."""

    illumination: str | None
    quality_control: str | None
    analysis: str | None

    @classmethod
    def parse(cls, fields: Fields) -> "Pipelines":
        """Read `pipelines`.

        Raises
        ------
        InvalidField
            If one has not a pipeline's name.
        """
        fields.unfold("pipelines")
        names = ("illumination", "quality_control", "analysis")
        keys = [fields.optional_key(f"pipelines.{name}") for name in names]
        for name, key in zip(names, keys, strict=True):
            if key and not key.endswith(PIPELINE_SUFFIXES):
                raise InvalidField(
                    f"pipelines.{name}", key, f"a pipeline's name ends in {' or '.join(PIPELINE_SUFFIXES)}"
                )
        return cls(*keys)

    @property
    def given(self) -> tuple[str, ...]:
        """The keys of those that there are."""
        return tuple(filter(None, (self.illumination, self.quality_control, self.analysis)))


@dataclass(frozen=True)
class GivenResults:
    """Results that are there already, as prefixes: illumination functions, CSVs of the analysis, backends. Those of a
    plate are in the folder of its name below, if there is one; backends in `<batch>/<plate>`.
    """

    illumination: str | None
    analysis: str | None
    backend: str | None

    @classmethod
    def parse(cls, fields: Fields) -> "GivenResults":
        """Read `results`."""
        fields.unfold("results")
        return cls(*(fields.optional_key(f"results.{name}") for name in ("illumination", "analysis", "backend")))


@dataclass(frozen=True)
class CellProfilerSettings:
    """What holds for every stage that CellProfiler does, as in a request for one of them."""

    input: str | None
    image_sets_per_shard: int | None
    plugins: str | None
    on_bad_image_set: OnBadImageSet | None
    accelerate: bool
    path_remap: tuple[tuple[str, str], ...]
    timeout_s: int | None

    @classmethod
    def parse(cls, fields: Fields) -> "CellProfilerSettings":
        """Read the fields of one request."""
        return cls(
            input=fields.optional_key("input"),
            image_sets_per_shard=fields.whole_number(
                "image_sets_per_shard", minimum=1, maximum=MAX_IMAGE_SETS_PER_SHARD
            ),
            plugins=fields.optional_key("plugins"),
            on_bad_image_set=fields.choice("on_bad_image_set", ("quarantine", "fail")),
            accelerate=fields.flag("accelerate", default=True),
            path_remap=fields.text_map("path_remap"),
            timeout_s=fields.whole_number("timeout_s", minimum=1, maximum=MAX_TIMEOUT_S),
        )


@dataclass(frozen=True)
class Treatments:
    """A table with a row per treatment, and the column that platemap and table share."""

    external_metadata: str | None
    merge_column: str | None

    @classmethod
    def parse(cls, fields: Fields) -> "Treatments":
        """Read `external_metadata` and `merge_column`; that they belong together is the profiles' to say."""
        column = fields.metadata_names("merge_column")
        return cls(fields.optional_key("external_metadata"), column[0] if column else None)


@dataclass(frozen=True)
class ProcessPlate:
    """The chain of stages for each plate of `sources`, or of the table `plate_table`, a key. What is made goes below
    `output`, in the folders of the Cell Painting Gallery. A stage starts when what it needs is complete, but for the
    fraction `allow_missing` of the image sets. With `gate`, nothing follows illumination and quality control until
    somebody has approved of them.
    """

    job_type: ClassVar[str] = "process_plate"
    runtime: ClassVar[str] = "cellprofiler"  # which plans what the dispatcher cannot
    stage: ClassVar[None] = None

    output: str
    sources: tuple[PlateSource, ...]
    plate_table: str | None
    pipelines: Pipelines
    results: GivenResults
    leave_out: tuple[str, ...]
    cellprofiler: CellProfilerSettings
    backend: BackendSettings
    treatments: Treatments
    allow_missing: float
    gate: bool
    run: str | None
    force: bool
    resources: Resources
    redrive: tuple[str, ...] = ()

    @classmethod
    def parse(cls, fields: Fields) -> "ProcessPlate":
        """Read the fields of one request and check what belongs together.

        Raises
        ------
        InvalidField
            Naming the field, the value got and what to write instead.
        """
        sources, table = parse_plates(fields)
        job = cls(
            output=fields.key("output"),
            sources=sources,
            plate_table=table,
            pipelines=Pipelines.parse(fields),
            results=GivenResults.parse(fields),
            leave_out=fields.words("leave_out", LEFT_OUT),
            cellprofiler=CellProfilerSettings.parse(fields),
            backend=BackendSettings.parse(fields),
            treatments=Treatments.parse(fields),
            allow_missing=fields.number("allow_missing", minimum=0, below=1) or 0.0,
            gate=fields.flag("gate"),
            run=fields.run_name("run"),
            force=fields.flag("force"),
            resources=Resources.parse(fields),
            redrive=fields.words("redrive", [cause.value for cause in Cause]),
        )
        _require_stages(job)
        _require_short_name(job)
        return job

    @property
    def load_data(self) -> str | None:
        """The first table of image sets."""
        return self.sources[0].load_data if self.sources else None

    @property
    def load_data_keys(self) -> tuple[str, ...]:
        """All tables of image sets that the request names itself, each once."""
        return tuple(dict.fromkeys(source.load_data for source in self.sources))

    @property
    def timeout_s(self) -> int:
        """How long planning may take, in seconds."""
        return 3600

    @property
    def has_backend(self) -> bool:
        """Whether backends are made."""
        return "backend" not in self.leave_out and self.results.backend is None

    @property
    def has_profiles(self) -> bool:
        """Whether profiles are made."""
        return "profiles" not in self.leave_out

    def require_platemaps(self, sources: Iterable[PlateSource]) -> None:
        """Check that each plate that profiles are made of has a platemap.

        Raises
        ------
        InvalidField
            If one has none.
        """
        for source in sources if self.has_profiles else ():
            if source.platemap is None:
                raise InvalidField(
                    "platemap", None, f"profiles of {source} need it; give it, or write 'profiles' in 'leave_out'"
                )

    @property
    def work(self) -> dict[str, Any]:
        """What is to be done, and not how: requests with equal work are the same run, whatever memory they ask for."""
        return {
            "job_type": self.job_type,
            "output": self.output,
            "plates": [vars(source) for source in self.sources],
            "plate_table": self.plate_table,
            "pipelines": vars(self.pipelines),
            "results": vars(self.results),
            "leave_out": list(self.leave_out),
        }

    @property
    def title(self) -> str:
        """A short name for the run: that of the only plate, or of the table."""
        named = self.sources[0].plate if len(self.sources) == 1 else None
        table = self.plate_table or self.sources[0].load_data
        return run_title(named or PurePosixPath(table).name.partition(".")[0], otherwise="plates", most=40)


def _require_stages(job: ProcessPlate) -> None:
    pipelines, results = job.pipelines, job.results
    is_measured = bool(pipelines.analysis or results.analysis)
    if results.illumination and pipelines.illumination:
        raise InvalidField("results.illumination", results.illumination, "'pipelines.illumination' makes it; give one")
    if pipelines.analysis and (results.analysis or results.backend):
        given = "analysis" if results.analysis else "backend"
        raise InvalidField(f"results.{given}", getattr(results, given), "'pipelines.analysis' makes it; give one")
    if job.has_backend and not is_measured:
        raise InvalidField(
            "pipelines.analysis",
            None,
            "a backend needs it; give 'results.analysis' or 'results.backend' instead, or write "
            "'backend', 'profiles' and 'report' in 'leave_out'",
        )
    if job.has_profiles and not (job.has_backend or results.backend):
        raise InvalidField("leave_out", list(job.leave_out), "profiles need a backend: leave out 'profiles', too")
    job.require_platemaps(job.sources)
    if job.gate and not (pipelines.illumination or pipelines.quality_control):
        raise InvalidField("gate", True, "there is nothing to approve of: no illumination and no quality control")


def _require_short_name(job: ProcessPlate) -> None:
    if job.run and len(job.run) > MOST_IN_RUN_NAME:
        raise InvalidField("run", job.run, f"write at most {MOST_IN_RUN_NAME} characters: its stages add to it")
