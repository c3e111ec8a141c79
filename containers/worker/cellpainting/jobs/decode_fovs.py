"""job_type `decode_fovs`: a starfish recipe, once for each field of view of a SpaceTx experiment."""

from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any, ClassVar

from cellpainting.errors import InvalidField
from cellpainting.jobs.fields import Fields
from cellpainting.jobs.resources import Resources
from cellpainting.jobs.run_record import run_title
from cellpainting.jobs.stage import Stage
from cellpainting.ledger.image_set import Cause

RECIPE_SUFFIX = ".py"
TIMEOUT_S = 4 * 3600  # a field of 1,200 x 1,200 pixels takes a minute; this is for a recipe that hangs
MAX_TIMEOUT_S = 7 * 24 * 3600
MOST_FIELDS = 1_000_000  # no experiment comes near


@dataclass(frozen=True)
class DecodeFovs:
    """The fields of view of `experiment`, a key or `s3://bucket/key`, decoded by `recipe`, a key of a Python file.

    Field `<name>` becomes `<output>/<name>_decoded.nc`. `num_fovs`, if it is given, is how many fields there must be.
    `timeout_s` is how long the recipe may take for one.
    """

    job_type: ClassVar[str] = "decode_fovs"
    runtime: ClassVar[str] = "starfish"
    load_data: ClassVar[None] = None

    experiment: str
    recipe: str
    output: str
    run: str | None
    force: bool
    resources: Resources
    num_fovs: int | None = None
    timeout_s: int = TIMEOUT_S
    redrive: tuple[str, ...] = ()
    stage: Stage | None = None

    @classmethod
    def parse(cls, fields: Fields) -> "DecodeFovs":
        """Read the fields of one request.

        Raises
        ------
        InvalidField
            Naming the field, the value got and what to write instead.
        """
        return cls(
            experiment=fields.key_or_address("experiment"),
            recipe=recipe_key(fields),
            output=fields.key("output"),
            run=fields.run_name("run"),
            force=fields.flag("force"),
            resources=Resources.parse(fields),
            num_fovs=fields.whole_number("num_fovs", minimum=1, maximum=MOST_FIELDS),
            timeout_s=fields.whole_number("timeout_s", minimum=1, maximum=MAX_TIMEOUT_S) or TIMEOUT_S,
            redrive=fields.words("redrive", [cause.value for cause in Cause]),
            stage=Stage.parse(fields),
        )

    @property
    def work(self) -> dict[str, Any]:
        """What is to be done, and not how: requests with equal work are the same run, whatever memory they ask for."""
        return {
            "job_type": self.job_type,
            "experiment": self.experiment,
            "recipe": self.recipe,
            "output": self.output,
        }

    @property
    def title(self) -> str:
        """A short name for the run: the recipe's, in the characters that run names may have."""
        return run_title(f"decode-{PurePosixPath(self.recipe).stem}", otherwise="decode")


def recipe_key(fields: Fields) -> str:
    """The field `recipe`.

    Raises
    ------
    InvalidField
        If it is no key of a Python file.
    """
    recipe = fields.key("recipe")
    if not recipe.endswith(RECIPE_SUFFIX):
        raise InvalidField("recipe", recipe, f"a recipe is a Python file, whose name ends in {RECIPE_SUFFIX}")
    return recipe
