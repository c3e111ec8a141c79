"""The container of a Batch job, as its definition, its parameters and its overrides describe it."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from moto.batch import models as batch

from cellpainting.cli.run import ARRAY_INDEX
from cellpainting.errors import LocalCloudError
from cellpainting.local.image_store import ImageStore
from cellpainting.local.retry import lower_keys

DEFAULT_LOG_GROUP = "/aws/batch/job"


@dataclass(frozen=True)
class Mount:
    """A volume of a container. Without a path on the host it is an empty one, which goes with the container."""

    path: str
    host_path: str | None
    is_read_only: bool


@dataclass(frozen=True)
class JobContainer:
    """One attempt's container. `runtime` names its image; `role` is the ARN of what it acts as; `user` is uid:gid, or
    empty for the image's own; without memory (0 MiB) it has no limit.
    """

    runtime: str
    entry_point: tuple[str, ...]
    arguments: tuple[str, ...]
    variables: Mapping[str, str]
    mounts: tuple[Mount, ...]
    role: str
    user: str
    has_read_only_root: bool
    has_init: bool
    vcpus: int
    memory_mib: int
    log_group: str
    log_stream_prefix: str


def job_container(job: batch.Job, attempt: int, images: ImageStore) -> JobContainer:
    """Describe the container of one attempt of a job.

    Raises
    ------
    LocalCloudError
        If its image is none that was deployed here, or the image's Dockerfile has no entry point.
    """
    properties = lower_keys(job.job_definition.container_properties)
    options = (properties.get("logConfiguration") or {}).get("options", {})
    dockerfile = images.dockerfile(properties["image"])
    return JobContainer(
        runtime=dockerfile.parent.name,
        entry_point=entry_point(dockerfile),
        arguments=tuple(job._add_parameters_to_command(job._get_container_property("command", []))),
        variables=_variables(job, attempt),
        mounts=tuple(_mounts(properties)),
        role=str(properties["jobRoleArn"]),
        user=properties.get("user") or "",
        has_read_only_root=bool(properties.get("readonlyRootFilesystem")),
        has_init=bool((properties.get("linuxParameters") or {}).get("initProcessEnabled")),
        vcpus=int(float(requirement(job, "VCPU", "1"))),
        memory_mib=int(requirement(job, "MEMORY", "0")),
        log_group=options.get("awslogs-group", DEFAULT_LOG_GROUP),
        log_stream_prefix=options.get("awslogs-stream-prefix", job.job_definition.name),
    )


def requirement(job: batch.Job, kind: str, default: str) -> str:
    """A resource requirement (`VCPU` or `MEMORY`, in MiB) of a job: its own, else its definition's."""
    definition: dict[str, Any] = lower_keys(job.job_definition.container_properties or {})
    for source in (lower_keys(job.container_overrides), definition):
        for item in source.get("resourceRequirements", []):
            if item["type"] == kind:
                return str(item["value"])
    return default


def entry_point(dockerfile: Path) -> tuple[str, ...]:
    """The ENTRYPOINT of a Dockerfile, in its exec form.

    Raises
    ------
    LocalCloudError
        If it has none, or one in shell form.
    """
    lines = [line for line in dockerfile.read_text().splitlines() if line.startswith("ENTRYPOINT")]
    if not lines or not lines[-1].removeprefix("ENTRYPOINT").strip().startswith("["):
        raise LocalCloudError(f"{dockerfile} has no ENTRYPOINT in exec form (a JSON list)")
    return tuple(map(str, json.loads(lines[-1].removeprefix("ENTRYPOINT"))))


def _variables(job: batch.Job, attempt: int) -> dict[str, str]:
    """What the definition and the request say, and what Batch tells each job."""
    variables = {item["name"]: item["value"] for item in job._get_container_property("environment", [])}
    variables |= {
        "AWS_BATCH_JOB_ID": job.job_id,
        "AWS_BATCH_JOB_ATTEMPT": str(attempt),
        "AWS_BATCH_JQ_NAME": job.job_queue.name,
    }
    if "index" in job.array_properties:
        variables[ARRAY_INDEX] = str(job.array_properties["index"])
    return variables


def _mounts(properties: Mapping[str, Any]) -> Iterator[Mount]:
    volumes = properties.get("volumes") or []
    host_paths = {volume["name"]: (volume.get("host") or {}).get("sourcePath") for volume in volumes}
    for point in properties.get("mountPoints") or []:
        yield Mount(point["containerPath"], host_paths[point["sourceVolume"]], bool(point.get("readOnly")))
