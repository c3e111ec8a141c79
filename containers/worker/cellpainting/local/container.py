"""What a job's container would be, as a command on this machine: entry point, environment, mounts, log group."""

import json
import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from moto.batch import models as batch

from cellpainting.cli.run import ARRAY_INDEX, INPUT_MOUNTS
from cellpainting.errors import LocalCloudError
from cellpainting.local.image_store import ImageStore
from cellpainting.local.retry import lower_keys

DEFAULT_LOG_GROUP = "/aws/batch/job"
# Of this machine, to each job.
PASSED_ON = ("HOME", "JAVA_HOME", "LANG", "LC_ALL", "TMPDIR", "TZ", "OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")


@dataclass(frozen=True)
class Container:
    """One attempt's command, environment and working directory, and where its log goes."""

    command: tuple[str, ...]
    variables: Mapping[str, str]
    directory: Path
    log_group: str
    log_stream_prefix: str


@dataclass(frozen=True)
class ContainerHost:
    """This machine in the role of Batch's hosts.

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

    def container(self, job: batch.Job, attempt: int) -> Container:
        """The container of one attempt of a job."""
        properties = lower_keys(job.job_definition.container_properties)
        options = (properties.get("logConfiguration") or {}).get("options", {})
        arguments = job._add_parameters_to_command(job._get_container_property("command", []))
        return Container(
            command=(*self._entry_point(properties["image"]), *arguments),
            variables=self._variables(job, properties, attempt),
            directory=self.scratch,
            log_group=options.get("awslogs-group", DEFAULT_LOG_GROUP),
            log_stream_prefix=options.get("awslogs-stream-prefix", job.job_definition.name),
        )

    def _entry_point(self, image: str) -> tuple[str, ...]:
        """The Dockerfile's own ENTRYPOINT, found in this environment's scripts."""
        program, *arguments = entry_point(self.images.dockerfile(image))
        return (str(Path(sys.executable).parent / program), *arguments)

    def _variables(self, job: batch.Job, properties: Mapping[str, object], attempt: int) -> dict[str, str]:
        environment = {item["name"]: item["value"] for item in job._get_container_property("environment", [])}
        places = self._mount_points(properties)
        ours = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
        variables = {**ours, **self.variables, **self.credentials(str(properties["jobRoleArn"]))}
        variables |= {name: str(places.get(value, value)) for name, value in environment.items()}
        variables |= {
            INPUT_MOUNTS: json.dumps({prefix: str(folder) for prefix, folder in self.mounts.items()}),
            "AWS_BATCH_JOB_ID": job.job_id,
            "AWS_BATCH_JOB_ATTEMPT": str(attempt),
            "AWS_BATCH_JQ_NAME": job.job_queue.name,
        }
        if "index" in job.array_properties:
            variables[ARRAY_INDEX] = str(job.array_properties["index"])
        return variables

    def _mount_points(self, properties: Mapping[str, object]) -> dict[str, Path]:
        """Each mounted path of the container with the folder that stands for it."""
        volumes: list[dict[str, dict[str, str]]] = properties.get("volumes") or []  # type: ignore[assignment]
        hosts = {str(volume["name"]): (volume.get("host") or {}).get("sourcePath") for volume in volumes}
        mount_points: list[dict[str, str]] = properties.get("mountPoints") or []  # type: ignore[assignment]
        return {point["containerPath"]: self._folder(hosts[point["sourceVolume"]]) for point in mount_points}

    def _folder(self, host_path: str | None) -> Path:
        folder = self.volumes.get(host_path or "", self.scratch)
        folder.mkdir(parents=True, exist_ok=True)
        return folder


def entry_point(dockerfile: Path) -> list[str]:
    """The ENTRYPOINT of a Dockerfile, in its exec form.

    Raises
    ------
    LocalCloudError
        If it has none, or one in shell form.
    """
    lines = [line for line in dockerfile.read_text().splitlines() if line.startswith("ENTRYPOINT")]
    if not lines or not lines[-1].removeprefix("ENTRYPOINT").strip().startswith("["):
        raise LocalCloudError(f"{dockerfile} has no ENTRYPOINT in exec form (a JSON list)")
    return list(map(str, json.loads(lines[-1].removeprefix("ENTRYPOINT"))))
