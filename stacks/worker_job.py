"""One runtime on AWS Batch: its image, its roles and its one job definition."""

from pathlib import Path

import aws_cdk as cdk
from aws_cdk import aws_batch as batch
from aws_cdk import aws_ecr_assets as ecr_assets
from aws_cdk import aws_ecs as ecs
from aws_cdk import aws_iam as iam
from aws_cdk import aws_logs as logs
from aws_cdk import aws_s3 as s3
from constructs import Construct

from constants import WorkerSettings
from stacks.findings import accept, accept_objects

CONTAINERS = Path(__file__).resolve().parents[1] / "containers"


class WorkerJob(Construct):
    """The job definition of one runtime. `mount_point` shows the shared file system, if there is one."""

    def __init__(
        self,
        scope: Construct,
        id_: str,
        *,
        settings: WorkerSettings,
        bucket: s3.IBucket,
        log_group: logs.ILogGroup,
        mount_point: str | None,
    ) -> None:
        super().__init__(scope, id_)
        self._settings = settings
        self._mount_point = mount_point
        self.job_role = self._build_job_role(bucket)
        self.definition = batch.EcsJobDefinition(
            self,
            "Definition",
            container=self._build_container(log_group),
            # For a job sent by hand without them: `cpb` then says what it lacks.
            parameters={"request": "", "shard": "0", "submission": ""},
            retry_attempts=settings.attempts,
            retry_strategies=_retry_strategies(),
            timeout=cdk.Duration.seconds(settings.timeout_s),
        )

    def for_dispatcher(self) -> dict[str, str | int]:
        """What the dispatcher is told of this runtime. The ARN is known at deploy time only, and holds nothing that
        JSON would have to escape.
        """
        return {
            "definition": self.definition.job_definition_arn,
            "vcpus": self._settings.vcpu,
            "memory_mib": self._settings.memory_mib,
            "version": self._settings.version,
        }

    def _build_job_role(self, bucket: s3.IBucket) -> iam.Role:
        """What the worker itself may do: read and write the data bucket."""
        role = iam.Role(
            self,
            "JobRole",
            assumed_by=iam.ServicePrincipal("ecs-tasks.amazonaws.com"),
            description="Worker of Cell Painting Batch",
        )
        # Without ListBucket, S3 answers 403 instead of 404 for what is not there.
        role.add_to_policy(iam.PolicyStatement(actions=["s3:ListBucket"], resources=[bucket.bucket_arn]))
        role.add_to_policy(
            iam.PolicyStatement(
                actions=["s3:AbortMultipartUpload", "s3:DeleteObject", "s3:GetObject", "s3:PutObject"],
                resources=[bucket.arn_for_objects("*")],
            )
        )
        accept_objects(
            role,
            bucket,
            "*",
            reason="Requests name inputs and outputs anywhere in the bucket, which is for them.",
        )
        return role

    def _build_container(self, log_group: logs.ILogGroup) -> batch.EcsEc2ContainerDefinition:
        settings = self._settings
        container = batch.EcsEc2ContainerDefinition(
            self,
            "Container",
            image=ecs.ContainerImage.from_docker_image_asset(self._build_image()),
            command=["run", "--request", "Ref::request", "--shard", "Ref::shard", "--submission", "Ref::submission"],
            cpu=settings.vcpu,
            memory=cdk.Size.mebibytes(settings.memory_mib),
            user=settings.user,
            privileged=False,
            readonly_root_filesystem=True,
            environment=self._environment(),
            volumes=self._volumes(),
            job_role=self.job_role,
            logging=ecs.LogDriver.aws_logs(log_group=log_group, stream_prefix=settings.runtime),
            # An init as process 1 hands SIGTERM on when Spot takes the host, and reaps what CellProfiler
            # leaves behind.
            linux_parameters=batch.LinuxParameters(self, "Linux", init_process_enabled=True),
        )
        accept(
            container.execution_role,
            "IAM5[Resource::*]",
            reason="ecr:GetAuthorizationToken has no resource-level permissions; pulling is limited to the "
            "repository of the image.",
        )
        return container

    def _build_image(self) -> ecr_assets.DockerImageAsset:
        dockerfile = CONTAINERS / self._settings.dockerfile
        return ecr_assets.DockerImageAsset(
            self,
            "Image",
            directory=str(CONTAINERS),
            file=self._settings.dockerfile,
            platform=ecr_assets.Platform.LINUX_AMD64,
            # What .dockerignore leaves out is not part of the image's hash either, nor is what is other images'.
            ignore_mode=cdk.IgnoreMode.DOCKER,
            exclude=sorted(other.parent.name for other in CONTAINERS.glob("*/Dockerfile") if other != dockerfile),
        )

    def _environment(self) -> dict[str, str]:
        shared = {} if self._mount_point is None else {"CPB_INPUT_ROOT": self._mount_point}
        return {
            "CPB_SCRATCH": self._settings.scratch,
            # What the container has; a job that gets more is told so.
            "CPB_VCPUS": str(self._settings.vcpu),
            "CPB_MEMORY_MIB": str(self._settings.memory_mib),
            **shared,
        }

    def _volumes(self) -> list[batch.EcsVolume]:
        """Scratch without a host path: every container gets an empty volume that goes when it goes."""
        scratch = batch.EcsVolume.host(name="scratch", container_path=self._settings.scratch, readonly=False)
        if self._mount_point is None:
            return [scratch]
        shared = batch.EcsVolume.host(
            name="shared", host_path=self._mount_point, container_path=self._mount_point, readonly=True
        )
        return [scratch, shared]


def _retry_strategies() -> list[batch.RetryStrategy]:
    """Failed work and invalid requests fail again, and so does what wants more memory, which the dispatcher gives it;
    everything that no rule names is tried again.

    That is: a process that was killed (137), a storage that could not be reached (75), a host that broke.
    """
    failed_work, invalid_request = "1", "2"
    return [
        batch.RetryStrategy.of(batch.Action.RETRY, batch.Reason.SPOT_INSTANCE_RECLAIMED),
        batch.RetryStrategy.of(batch.Action.EXIT, batch.Reason.custom(on_reason="OutOfMemoryError*")),
        batch.RetryStrategy.of(batch.Action.EXIT, batch.Reason.custom(on_exit_code=failed_work)),
        batch.RetryStrategy.of(batch.Action.EXIT, batch.Reason.custom(on_exit_code=invalid_request)),
    ]
