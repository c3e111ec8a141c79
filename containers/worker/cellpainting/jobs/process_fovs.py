"""job_type `process_fovs`: a starfish experiment decoded field by field, then merged: a stage after the other."""

from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any, ClassVar

from cellpainting.jobs.decode_fovs import MAX_TIMEOUT_S, MOST_FIELDS, TIMEOUT_S, DecodeFovs, recipe_key
from cellpainting.jobs.fields import Fields
from cellpainting.jobs.merge_fovs import MergeFovs, fraction_missing
from cellpainting.jobs.resources import Resources
from cellpainting.jobs.run_record import RUNS, run_title
from cellpainting.jobs.stage import stage_run_id
from cellpainting.ledger.image_set import Cause

DECODE, MERGE = "decode", "merge"  # the names of its stages


@dataclass(frozen=True)
class ProcessFovs:
    """An `experiment`, a key or `s3://bucket/key`, that `recipe` decodes; all results lie below `output`, a prefix."""

    job_type: ClassVar[str] = "process_fovs"
    runtime: ClassVar[str] = "starfish"
    load_data: ClassVar[None] = None
    stage: ClassVar[None] = None

    experiment: str
    recipe: str
    output: str
    run: str | None
    force: bool
    resources: Resources
    num_fovs: int | None = None
    allow_missing: float = 0.0
    timeout_s: int = TIMEOUT_S
    redrive: tuple[str, ...] = ()

    @classmethod
    def parse(cls, fields: Fields) -> "ProcessFovs":
        """Read the fields of one request.

        Raises
        ------
        InvalidField
            Naming the field, the value got and what to write instead.
        """
        return cls(
            experiment=fields.key_or_address("experiment_url"),
            recipe=recipe_key(fields),
            output=fields.key("results"),
            run=fields.run_name("run"),
            force=fields.flag("force"),
            resources=Resources.parse(fields),
            num_fovs=fields.whole_number("num_fovs", minimum=1, maximum=MOST_FIELDS),
            allow_missing=fraction_missing(fields),
            timeout_s=fields.whole_number("timeout_s", minimum=1, maximum=MAX_TIMEOUT_S) or TIMEOUT_S,
            redrive=fields.words("redrive", [cause.value for cause in Cause]),
        )

    def decoding(self, of: str) -> dict[str, Any]:
        """The request of the stage that decodes the fields, of the run `of`."""
        return self._request(
            of,
            DecodeFovs.job_type,
            {"name": DECODE},
            experiment=self.experiment,
            recipe=self.recipe,
            num_fovs=self.num_fovs,
            timeout_s=self.timeout_s,
        )

    def merging(self, of: str) -> dict[str, Any]:
        """The request of the stage that merges what that one has decoded."""
        decoding = stage_run_id(of, "", DECODE)
        stage = {"name": MERGE, "needs": [decoding]}
        return self._request(of, MergeFovs.job_type, stage, decoded=RUNS + decoding, allow_missing=self.allow_missing)

    @property
    def work(self) -> dict[str, Any]:
        """What is to be done, and not how: requests with equal work are the same run, whatever memory they ask for."""
        return {
            "job_type": self.job_type,
            "experiment": self.experiment,
            "recipe": self.recipe,
            "output": self.output,
            "allow_missing": self.allow_missing,
        }

    @property
    def title(self) -> str:
        """A short name for the run: the recipe's, in the characters that run names may have."""
        return run_title(f"fovs-{PurePosixPath(self.recipe).stem}", otherwise="fovs")

    def _request(self, of: str, job_type: str, stage: dict[str, Any], **fields: Any) -> dict[str, Any]:
        common = {
            "job_type": job_type,
            "stage": {"of": of, "allow_missing": self.allow_missing, **stage},
            "output": self.output,
            "run": stage_run_id(of, "", stage["name"]),
            "force": self.force,
            "redrive": list(self.redrive) or None,
            "job_memory": self.resources.memory_mib,
            "job_vcpu": self.resources.vcpus,
            "job_queue": self.resources.queue,
            "job_definition": self.resources.definition,
        }
        return {name: value for name, value in {**fields, **common}.items() if value is not None}
