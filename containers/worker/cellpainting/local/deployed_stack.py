"""A stack as the account tells of it, whoever deployed it: its outputs, its functions and their event sources."""

import io
import json
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from cellpainting.local.deployment import REGION, Account, concrete, outputs, physical_ids
from cellpainting.local.function import FunctionConfiguration
from cellpainting.local.poller import EventSource

INVOKE_CONFIGURATION_TYPE = "AWS::Lambda::EventInvokeConfig"


@dataclass(frozen=True)
class DeployedStack:
    """The template, the outputs, and the physical ids by logical id."""

    account: Account
    template: Mapping[str, Any]
    outputs: Mapping[str, str]
    ids: Mapping[str, str]

    def function(self, arn: str, folder: Path) -> FunctionConfiguration:
        """A function, its code unpacked below `folder`. Its variables are those of the deployment alone."""
        configuration = self.account.client("lambda").get_function(FunctionName=arn)["Configuration"]
        name = configuration["FunctionName"]
        logical_id = next(logical for logical, physical in self.ids.items() if physical == name)
        properties = self.template["Resources"][logical_id]["Properties"]
        return FunctionConfiguration(
            name=name,
            asset=self._unpack(properties["Code"], folder),
            handler=configuration["Handler"],
            variables=configuration["Environment"]["Variables"],
            timeout_s=configuration["Timeout"],
            log_group=self.ids[properties["LoggingConfig"]["LogGroup"]["Ref"]],  # moto does not keep it
            event_retries=self._event_retries(logical_id),
            role=configuration["Role"],
        )

    def event_sources(self) -> Iterator[tuple[EventSource, str]]:
        """Each queue that a function is to be called for, with the function's ARN."""
        client, sqs = self.account.client("lambda"), self.account.client("sqs")
        for mapping in client.list_event_source_mappings()["EventSourceMappings"]:
            # moto itself would push each message to its own stand-in for Lambda, which runs nothing, and delete it
            client.update_event_source_mapping(UUID=mapping["UUID"], Enabled=False)
            arn = mapping["EventSourceArn"]
            url = sqs.get_queue_url(QueueName=arn.rpartition(":")[2])["QueueUrl"]
            yield EventSource(url, arn, mapping["BatchSize"], REGION), mapping["FunctionArn"]

    def _event_retries(self, logical_id: str) -> int:
        for resource in self.template["Resources"].values():
            if resource["Type"] == INVOKE_CONFIGURATION_TYPE:
                properties = resource["Properties"]
                if properties["FunctionName"] == {"Ref": logical_id}:
                    return int(properties["MaximumRetryAttempts"])
        return 0

    def _unpack(self, code: Mapping[str, Any], folder: Path) -> Path:
        """The code as it lies in the assets' bucket; its key is the hash of what is in it."""
        asset: Path = folder / code["S3Key"].removesuffix(".zip")
        if not asset.is_dir():
            named = code["S3Bucket"]  # literal, or with the account to be filled in
            bucket = concrete(named if isinstance(named, str) else named["Fn::Sub"])
            archive = self.account.client("s3").get_object(Bucket=bucket, Key=code["S3Key"])["Body"].read()
            zipfile.ZipFile(io.BytesIO(archive)).extractall(asset)
        return asset


def read_stack(account: Account, name: str) -> DeployedStack | None:
    """A stack that is deployed, or None."""
    cloudformation = account.client("cloudformation")
    try:
        template = cloudformation.get_template(StackName=name)["TemplateBody"]
    except ClientError as error:
        if error.response["Error"]["Code"] == "ValidationError":  # there is none
            return None
        raise
    document = json.loads(template) if isinstance(template, str) else template
    return DeployedStack(account, document, outputs(account, name), physical_ids(account, name))
