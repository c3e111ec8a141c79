"""Jobs inside their images, with Docker or Podman, as Batch runs them."""

import json
import os
import subprocess
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from moto.batch import models as batch

from cellpainting.cli.run import INPUT_MOUNTS
from cellpainting.errors import LocalCloudError
from cellpainting.local.assembly import REPOSITORY
from cellpainting.local.attempt import Command
from cellpainting.local.image_store import ImageStore
from cellpainting.local.job_container import JobContainer, Mount, job_container

SHARES_PER_VCPU = 1024  # as ECS counts them: jobs share what cores there are by their vCPUs
SHOWN = "/mnt/shown"  # where a container has the user's own folders


@dataclass(frozen=True)
class ImageHost:
    """A container engine in the role of Batch's hosts.

    `engine` is the command that runs `cpb-<runtime>:latest`. `variables` lead to the local cloud. `volumes` maps a host
    path of the job definitions (`/fsx`) to the folder that stands for it here. `mounts` are the user's own folders
    shown below the file system. `scratch` is where the engine runs: Podman may leave a file of its own there.
    `credentials` makes the variables by which a job acts by its role, of the role's ARN.
    """

    engine: tuple[str, ...]
    images: ImageStore
    variables: Mapping[str, str]
    volumes: Mapping[str, Path]
    mounts: Mapping[str, Path]
    scratch: Path
    credentials: Callable[[str], Mapping[str, str]]

    def command(self, job: batch.Job, attempt: int) -> Command:
        """`docker run` of the job's image, with what the job's definition gives it and nothing else."""
        return self.run(job_container(job, attempt, self.images))

    def run(self, container: JobContainer) -> Command:
        """The command that runs a container, and the one that removes it if the first was ended before it could."""
        name = f"cpb-{uuid.uuid4().hex}"
        program, *arguments = container.entry_point
        image = f"cpb-{container.runtime}:latest"
        run = (*self.engine, "run", "--rm", "--name", name, *self._options(container), "--entrypoint", program, image)
        return Command(
            words=(*run, *arguments, *container.arguments),
            variables=os.environ,
            directory=self.scratch,
            log_group=container.log_group,
            log_stream_prefix=container.log_stream_prefix,
            removal=(*self.engine, "rm", "--force", "--volumes", name),
        )

    def _options(self, container: JobContainer) -> Iterator[str]:
        yield from ("--network", "host")  # the local cloud listens on this machine's own address only
        yield from ("--cpu-shares", str(SHARES_PER_VCPU * container.vcpus), "--memory", f"{container.memory_mib}m")
        if container.user:
            yield from ("--user", container.user)
        if container.has_init:
            yield "--init"
        if container.has_read_only_root:
            yield "--read-only"
            if Path(self.engine[-1]).name == "podman":
                yield "--read-only-tmpfs=false"  # Podman's own idea: what is written to /run is kept in memory
        shown = {prefix: f"{SHOWN}/{number}" for number, prefix in enumerate(self.mounts)}
        variables = {
            **self.variables,
            **self.credentials(container.role),
            **container.variables,
            INPUT_MOUNTS: json.dumps(shown),
        }
        for variable, value in variables.items():
            yield from ("--env", f"{variable}={value}")
        for mount in container.mounts:
            yield from self._volume(mount)
        for prefix, folder in self.mounts.items():
            yield from _bind(folder, shown[prefix], is_read_only=True)

    def _volume(self, mount: Mount) -> tuple[str, str]:
        if mount.host_path is None:
            return ("--volume", mount.path)
        if mount.host_path not in self.volumes:
            raise LocalCloudError(f"nothing stands here for {mount.host_path}, which a job mounts from its host")
        return _bind(self.volumes[mount.host_path], mount.path, is_read_only=mount.is_read_only)


def find_engine() -> tuple[str, ...]:
    """The command that runs the images, which are built and up to date.

    Raises
    ------
    LocalCloudError
        If no engine runs here, or an image is missing or was built from other sources; with the remedy.
    """
    ended = subprocess.run(
        [REPOSITORY / "scripts" / "build_images.sh", "--ready"], capture_output=True, text=True, check=False
    )
    if ended.returncode != 0:
        raise LocalCloudError(f"jobs cannot run in containers: {ended.stderr.strip()}")
    return tuple(ended.stdout.split())


def _bind(folder: Path, path: str, *, is_read_only: bool) -> tuple[str, str]:
    words = f"type=bind,source={folder},target={path}"
    return ("--mount", f"{words},readonly" if is_read_only else words)
