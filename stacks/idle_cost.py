"""What the deployment costs while nothing runs, told at each synthesis."""

import aws_cdk as cdk

from cellpainting.cost.idle import idle_cost
from constants import Settings
from stacks.batch import BatchStack
from stacks.network import HOST_SERVICES


def tell_idle_cost(stack: BatchStack, settings: Settings) -> None:
    """Add it to what the CDK command line prints about a stack."""
    network, storage = settings.network, settings.storage
    cost = idle_cost(
        endpoints=len(HOST_SERVICES) if network.endpoints else 0,
        endpoint_zones=network.endpoint_zones,
        nat_gateways=network.nat_gateways,
        fsx_gib=storage.shared_file_system.capacity_gib if storage.mode == "fsx" else 0,
        alarms=len(stack.monitoring.alarms),
        dashboards=1,
    )
    cdk.Annotations.of(stack).add_info(cost.sentence)
