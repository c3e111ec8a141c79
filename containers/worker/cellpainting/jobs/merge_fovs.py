"""job_type `merge_fovs`: the decoded fields of view of one run as one table."""

from dataclasses import dataclass
from typing import Any, ClassVar

from cellpainting.errors import InvalidField
from cellpainting.jobs.fields import Fields
from cellpainting.jobs.resources import Resources
from cellpainting.jobs.run_record import RUNS, RunKeys, run_title
from cellpainting.jobs.stage import Stage
from cellpainting.ledger.image_set import Cause

TIMEOUT_S = 3600  # a table of a million spots takes a minute; this is for one that hangs


@dataclass(frozen=True)
class MergeFovs:
    """What the run of `decoded` (`runs/<run id>`) has decoded, as one table below `output`, a prefix.

    `allow_missing` is which fraction of the fields may be missing without the merge being refused.
    """

    job_type: ClassVar[str] = "merge_fovs"
    runtime: ClassVar[str] = "starfish"
    load_data: ClassVar[None] = None

    decoded: str
    output: str
    run: str | None
    force: bool
    resources: Resources
    allow_missing: float = 0.0
    redrive: tuple[str, ...] = ()
    stage: Stage | None = None

    @classmethod
    def parse(cls, fields: Fields) -> "MergeFovs":
        """Read the fields of one request.

        Raises
        ------
        InvalidField
            Naming the field, the value got and what to write instead.
        """
        job = cls(
            decoded=fields.key_or_run("decoded"),
            output=fields.key("output"),
            run=fields.run_name("run"),
            force=fields.flag("force"),
            resources=Resources.parse(fields),
            allow_missing=fraction_missing(fields),
            redrive=fields.words("redrive", [cause.value for cause in Cause]),
            stage=Stage.parse(fields),
        )
        if not job.decoded.startswith(RUNS):
            raise InvalidField("decoded", job.decoded, f"name the run that decoded the fields, '{RUNS}<run id>'")
        return job

    @property
    def decoding_run(self) -> str:
        """The id of the run whose fields are merged."""
        return self.decoded.removeprefix(RUNS)

    @property
    def named_files(self) -> tuple[str, ...]:
        """The keys of single files that the request names: none."""
        return ()

    @property
    def read_prefixes(self) -> tuple[str, ...]:
        """Where all that it reads is told of: the manifests of the run that decoded."""
        return (RunKeys(self.decoding_run).shards.rstrip("/"),)

    @property
    def timeout_s(self) -> int:
        """How long it may take, in seconds."""
        return TIMEOUT_S

    @property
    def work(self) -> dict[str, Any]:
        """What is to be done, and not how: requests with equal work are the same run, whatever memory they ask for."""
        return {
            "job_type": self.job_type,
            "decoded": self.decoded,
            "output": self.output,
            "allow_missing": self.allow_missing,
        }

    @property
    def title(self) -> str:
        """A short name for the run: that of the decoding, in the characters that run names may have."""
        return run_title(f"merge-{self.decoding_run}", otherwise="merge")


def fraction_missing(fields: Fields) -> float:
    """The field `allow_missing`; 0 where it is left out.

    Raises
    ------
    InvalidField
        If it is no fraction.
    """
    return fields.number("allow_missing", minimum=0, below=1) or 0.0
