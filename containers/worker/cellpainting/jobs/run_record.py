"""A run's identity, and where its record lies in the bucket."""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cellpainting.jobs.message import Job

RUNS = "runs/"


@dataclass(frozen=True)
class RunKeys:
    """Keys of one run's record, relative to the bucket (interfaces: what a run leaves behind)."""

    run_id: str

    @property
    def folder(self) -> str:
        return f"{RUNS}{self.run_id}/"

    @property
    def request(self) -> str:
        return self.folder + "request.json"

    @property
    def plan(self) -> str:
        return self.folder + "plan.csv"

    @property
    def shards(self) -> str:
        return self.folder + "shards/"

    @property
    def submissions(self) -> str:
        return self.folder + "submissions/"

    @property
    def ledger(self) -> str:
        return self.folder + "ledger.csv"

    @property
    def summary(self) -> str:
        return self.folder + "summary.json"

    def shard(self, number: int) -> str:
        """The manifest of one shard, written last."""
        return f"{self.shards}{number}.json"

    def shard_plan(self, number: int) -> str:
        """What one shard is to do."""
        return f"{self.folder}plan/{number}.json"

    @property
    def progresses(self) -> str:
        return self.folder + "progress/"

    def progress(self, number: int) -> str:
        """The groups of a shard that are done, while the shard is at work."""
        return f"{self.progresses}{number}.json"

    def plate_limits(self, name: str) -> str:
        """The limits of 8-bit scaling that the images of a plate share."""
        return f"{self.folder}scaling/{name}.json"

    @property
    def planning_failure(self) -> str:
        """Why the run could not be planned when a job last tried; empty once it was."""
        return self.folder + "planning_failure.txt"

    @property
    def losses(self) -> str:
        return self.folder + "lost/"

    def lost(self, number: int) -> str:
        """Why a shard ended without a manifest, as far as Batch knows."""
        return f"{self.losses}{number}.json"

    @property
    def plan_record(self) -> str:
        """How many shards there are and which of them are to be done: what a planning job leaves for the dispatcher."""
        return self.folder + "plan.json"

    @property
    def stages(self) -> str:
        """The stages of a run that has such: which runs they are, and what each waits for."""
        return self.folder + "stages.json"

    @property
    def blocked(self) -> str:
        """Why a stage cannot start; empty once it could."""
        return self.folder + "blocked.txt"

    def notice(self, conclusion: str, number: int) -> str:
        """That people were told of one end of the run, or the reason why that try has failed."""
        return f"{self.folder}notices/{conclusion}-{number}.json"

    def approval(self, stage_run: str) -> str:
        """Of what somebody has approved, so that a gated stage may start."""
        return f"{self.folder}approvals/{stage_run}.json"

    @property
    def held(self) -> str:
        """The shards that the run's budget has let wait, and why nothing more of them is submitted."""
        return self.folder + "held.json"

    @property
    def reservations(self) -> str:
        return self.folder + "budget/"

    def reservation(self, number: int) -> str:
        """What one submission may take of the run's budget."""
        return f"{self.reservations}{number}.json"

    def log(self, number: int) -> str:
        """What the worker and CellProfiler printed for one shard."""
        return f"{self.folder}logs/{number}.log"

    def submission(self, number: int) -> str:
        """The claim, then the receipt, of one submission of this run to Batch."""
        return f"{self.submissions}{number}.json"


@dataclass(frozen=True)
class RunRecord:
    """One request with its run id. `document` is the request as it was received."""

    run_id: str
    job: "Job"
    document: Mapping[str, Any]

    @classmethod
    def of(cls, job: "Job", document: Mapping[str, Any]) -> "RunRecord":
        """Derive the run id: the request's `run` name, or its title and a hash of what it asks for.

        The same work gives the same id, which is what makes sending it twice harmless.
        """
        digest = hashlib.sha256(json.dumps(job.work, sort_keys=True).encode()).hexdigest()[:12]
        return cls(run_id=job.run or f"{job.title}-{digest}", job=job, document=document)

    @property
    def keys(self) -> RunKeys:
        return RunKeys(self.run_id)


def run_title(text: str, *, otherwise: str, most: int = 60) -> str:
    """A short name for a run: `text` in the characters that run names may have, `most` of them; `otherwise` if that
    leaves nothing.
    """
    return re.sub(r"[^A-Za-z0-9]+", "-", text).strip("-")[:most] or otherwise


def rejected_key(message_id: str) -> str:
    """Where a refused message and its reason are kept."""
    return f"{RUNS}rejected/{message_id}.json"
