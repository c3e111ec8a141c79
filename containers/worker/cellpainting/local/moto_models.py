"""What moto 5.2.5's CloudFormation lacks for the unmodified templates to deploy."""

from collections.abc import Callable
from typing import Any, cast

from moto.batch import models as batch
from moto.core.common_models import CloudFormationModel

SERVICE_ROLE = "AWSServiceRoleForBatch"  # AWS makes this service-linked role by itself
ACCOUNT = "123456789012"

Create = Callable[[str, dict[str, Any]], str]


def complete_moto(client: Callable[[str], Any]) -> None:
    """Add the missing models and repair the incomplete ones; `client` makes a boto3 client of a service."""
    REGISTERED.clear()
    _repair_batch(client)
    _model("AWS::FSx::FileSystem", lambda name, p: _create_file_system(client("fsx"), p), {"LustreMountName": "fsx"})
    _model("AWS::FSx::DataRepositoryAssociation", lambda name, p: "dra-0123456789abcdef0")
    _model("AWS::CloudWatch::Alarm", lambda name, p: name)  # moto would keep it, and never set it off
    _model("AWS::Lambda::EventInvokeConfig", lambda name, p: name)  # the event bus reads it from the template
    # moto enforces bucket policies but ignores their conditions: the TLS-only Deny would refuse every PUT.
    _model("AWS::S3::BucketPolicy", lambda name, p: name)
    _model("AWS::SQS::QueuePolicy", lambda name, p: name)
    _model("AWS::SNS::TopicPolicy", lambda name, p: name)


def _model(resource_type: str, create: Create, attributes: dict[str, str] | None = None) -> None:
    """Register a CloudFormation type whose physical id `create` returns."""

    class Model(CloudFormationModel):  # type: ignore[misc]
        __module__ = "moto.localcloud.models"  # moto reads a service name from the module's path

        def __init__(self, physical_id: str) -> None:
            self.physical_resource_id = physical_id

        @staticmethod
        def cloudformation_name_type() -> str:
            return ""

        @staticmethod
        def cloudformation_type() -> str:
            return resource_type

        @classmethod
        def has_cfn_attr(cls, attr: str) -> bool:
            return True

        @classmethod
        def create_from_cloudformation_json(
            cls, resource_name: str, cloudformation_json: Any, account_id: str, region_name: str, **_: Any
        ) -> "Model":
            resource = cls(create(resource_name, cloudformation_json.get("Properties", {})))
            resource.type = resource_type
            return resource

        def get_cfn_attribute(self, attribute_name: str) -> str:
            return (attributes or {}).get(attribute_name, self.physical_resource_id)

    Model.__name__ = resource_type.replace("::", "")
    REGISTERED.append(Model)  # moto finds the subclasses that are alive


REGISTERED: list[type[CloudFormationModel]] = []


def _create_file_system(fsx: Any, properties: dict[str, Any]) -> str:
    made = fsx.create_file_system(
        FileSystemType=properties["FileSystemType"],
        StorageCapacity=int(properties["StorageCapacity"]),
        SubnetIds=properties["SubnetIds"],
        SecurityGroupIds=properties.get("SecurityGroupIds", []),
        LustreConfiguration={"DeploymentType": properties["LustreConfiguration"]["DeploymentType"]},
    )
    return cast(str, made["FileSystem"]["FileSystemId"])


def _repair_batch(client: Callable[[str], Any]) -> None:
    for model in (batch.ComputeEnvironment, batch.JobQueue, batch.JobDefinition):
        model.get_cfn_attribute = lambda self, attribute_name: self.arn
        model.has_cfn_attr = classmethod(lambda cls, attr: attr.endswith("Arn"))
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
