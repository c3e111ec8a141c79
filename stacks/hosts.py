"""The hosts that AWS Batch starts and stops, and the two queues whose jobs run there: Spot, and On-Demand."""

from collections.abc import Collection
from pathlib import Path

import aws_cdk as cdk
from aws_cdk import aws_batch as batch
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_iam as iam
from constructs import Construct

from constants import ComputeSettings
from stacks.findings import accept
from stacks.shared_file_system import SharedFileSystem

INSTANCE_STORAGE = Path(__file__).with_name("instance_storage.sh")
# The ECS agent would report to an endpoint of its own, which costs by the hour and which Batch does not need.
AGENT = "echo ECS_DISABLE_METRICS=true >>/etc/ecs/ecs.config"
# Batch's jobs share their host's network: without it, what a job runs could act as its host.
NO_HOST_CREDENTIALS = (
    "iptables --append OUTPUT --destination 169.254.169.254 --match owner --uid-owner {} --jump REJECT"
)


class Hosts(Construct):
    """Two compute environments that differ in how their hosts are paid for, and a job queue for each.

    They are not one queue's: Batch would start On-Demand hosts whenever the Spot ones are all at work.
    """

    def __init__(
        self,
        scope: Construct,
        id_: str,
        *,
        settings: ComputeSettings,
        vpc: ec2.IVpc,
        job_users: Collection[str],
        shared: SharedFileSystem | None,
    ) -> None:
        super().__init__(scope, id_)
        self._settings = settings
        self._job_uids = sorted({user.partition(":")[0] for user in job_users})
        self._vpc = vpc
        self._role = self._build_role()
        self._launch_template = self._build_launch_template(shared)
        self._security_groups = self._build_security_groups(shared)
        spot = self._build_environment("Spot", spot=True, max_vcpus=settings.spot_max_vcpus)
        on_demand = self._build_environment("OnDemand", spot=False, max_vcpus=settings.on_demand_max_vcpus)
        self.spot_queue = batch.JobQueue(
            self,
            "SpotJobs",
            compute_environments=[batch.OrderedComputeEnvironment(compute_environment=spot, order=1)],
            job_state_time_limit_actions=[self._cancel_without_capacity()],
        )
        self.on_demand_queue = batch.JobQueue(
            self,
            "OnDemandJobs",
            compute_environments=[batch.OrderedComputeEnvironment(compute_environment=on_demand, order=1)],
        )

    def _cancel_without_capacity(self) -> batch.JobStateTimeLimitAction:
        """A cancelled job is one that has ended: the dispatcher sends it to the On-Demand queue."""
        return batch.JobStateTimeLimitAction(
            action=batch.JobStateTimeLimitActionsAction.CANCEL,
            max_time=cdk.Duration.seconds(self._settings.no_capacity_s),
            reason=batch.JobStateTimeLimitActionsReason.INSUFFICIENT_INSTANCE_CAPACITY,
            state=batch.JobStateTimeLimitActionsState.RUNNABLE,
        )

    def _build_environment(self, id_: str, *, spot: bool, max_vcpus: int) -> batch.ManagedEc2EcsComputeEnvironment:
        strategies = batch.AllocationStrategy
        return batch.ManagedEc2EcsComputeEnvironment(
            self,
            id_,
            enabled=self._settings.enabled,
            vpc=self._vpc,
            security_groups=self._security_groups,
            instance_role=self._role,
            launch_template=self._launch_template,
            images=[batch.EcsMachineImage(image_type=batch.EcsMachineImageType.ECS_AL2023)],
            instance_types=[ec2.InstanceType(name) for name in self._settings.instance_types],
            use_optimal_instance_classes=False,
            spot=spot,
            allocation_strategy=strategies.SPOT_PRICE_CAPACITY_OPTIMIZED if spot else strategies.BEST_FIT_PROGRESSIVE,
            minv_cpus=0,
            maxv_cpus=max_vcpus,
        )

    def _build_security_groups(self, shared: SharedFileSystem | None) -> list[ec2.ISecurityGroup]:
        hosts: list[ec2.ISecurityGroup] = [
            ec2.SecurityGroup(self, "Access", vpc=self._vpc, description="Batch hosts: nothing comes in")
        ]
        return hosts if shared is None else [*hosts, shared.security_group]

    def _build_role(self) -> iam.Role:
        policy = "service-role/AmazonEC2ContainerServiceforEC2Role"
        role = iam.Role(
            self,
            "Role",
            assumed_by=iam.ServicePrincipal("ec2.amazonaws.com"),
            description="ECS agent on the hosts of Cell Painting Batch",
            managed_policies=[iam.ManagedPolicy.from_aws_managed_policy_name(policy)],
        )
        accept(
            role,
            f"IAM4[Policy::arn:<AWS::Partition>:iam::aws:policy/{policy}]",
            reason="What the ECS agent calls changes with its version, and AWS keeps this policy in step. "
            "Jobs have roles of their own.",
        )
        return role

    def _build_launch_template(self, shared: SharedFileSystem | None) -> ec2.LaunchTemplate:
        volume = ec2.BlockDeviceVolume.ebs(
            self._settings.root_volume_gib, encrypted=True, volume_type=ec2.EbsDeviceVolumeType.GP3
        )
        return ec2.LaunchTemplate(
            self,
            "Template",
            require_imdsv2=True,
            block_devices=[ec2.BlockDevice(device_name="/dev/xvda", volume=volume)],
            user_data=self._user_data(shared),
        )

    def _user_data(self, shared: SharedFileSystem | None) -> ec2.MultipartUserData:
        """What a host does at its first boot; AWS Batch accepts MIME multi-part only."""
        data = ec2.MultipartUserData()
        # A boothook runs before Docker is started.
        data.add_part(_part("text/cloud-boothook", INSTANCE_STORAGE.read_text()))
        lines = ["#!/bin/bash", AGENT, *map(NO_HOST_CREDENTIALS.format, self._job_uids), ""]
        data.add_part(_part("text/x-shellscript", "\n".join(lines)))
        if shared is not None:
            data.add_part(_part("text/cloud-config", shared.cloud_config()))
        return data


def _part(content_type: str, body: str) -> ec2.MultipartBody:
    return ec2.MultipartBody.from_raw_body(content_type=f'{content_type}; charset="us-ascii"', body=body)
