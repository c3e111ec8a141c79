"""One job type on AWS Batch: its role and its job definition."""

import aws_cdk as cdk
from aws_cdk import aws_batch as batch
from aws_cdk import aws_ecs as ecs
from aws_cdk import aws_iam as iam
from aws_cdk import aws_logs as logs
from aws_cdk import aws_s3 as s3
from constructs import Construct

from constants import JobSettings
from stacks.findings import accept_objects
from stacks.runtime_image import RuntimeImage

# Records of runs that people and the dispatcher write; a job that could would approve of its own results, spend more
# than a run's budget, or hand the dispatcher work that nobody asked for.
NOT_A_JOBS = (
    "runs/*/approvals/*",
    "runs/*/budget/*",
    "runs/*/held.json",
    "runs/*/notices/*",
    "runs/*/submissions/*",
    "runs/rejected/*",
)
REQUESTS = "runs/*/request.json"


class WorkerJob(Construct):
    """The job definition of one job type. `mount_point` shows the shared file system, if there is one."""

    def __init__(
        self,
        scope: Construct,
        id_: str,
        *,
        settings: JobSettings,
        attempts: int,
        runtime: RuntimeImage,
        bucket: s3.IBucket,
        log_group: logs.ILogGroup,
        mount_point: str | None,
    ) -> None:
        super().__init__(scope, id_)
        self._settings = settings
        self._runtime = runtime
        self._mount_point = mount_point
        self.job_role = self._build_job_role(bucket)
        self.definition = batch.EcsJobDefinition(
            self,
            "Definition",
            container=self._build_container(log_group),
            # For a job sent by hand without them: `cpb` then says what it lacks.
            parameters={"request": "", "shard": "0", "submission": ""},
            retry_attempts=attempts,
            retry_strategies=_retry_strategies(),
            timeout=cdk.Duration.seconds(settings.timeout_s),
            propagate_tags=True,
        )

    def for_dispatcher(self) -> dict[str, str | int]:
        """What the dispatcher is told of this job type. The ARN is known at deploy time only, and holds nothing that
        JSON would have to escape.
        """
        return {
            "definition": self.definition.job_definition_arn,
            "vcpus": self._settings.vcpu,
            "memory_mib": self._settings.memory_mib,
            "version": self._runtime.settings.version,
        }

    def _build_job_role(self, bucket: s3.IBucket) -> iam.Role:
        """What the worker itself may do: read the data bucket, and write where this job type has to."""
        role = iam.Role(
            self,
            "JobRole",
            assumed_by=iam.ServicePrincipal("ecs-tasks.amazonaws.com"),
            description=f"Worker of Cell Painting Batch: {self._settings.job_type}",
        )
        # Without ListBucket, S3 answers 403 instead of 404 for what is not there.
        role.add_to_policy(iam.PolicyStatement(actions=["s3:ListBucket"], resources=[bucket.bucket_arn]))
        role.add_to_policy(iam.PolicyStatement(actions=["s3:GetObject"], resources=[bucket.arn_for_objects("*")]))
        role.add_to_policy(
            iam.PolicyStatement(
                actions=["s3:AbortMultipartUpload", "s3:PutObject"],
                resources=[bucket.arn_for_objects(keys) for keys in self._settings.writes],
            )
        )
        if self._settings.deletes:
            deleted = [bucket.arn_for_objects(keys) for keys in self._settings.deletes]
            role.add_to_policy(iam.PolicyStatement(actions=["s3:DeleteObject"], resources=deleted))
        role.add_to_policy(
            iam.PolicyStatement(
                effect=iam.Effect.DENY,
                actions=["s3:DeleteObject", "s3:PutObject"],
                resources=[bucket.arn_for_objects(keys) for keys in self._denied()],
            )
        )
        self._accept_patterns(role, bucket)
        return role

    def _denied(self) -> tuple[str, ...]:
        return NOT_A_JOBS if self._settings.plans_stages else (*NOT_A_JOBS, REQUESTS)

    def _accept_patterns(self, role: iam.Role, bucket: s3.IBucket) -> None:
        for keys in dict.fromkeys(("*", *self._settings.writes)):
            accept_objects(
                role,
                bucket,
                keys,
                reason="Requests name inputs and outputs anywhere in the bucket, which is for them; what a job type "
                "always writes to the same place, it may write there only.",
            )

    def _build_container(self, log_group: logs.ILogGroup) -> batch.EcsEc2ContainerDefinition:
        settings, runtime = self._settings, self._runtime.settings
        return batch.EcsEc2ContainerDefinition(
            self,
            "Container",
            image=self._runtime.image,
            command=["run", "--request", "Ref::request", "--shard", "Ref::shard", "--submission", "Ref::submission"],
            cpu=settings.vcpu,
            memory=cdk.Size.mebibytes(settings.memory_mib),
            user=runtime.user,
            privileged=False,
            readonly_root_filesystem=True,
            environment=self._environment(),
            volumes=self._volumes(),
            job_role=self.job_role,
            execution_role=self._runtime.execution_role,
            logging=ecs.LogDriver.aws_logs(log_group=log_group, stream_prefix=settings.job_type),
            # An init as process 1 hands SIGTERM on when Spot takes the host, and reaps what CellProfiler
            # leaves behind.
            linux_parameters=batch.LinuxParameters(self, "Linux", init_process_enabled=True),
        )

    def _environment(self) -> dict[str, str]:
        shared = {} if self._mount_point is None else {"CPB_INPUT_ROOT": self._mount_point}
        return {
            # Without it, S3 is asked in another region, to which the VPC has no way.
            "AWS_DEFAULT_REGION": cdk.Stack.of(self).region,
            "CPB_SCRATCH": self._runtime.settings.scratch,
            # What CloudWatch Logs searches by run, plate and well, and finds metrics in.
            "CPB_LOG_FORMAT": "json",
            # What the container has; a job that gets more is told so.
            "CPB_VCPUS": str(self._settings.vcpu),
            "CPB_MEMORY_MIB": str(self._settings.memory_mib),
            **shared,
        }

    def _volumes(self) -> list[batch.EcsVolume]:
        """Scratch without a host path: every container gets an empty volume that goes when it goes."""
        scratch = batch.EcsVolume.host(name="scratch", container_path=self._runtime.settings.scratch, readonly=False)
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
