"""A run that is one stage of a larger run, such as the analysis of a plate; and what it waits for."""

import hashlib
from dataclasses import dataclass

from cellpainting.errors import InvalidField
from cellpainting.jobs.fields import STAGE_MARK, Fields
from cellpainting.jobs.run_record import run_title

MOST_IN_PLATE_NAME = 24  # of the plate in the id of a stage's run, so that a Batch job's name has room for all of it
DIGEST = 7


@dataclass(frozen=True)
class Stage:
    """Stage `name` of the run `of`, for `plate` if that run is about plates.

    It starts when the runs `needs` are complete, but for the fraction `allow_missing` of their image sets, and the runs
    `after` are over, however they ended. One that `is_gated` starts when somebody has approved of what these left.
    """

    of: str
    plate: str
    name: str
    needs: tuple[str, ...] = ()
    after: tuple[str, ...] = ()
    allow_missing: float = 0.0
    is_gated: bool = False

    @classmethod
    def parse(cls, fields: Fields) -> "Stage | None":
        """Read `stage`, which the dispatcher writes; None when it is absent.

        Raises
        ------
        InvalidField
            Naming the field, the value got and what to write instead.
        """
        if not fields.mentions("stage") or not fields.unfold("stage"):
            return None
        return cls(
            of=fields.text("stage.of"),
            plate=fields.text("stage.plate") if fields.is_given("stage.plate") else "",
            name=fields.text("stage.name"),
            needs=fields.run_names("stage.needs"),
            after=fields.run_names("stage.after"),
            allow_missing=fields.number("stage.allow_missing", minimum=0, below=1) or 0.0,
            is_gated=fields.flag("stage.is_gated"),
        )

    @property
    def run_id(self) -> str:
        """The id of its own run."""
        return stage_run_id(self.of, self.plate, self.name)

    @property
    def label(self) -> str:
        """What people call it."""
        return " of ".join(filter(None, (self.name, self.plate)))

    def require_own_run(self, run: str | None) -> None:
        """Check that a request is that of this stage.

        Raises
        ------
        InvalidField
            If its run has another name.
        """
        if run != self.run_id:
            raise InvalidField("run", run, f"the run of this stage is {self.run_id!r}; leave out 'stage', or name that")


def stage_run_id(of: str, plate: str, name: str) -> str:
    """The id of a stage's run: `<run>--<plate>--<stage>`, of which no two are the same."""
    return STAGE_MARK.join(filter(None, (of, _short(plate), name)))


def _short(plate: str) -> str:
    """A plate's name in the characters of run ids; one that is changed for it gets a digest, to stay its own."""
    title = run_title(plate, otherwise="plate") if plate else ""
    if title == plate and len(plate) <= MOST_IN_PLATE_NAME:
        return plate
    digest = hashlib.sha256(plate.encode()).hexdigest()[:DIGEST]
    return f"{title[: MOST_IN_PLATE_NAME - DIGEST - 1].rstrip('-')}-{digest}"
