"""`batch-cpb`: from the request queue to the containers."""

import aws_cdk as cdk
from aws_cdk import aws_batch as batch
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_iam as iam
from aws_cdk import aws_logs as logs
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from constants import BatchSettings, ComputeSettings, RequestQueueSettings
from stacks.dispatcher import Dispatcher
from stacks.findings import accept
from stacks.shared_file_system import SharedFileSystem
from stacks.storage import StorageStack
from stacks.worker_job import WorkerJob


class BatchStack(cdk.Stack):
    """Request queue, dispatcher, hosts, and one job definition per runtime."""

    def __init__(
        self,
        scope: Construct,
        id_: str,
        *,
        settings: BatchSettings,
        vpc: ec2.IVpc,
        storage: StorageStack,
        env: cdk.Environment | None = None,
    ) -> None:
        super().__init__(scope, id_, env=env, description="Cell Painting Batch: queue, dispatcher and jobs")
        self.request_queue = self._build_request_queue(settings.request_queue)
        self.job_logs = logs.LogGroup(
            self,
            "JobLogs",
            retention=logs.RetentionDays[settings.job_log_retention],
            removal_policy=cdk.RemovalPolicy.DESTROY,
        )
        self.job_queue = self._build_job_queue(settings.compute, vpc, storage.shared_file_system)
        self.workers = self._build_workers(settings, storage)
        self.dispatcher = Dispatcher(
            self,
            "Dispatcher",
            settings=settings.dispatcher,
            request_queue=self.request_queue,
            bucket=storage.bucket,
            job_queue=self.job_queue,
            workers=self.workers,
        )
        self._add_outputs(storage)

    def _build_request_queue(self, settings: RequestQueueSettings) -> sqs.Queue:
        dead_letters = sqs.Queue(
            self,
            "DeadLetters",
            encryption=sqs.QueueEncryption.SQS_MANAGED,
            enforce_ssl=True,
            retention_period=cdk.Duration.days(settings.dead_letter_days),
        )
        return sqs.Queue(
            self,
            "Requests",
            encryption=sqs.QueueEncryption.SQS_MANAGED,
            enforce_ssl=True,
            visibility_timeout=cdk.Duration.seconds(settings.visibility_timeout_s),
            dead_letter_queue=sqs.DeadLetterQueue(queue=dead_letters, max_receive_count=settings.max_receive_count),
        )

    def _build_job_queue(
        self, settings: ComputeSettings, vpc: ec2.IVpc, shared: SharedFileSystem | None
    ) -> batch.JobQueue:
        environment = batch.ManagedEc2EcsComputeEnvironment(
            self,
            "Hosts",
            vpc=vpc,
            security_groups=self._host_security_groups(vpc, shared),
            instance_role=self._build_host_role(),
            launch_template=self._build_launch_template(settings, shared),
            images=[batch.EcsMachineImage(image_type=batch.EcsMachineImageType.ECS_AL2023)],
            instance_types=[ec2.InstanceType(name) for name in settings.instance_types],
            use_optimal_instance_classes=False,
            spot=True,
            allocation_strategy=batch.AllocationStrategy.SPOT_PRICE_CAPACITY_OPTIMIZED,
            minv_cpus=0,
            maxv_cpus=settings.max_vcpus,
        )
        queue = batch.JobQueue(self, "Jobs")
        queue.add_compute_environment(environment, 1)
        return queue

    def _host_security_groups(self, vpc: ec2.IVpc, shared: SharedFileSystem | None) -> list[ec2.ISecurityGroup]:
        hosts: list[ec2.ISecurityGroup] = [
            ec2.SecurityGroup(self, "HostAccess", vpc=vpc, description="Batch hosts: nothing comes in")
        ]
        return hosts if shared is None else [*hosts, shared.security_group]

    def _build_host_role(self) -> iam.Role:
        policy = "service-role/AmazonEC2ContainerServiceforEC2Role"
        role = iam.Role(
            self,
            "HostRole",
            assumed_by=iam.ServicePrincipal("ec2.amazonaws.com"),
            description="ECS agent on the hosts of Cell Painting Batch",
            managed_policies=[iam.ManagedPolicy.from_aws_managed_policy_name(policy)],
        )
        accept(
            role,
            f"IAM4[Policy::arn:<AWS::Partition>:iam::aws:policy/{policy}]",
            reason="What the ECS agent calls changes with its version, and AWS keeps this policy in step. "
            "Jobs have a role of their own.",
        )
        return role

    def _build_launch_template(self, settings: ComputeSettings, shared: SharedFileSystem | None) -> ec2.LaunchTemplate:
        volume = ec2.BlockDeviceVolume.ebs(
            settings.root_volume_gib, encrypted=True, volume_type=ec2.EbsDeviceVolumeType.GP3
        )
        return ec2.LaunchTemplate(
            self,
            "HostTemplate",
            require_imdsv2=True,
            block_devices=[ec2.BlockDevice(device_name="/dev/xvda", volume=volume)],
            user_data=None if shared is None else shared.host_user_data(),
        )

    def _build_workers(self, settings: BatchSettings, storage: StorageStack) -> dict[str, WorkerJob]:
        shared = storage.shared_file_system
        return {
            worker.runtime: WorkerJob(
                self,
                f"Worker-{worker.runtime}",
                settings=worker,
                bucket=storage.bucket,
                log_group=self.job_logs,
                mount_point=None if shared is None else shared.mount_point,
            )
            for worker in settings.workers
        }

    def _add_outputs(self, storage: StorageStack) -> None:
        """The first three are what the README and people's scripts look up: ids and export names stay."""
        cdk.CfnOutput(self, "BucketName", value=storage.bucket.bucket_name, export_name="BucketName")
        cdk.CfnOutput(self, "SQSQueueURL", value=self.request_queue.queue_url, export_name="SQSQueueURL")
        cdk.CfnOutput(self, "BatchJobQueueARN", value=self.job_queue.job_queue_arn)
        cdk.CfnOutput(self, "DispatcherLogGroup", value=self.dispatcher.log_group.log_group_name)
        cdk.CfnOutput(self, "JobLogGroup", value=self.job_logs.log_group_name)
