"""Jobs as processes of this machine: its Python, its CellProfiler, its starfish."""

import json
import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from moto.batch import models as batch

from cellpainting.cli.run import INPUT_MOUNTS
from cellpainting.local.attempt import Command
from cellpainting.local.image_store import ImageStore
from cellpainting.local.job_container import JobContainer, job_container

# Of this machine, to each job.
PASSED_ON = ("HOME", "JAVA_HOME", "LANG", "LC_ALL", "TMPDIR", "TZ", "OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")


@dataclass(frozen=True)
class ProcessHost:
    """This machine in the role of Batch's hosts, without containers.

    `volumes` maps a host path of the job definitions (`/fsx`) to the folder that stands for it here; other volumes
    get a folder below `scratch`. `mounts` are the user's own folders shown below the file system. `credentials` makes
    the variables by which a job acts by its role, of the role's ARN.
    """

    images: ImageStore
    variables: Mapping[str, str]
    volumes: Mapping[str, Path]
    mounts: Mapping[str, Path]
    scratch: Path
    credentials: Callable[[str], Mapping[str, str]]

    def command(self, job: batch.Job, attempt: int) -> Command:
        """The entry point of the job's image, found in this environment's scripts, with the job's arguments."""
        container = job_container(job, attempt, self.images)
        program, *arguments = container.entry_point
        return Command(
            words=(str(Path(sys.executable).parent / program), *arguments, *container.arguments),
            variables=self._variables(container),
            directory=self.scratch,
            log_group=container.log_group,
            log_stream_prefix=container.log_stream_prefix,
        )

    def _variables(self, container: JobContainer) -> dict[str, str]:
        places = {mount.path: self._folder(mount.host_path) for mount in container.mounts}
        ours = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
        theirs = {name: str(places.get(value, value)) for name, value in container.variables.items()}
        shown = json.dumps({prefix: str(folder) for prefix, folder in self.mounts.items()})
        given = {**self.variables, **self.credentials(container.role)}
        return {**ours, **given, **theirs, INPUT_MOUNTS: shown}

    def _folder(self, host_path: str | None) -> Path:
        folder = self.volumes.get(host_path or "", self.scratch)
        folder.mkdir(parents=True, exist_ok=True)
        return folder
