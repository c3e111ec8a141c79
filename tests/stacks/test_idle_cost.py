"""What `cpb cost` takes the deployment for is what the deployment is."""

import json
from collections import Counter
from pathlib import Path

from cellpainting.cost.idle import ALARMS, DASHBOARDS, ENDPOINTS, FSX_GIB, ZONES
from cellpainting.cost.job_size import GIVEN
from constants import PRODUCTION


def test_what_jobs_get_and_what_stands_idle_is_what_constants_say() -> None:
    assert {one.runtime: (one.vcpu, one.memory_mib) for one in PRODUCTION.batch.jobs} == GIVEN
    assert PRODUCTION.network.endpoint_zones == ZONES
    assert PRODUCTION.storage.shared_file_system.capacity_gib == FSX_GIB
    assert PRODUCTION.network.nat_gateways == 0


def test_what_stands_idle_is_in_the_templates(assemblies: dict[str, Path]) -> None:
    stacks = (json.loads(path.read_text()) for path in assemblies["s3"].glob("*.template.json"))
    resources = [resource for stack in stacks for resource in stack["Resources"].values()]
    types = Counter(resource["Type"] for resource in resources)
    endpoints = [one["Properties"] for one in resources if one["Type"] == "AWS::EC2::VPCEndpoint"]
    assert sum(one.get("VpcEndpointType") == "Interface" for one in endpoints) == ENDPOINTS
    assert (types["AWS::CloudWatch::Alarm"], types["AWS::CloudWatch::Dashboard"]) == (ALARMS, DASHBOARDS)
