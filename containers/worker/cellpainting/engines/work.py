"""What any engine has to know to do the shards of a run, or of all stages of one."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from cellpainting.jobs.stage import Stage


@dataclass(frozen=True)
class EngineWork:
    """The shards of a run that are to be done, and what each needs.

    `request_uri` is where the run's request lies; `cpb` the command on the machines that do the work; `timeout_s`
    bounds one shard.
    """

    run_id: str
    document: Mapping[str, Any]
    request_uri: str
    cpb: Path
    shards: tuple[int, ...]
    vcpus: int
    memory_mib: int
    timeout_s: int

    @property
    def command(self) -> list[str]:
        """What does a shard, but for its number, which comes last."""
        resources = ["--vcpus", str(self.vcpus), "--memory-mib", str(self.memory_mib)]
        return [str(self.cpb), "run", "--request", self.request_uri, *resources, "--shard"]


@dataclass(frozen=True)
class StageFiles:
    """A stage whose files an engine has written into `folder`, a name; `start` is typed in there to start it."""

    stage: Stage
    folder: str
    start: str


class Engine(Protocol):
    """Writes an engine's files into a folder, in place of those of an earlier plan."""

    def __call__(self, work: EngineWork, folder: Path) -> str:
        """Write the files; returns the command that starts the work when it is typed in that folder."""
        ...
