"""Deploys an assembly into moto's server: bootstrap resources, assets, then each stack."""

import io
import json
import zipfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

from cellpainting.errors import LocalCloudError
from cellpainting.local.assembly import StackArtifact
from cellpainting.local.image_store import ImageStore
from cellpainting.local.moto_models import ACCOUNT

REGION = "us-east-1"
BOOTSTRAP_VERSION = "/cdk-bootstrap/hnb659fds/version"
ZIP_EPOCH = (1980, 1, 1, 0, 0, 0)  # so that the same asset is the same archive
CREDENTIALS = {"AWS_ACCESS_KEY_ID": "local", "AWS_SECRET_ACCESS_KEY": "local"}  # moto takes any


@dataclass(frozen=True)
class Account:
    """The local account: clients of its services."""

    endpoint_url: str

    @property
    def variables(self) -> dict[str, str]:
        """The environment that makes any AWS SDK or command talk to this account."""
        return {
            "AWS_ENDPOINT_URL": self.endpoint_url,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_REGION": REGION,
            "NO_PROXY": "127.0.0.1,localhost",
            **CREDENTIALS,
        }

    def client(self, service: str) -> Any:
        """A boto3 client of one service; safe to share between threads."""
        return _client(self.endpoint_url, service)


@cache
def _client(endpoint_url: str, service: str) -> Any:
    session = boto3.Session("local", "local", region_name=REGION)
    config = Config(proxies={}, max_pool_connections=32)
    return session.client(service, endpoint_url=endpoint_url, config=config)  # type: ignore[call-overload]


def deploy(account: Account, stacks: tuple[StackArtifact, ...], images: ImageStore) -> None:
    """Create all stacks, as the CDK command line would, in less time.

    Raises
    ------
    LocalCloudError
        If one does not reach CREATE_COMPLETE.
    """
    account.client("ssm").put_parameter(Name=BOOTSTRAP_VERSION, Value="30", Type="String")
    for stack in stacks:
        _publish_assets(account, stack, images)
    cloudformation = account.client("cloudformation")
    for stack in stacks:
        try:
            cloudformation.create_stack(StackName=stack.name, TemplateBody=json.dumps(stack.template))
        except ClientError as error:
            raise LocalCloudError(f"stack {stack.name} could not be deployed locally: {error}") from error
        status = cloudformation.describe_stacks(StackName=stack.name)["Stacks"][0]["StackStatus"]
        if status != "CREATE_COMPLETE":
            raise LocalCloudError(f"stack {stack.name} could not be deployed locally: it is {status}")


def outputs(account: Account, stack: str) -> dict[str, str]:
    """The outputs of a stack."""
    described = account.client("cloudformation").describe_stacks(StackName=stack)["Stacks"][0]
    return {item["OutputKey"]: item["OutputValue"] for item in described.get("Outputs", [])}


def physical_ids(account: Account, stack: str) -> dict[str, str]:
    """Physical ids of a stack's resources by logical id."""
    resources = account.client("cloudformation").describe_stack_resources(StackName=stack)["StackResources"]
    return {item["LogicalResourceId"]: item.get("PhysicalResourceId", "") for item in resources}


def concrete(text: str) -> str:
    """An asset's bucket name with the account and region filled in."""
    return text.replace("${AWS::AccountId}", ACCOUNT).replace("${AWS::Region}", REGION)


def _publish_assets(account: Account, stack: StackArtifact, images: ImageStore) -> None:
    s3 = account.client("s3")
    for image in stack.images:
        images.add(image.tag, image.dockerfile)
    for asset in stack.files:
        if asset.is_zip:
            s3.create_bucket(Bucket=concrete(asset.bucket))
            s3.put_object(Bucket=concrete(asset.bucket), Key=asset.key, Body=_zip(asset.path))


def _zip(folder: Path) -> bytes:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file:
        for path in sorted(path for path in folder.rglob("*") if path.is_file()):
            file.writestr(zipfile.ZipInfo(path.relative_to(folder).as_posix(), ZIP_EPOCH), path.read_bytes())
    return archive.getvalue()
