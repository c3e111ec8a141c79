"""The container image of one runtime, and the role that pulls it."""

from pathlib import Path

import aws_cdk as cdk
from aws_cdk import aws_ecr_assets as ecr_assets
from aws_cdk import aws_ecs as ecs
from aws_cdk import aws_iam as iam
from aws_cdk import aws_logs as logs
from constructs import Construct

from constants import RuntimeSettings
from stacks.findings import accept

CONTAINERS = Path(__file__).resolve().parents[1] / "containers"


class RuntimeImage(Construct):
    """Shared by all job types of a runtime."""

    def __init__(self, scope: Construct, id_: str, *, settings: RuntimeSettings, log_group: logs.ILogGroup) -> None:
        super().__init__(scope, id_)
        self.settings = settings
        self._asset = self._build_asset()
        self.image = ecs.ContainerImage.from_docker_image_asset(self._asset)
        self.execution_role = self._build_execution_role(log_group)

    def _build_asset(self) -> ecr_assets.DockerImageAsset:
        dockerfile = CONTAINERS / self.settings.dockerfile
        return ecr_assets.DockerImageAsset(
            self,
            "Image",
            directory=str(CONTAINERS),
            file=self.settings.dockerfile,
            platform=ecr_assets.Platform.LINUX_AMD64,
            # What .dockerignore leaves out is not part of the image's hash either, nor is what is other images'.
            ignore_mode=cdk.IgnoreMode.DOCKER,
            exclude=sorted(other.parent.name for other in CONTAINERS.glob("*/Dockerfile") if other != dockerfile),
        )

    def _build_execution_role(self, log_group: logs.ILogGroup) -> iam.Role:
        """What the ECS agent does for a job, before the job itself has begun."""
        role = iam.Role(
            self,
            "ExecutionRole",
            assumed_by=iam.ServicePrincipal("ecs-tasks.amazonaws.com"),
            description=f"Pulls the image of the runtime {self.settings.name} and opens its jobs' logs",
        )
        self._asset.repository.grant_pull(role)
        log_group.grant_write(role)
        accept(
            role,
            "IAM5[Resource::*]",
            reason="ecr:GetAuthorizationToken has no resource-level permissions; pulling is limited to the "
            "repository of the image.",
        )
        return role
