"""What moto 5.2.5's CloudFormation lacks for the unmodified templates to deploy, change and go again."""

from collections.abc import Callable
from typing import Any, cast

from moto.batch import models as batch
from moto.cloudformation import parsing
from moto.core.common_models import CloudFormationModel

from cellpainting.local.moto_cloudformation import repair_cloudformation

SERVICE_ROLE = "AWSServiceRoleForBatch"  # AWS makes this service-linked role by itself
ACCOUNT = "123456789012"
# Types that moto has a model of, and that a stand-in suits better.
REPLACED = (
    # moto enforces bucket policies but ignores their conditions: the TLS-only Deny would refuse every PUT.
    "AWS::S3::BucketPolicy",
    "AWS::SQS::QueuePolicy",
)

Client = Callable[[str], Any]


def complete_moto(client: Client, on_deployed: Callable[[str], None]) -> None:
    """Add the missing models and repair the incomplete ones; `client` makes a boto3 client of a service, `on_deployed`
    gets the name of each stack that was made, changed or deleted through a change set or by its deletion.
    """
    _repair_batch(client)
    StandIn.client = staticmethod(client)
    find = parsing.get_model_map().get
    ignored = frozenset(parsing.NULL_MODELS)

    def model(resource_type: str) -> Any:
        if resource_type in ignored or resource_type.startswith("Custom::"):
            return parsing.CustomModel if resource_type.startswith("Custom::") else None
        return StandIn if resource_type in REPLACED else find(resource_type, StandIn)

    parsing.resource_class_from_type = model
    repair_cloudformation(_deletions(client), on_deployed)


class StandIn(CloudFormationModel):  # type: ignore[misc]
    """A resource of a type that moto has no model of: something to refer to, and for most types nothing behind it."""

    __module__ = "moto.localcloud.models"  # moto reads a service name from the module's path
    client: Client

    def __init__(self, resource_type: str, physical_id: str) -> None:
        self.type = resource_type
        self.physical_resource_id = physical_id

    @staticmethod
    def cloudformation_name_type() -> str:
        return ""

    @staticmethod
    def cloudformation_type() -> str:
        return ""

    @classmethod
    def has_cfn_attr(cls, attr: str) -> bool:
        return True

    @classmethod
    def create_from_cloudformation_json(
        cls, resource_name: str, cloudformation_json: Any, account_id: str, region_name: str, **_: Any
    ) -> "StandIn":
        resource_type = cloudformation_json["Type"]
        if resource_type == "AWS::FSx::FileSystem":
            return cls(resource_type, _create_file_system(cls.client("fsx"), cloudformation_json["Properties"]))
        return cls(resource_type, resource_name)

    @classmethod
    def update_from_cloudformation_json(
        cls,
        original_resource: "StandIn",
        new_resource_name: str,
        cloudformation_json: Any,
        account_id: str,
        region_name: str,
    ) -> "StandIn":
        return original_resource

    def delete(self, account_id: str, region_name: str) -> None:
        if self.type == "AWS::FSx::FileSystem":
            self.client("fsx").delete_file_system(FileSystemId=self.physical_resource_id)

    def get_cfn_attribute(self, attribute_name: str) -> str:
        if attribute_name.endswith("Arn"):
            service = self.type.split("::")[1].lower()
            return f"arn:aws:{service}:us-east-1:{ACCOUNT}:{self.physical_resource_id}"
        return "fsx" if attribute_name == "LustreMountName" else self.physical_resource_id


def _create_file_system(fsx: Any, properties: dict[str, Any]) -> str:
    made = fsx.create_file_system(
        FileSystemType=properties["FileSystemType"],
        StorageCapacity=int(properties["StorageCapacity"]),
        SubnetIds=properties["SubnetIds"],
        SecurityGroupIds=properties.get("SecurityGroupIds", []),
        LustreConfiguration={"DeploymentType": properties["LustreConfiguration"]["DeploymentType"]},
    )
    return cast(str, made["FileSystem"]["FileSystemId"])


def _deletions(client: Client) -> dict[str, Callable[[str], Any]]:
    """How resources go that moto's models leave behind, by type; each takes a physical id."""
    ec2, aws_batch = client("ec2"), client("batch")
    return {
        "AWS::Batch::ComputeEnvironment": lambda arn: aws_batch.delete_compute_environment(computeEnvironment=arn),
        "AWS::Batch::JobDefinition": lambda arn: aws_batch.deregister_job_definition(jobDefinition=arn),
        "AWS::Batch::JobQueue": lambda arn: aws_batch.delete_job_queue(jobQueue=arn),
        "AWS::EC2::FlowLog": lambda id_: ec2.delete_flow_logs(FlowLogIds=[id_]),
        "AWS::EC2::RouteTable": lambda id_: _delete_route_table(ec2, id_),
        "AWS::EC2::VPCEndpoint": lambda id_: ec2.delete_vpc_endpoints(VpcEndpointIds=[id_]),
    }


def _delete_route_table(ec2: Any, route_table: str) -> None:
    """With its associations, of which moto's models do not know the ids."""
    (described,) = ec2.describe_route_tables(RouteTableIds=[route_table])["RouteTables"]
    for association in described["Associations"]:
        ec2.disassociate_route_table(AssociationId=association["RouteTableAssociationId"])
    ec2.delete_route_table(RouteTableId=route_table)


def _repair_batch(client: Client) -> None:
    for model in (batch.ComputeEnvironment, batch.JobQueue, batch.JobDefinition):
        model.get_cfn_attribute = lambda self, attribute_name: self.arn
        model.has_cfn_attr = classmethod(lambda cls, attr: attr.endswith("Arn"))
    for model in (batch.ComputeEnvironment, batch.JobQueue):  # running jobs and their events name the queue
        model.update_from_cloudformation_json = classmethod(lambda cls, original_resource, **_: original_resource)
    _repair(batch.ComputeEnvironment, lambda properties: _complete_compute_environment(client("iam"), properties))
    _repair(batch.JobDefinition, _lower_case_timeout)


def _repair(model: Any, complete: Callable[[dict[str, Any]], None]) -> None:
    create = model.create_from_cloudformation_json.__func__

    def create_completed(cls: Any, resource_name: str, cloudformation_json: Any, *args: Any, **kwargs: Any) -> Any:
        complete(cloudformation_json["Properties"])
        return create(cls, resource_name, cloudformation_json, *args, **kwargs)

    model.create_from_cloudformation_json = classmethod(create_completed)


def _complete_compute_environment(iam: Any, properties: dict[str, Any]) -> None:
    properties["Type"] = properties["Type"].upper()  # CDK writes `managed`, which CloudFormation takes
    if not properties.get("ServiceRole"):
        try:
            role = iam.get_role(RoleName=SERVICE_ROLE)
        except iam.exceptions.NoSuchEntityException:
            role = iam.create_role(RoleName=SERVICE_ROLE, AssumeRolePolicyDocument="{}")
        properties["ServiceRole"] = role["Role"]["Arn"]


def _lower_case_timeout(properties: dict[str, Any]) -> None:
    if "Timeout" in properties:
        properties["timeout"] = properties["Timeout"]  # the key that moto's model looks up
