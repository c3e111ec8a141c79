"""`network-cpb`: a VPC without a way out, and the endpoints that Batch hosts need."""

import aws_cdk as cdk
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_logs as logs
from constructs import Construct

from constants import NetworkSettings

_Service = ec2.InterfaceVpcEndpointAwsService

# What a Batch host calls: the image, the agent's two endpoints, the jobs' logs. The dispatcher is not in the VPC, so
# neither SQS nor Batch is in this list; nor is the agent's telemetry, which is off (stacks/hosts.py).
HOST_SERVICES = {
    "EcrApi": _Service.ECR,
    "EcrDocker": _Service.ECR_DOCKER,
    "Ecs": _Service.ECS,
    "EcsAgent": _Service.ECS_AGENT,
    "Logs": _Service.CLOUDWATCH_LOGS,
}


class NetworkStack(cdk.Stack):
    """Private subnets, endpoints and a flow log."""

    def __init__(
        self, scope: Construct, id_: str, *, settings: NetworkSettings, env: cdk.Environment | None = None
    ) -> None:
        super().__init__(scope, id_, env=env, description="Cell Painting Batch: network")
        self._settings = settings
        self.vpc = self._build_vpc()
        if settings.endpoints:
            self._add_endpoints()
        self._add_flow_log()

    @property
    def availability_zones(self) -> list[str]:
        """Zones by position: CloudFormation fills them in, so synthesis never asks an account."""
        zones = cdk.Fn.get_azs()
        return [cdk.Fn.select(index, zones) for index in range(self._settings.availability_zones)]

    def _build_vpc(self) -> ec2.Vpc:
        return ec2.Vpc(
            self,
            "Vpc",
            ip_addresses=ec2.IpAddresses.cidr(self._settings.cidr),
            max_azs=self._settings.availability_zones,
            nat_gateways=self._settings.nat_gateways,
            subnet_configuration=self._subnets(),
            gateway_endpoints={"S3": ec2.GatewayVpcEndpointOptions(service=ec2.GatewayVpcEndpointAwsService.S3)},
            # Emptying the default group takes a function with a role of its own, and nothing uses that group.
            restrict_default_security_group=False,
        )

    def _subnets(self) -> list[ec2.SubnetConfiguration]:
        if self._settings.nat_gateways == 0:
            return [_subnet("Private", ec2.SubnetType.PRIVATE_ISOLATED)]
        return [
            _subnet("Private", ec2.SubnetType.PRIVATE_WITH_EGRESS),
            _subnet("Public", ec2.SubnetType.PUBLIC),
        ]

    def _add_endpoints(self) -> None:
        callers = ec2.SecurityGroup(
            self,
            "EndpointAccess",
            vpc=self.vpc,
            description="HTTPS from inside the VPC to the endpoints of AWS services",
            allow_all_outbound=False,
        )
        # The range is given literally: cdk-nag can't judge a rule whose range is known at deploy time only.
        callers.add_ingress_rule(ec2.Peer.ipv4(self._settings.cidr), ec2.Port.tcp(443), "HTTPS from the VPC")
        private = self.vpc.isolated_subnets or self.vpc.private_subnets
        subnets = ec2.SubnetSelection(subnets=private[: self._settings.endpoint_zones])
        for name, service in HOST_SERVICES.items():
            self.vpc.add_interface_endpoint(
                name, service=service, security_groups=[callers], subnets=subnets, open=False
            )

    def _add_flow_log(self) -> None:
        group = logs.LogGroup(
            self,
            "FlowLogs",
            retention=logs.RetentionDays[self._settings.flow_log_retention],
            removal_policy=cdk.RemovalPolicy.DESTROY,
        )
        self.vpc.add_flow_log("FlowLog", destination=ec2.FlowLogDestination.to_cloud_watch_logs(group))


def _subnet(name: str, subnet_type: ec2.SubnetType) -> ec2.SubnetConfiguration:
    return ec2.SubnetConfiguration(name=name, subnet_type=subnet_type)
