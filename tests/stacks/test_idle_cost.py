"""What `cpb cost` takes the deployment for is what the deployment is."""

import json
from pathlib import Path

from cellpainting.cost.idle import ENDPOINTS, FSX_GIB, ZONES
from cellpainting.cost.job_size import GIVEN
from constants import PRODUCTION


def test_what_jobs_get_and_what_stands_idle_is_what_constants_say() -> None:
    assert {one.runtime: (one.vcpu, one.memory_mib) for one in PRODUCTION.batch.jobs} == GIVEN
    assert PRODUCTION.network.endpoint_zones == ZONES
    assert PRODUCTION.storage.shared_file_system.capacity_gib == FSX_GIB
    assert PRODUCTION.network.nat_gateways == 0


def test_idle_endpoints_are_those_of_the_template(assemblies: dict[str, Path]) -> None:
    resources = json.loads((assemblies["s3"] / "network-cpb.template.json").read_text())["Resources"].values()
    endpoints = [one for one in resources if one["Type"] == "AWS::EC2::VPCEndpoint"]
    assert sum(one["Properties"].get("VpcEndpointType") == "Interface" for one in endpoints) == ENDPOINTS
