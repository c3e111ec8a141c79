"""The Lambda function that turns requests into Batch jobs, and what it may do."""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import aws_cdk as cdk
import jsii
from aws_cdk import aws_batch as batch
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_lambda_event_sources as event_sources
from aws_cdk import aws_logs as logs
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from constants import DispatcherSettings
from stacks.findings import accept, accept_objects

ROOT = Path(__file__).resolve().parents[1]
HANDLER = ROOT / "lambdas" / "dispatcher"
PACKAGE = ROOT / "containers" / "worker" / "cellpainting"
# The parts of the worker's package that need nothing but the standard library and boto3.
PARTS = ("__init__.py", "errors.py", "jobs", "ledger", "storage")


@jsii.implements(cdk.ILocalBundling)
class DispatcherBundle:
    """The function's code, put together by copying: neither Docker nor pip is asked."""

    def try_bundle(self, output_dir: str, *_options: Any, **_more: Any) -> bool:
        """Copy the handler and the shared parts. FileNotFoundError when one of them is missing."""
        copy_modules(HANDLER, Path(output_dir))
        for part in PARTS:
            copy_modules(PACKAGE / part, Path(output_dir) / PACKAGE.name / part)
        return True


def copy_modules(source: Path, target: Path) -> None:
    """Copy one module, or all modules below a folder; FileNotFoundError if there are none."""
    modules = [source] if source.is_file() else sorted(source.rglob("*.py"))
    if not modules:
        raise FileNotFoundError(f"{source} holds no Python module, and the dispatcher needs it")
    for module in modules:
        copy = target / module.relative_to(source)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(module, copy)


class Dispatcher(Construct):
    """The function, its queue as event source, its log group and its role."""

    def __init__(
        self,
        scope: Construct,
        id_: str,
        *,
        settings: DispatcherSettings,
        request_queue: sqs.IQueue,
        bucket: s3.IBucket,
        job_queue: batch.IJobQueue,
        definitions: Mapping[str, batch.IJobDefinition],
    ) -> None:
        super().__init__(scope, id_)
        self._settings = settings
        self.log_group = logs.LogGroup(
            self,
            "Logs",
            retention=logs.RetentionDays[settings.log_retention],
            removal_policy=cdk.RemovalPolicy.DESTROY,
        )
        self.role = self._build_role()
        self._allow_submitting(job_queue, list(definitions.values()))
        self._allow_run_records(bucket)
        self.function = self._build_function(
            {
                "BUCKET": bucket.bucket_name,
                # ARNs known at deploy time only; they hold nothing that JSON would have to escape.
                "JOB_QUEUES": json.dumps([job_queue.job_queue_arn]),
                "JOB_DEFINITIONS": json.dumps({name: one.job_definition_arn for name, one in definitions.items()}),
            }
        )
        self.function.add_event_source(
            event_sources.SqsEventSource(
                request_queue,
                batch_size=settings.batch_size,
                max_concurrency=settings.max_concurrency,
                report_batch_item_failures=True,
            )
        )

    def _build_role(self) -> iam.Role:
        """A role of our own: the managed one may write to every log group of the account."""
        role = iam.Role(
            self,
            "Role",
            assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"),
            description="Dispatcher of Cell Painting Batch",
        )
        self.log_group.grant_write(role)
        return role

    def _build_function(self, environment: Mapping[str, str]) -> lambda_.Function:
        function = lambda_.Function(
            self,
            "Function",
            runtime=lambda_.Runtime.PYTHON_3_13,
            handler="handler.handler",
            code=_code(),
            role=self.role,
            log_group=self.log_group,
            timeout=cdk.Duration.seconds(self._settings.timeout_s),
            memory_size=self._settings.memory_mib,
            environment=environment,
        )
        accept(function, "L1", reason="A runtime is taken up when the tests run on it, not when it appears.")
        return function

    def _allow_submitting(self, job_queue: batch.IJobQueue, definitions: list[batch.IJobDefinition]) -> None:
        self.role.add_to_policy(
            iam.PolicyStatement(
                actions=["batch:SubmitJob"],
                resources=[job_queue.job_queue_arn, *(one.job_definition_arn for one in definitions)],
            )
        )
        self.role.add_to_policy(iam.PolicyStatement(actions=["batch:DescribeJobs", "batch:ListJobs"], resources=["*"]))
        accept(
            self.role,
            "IAM5[Resource::*]",
            reason="batch:DescribeJobs and batch:ListJobs have no resource-level permissions.",
        )

    def _allow_run_records(self, bucket: s3.IBucket) -> None:
        """Run records are all it reads and writes: images and results are the workers' business."""
        # Unconditional on purpose: with a condition on the prefix, S3 answers 403 instead of 404 for a
        # record that is not there. It shows names, never content.
        self.role.add_to_policy(iam.PolicyStatement(actions=["s3:ListBucket"], resources=[bucket.bucket_arn]))
        self.role.add_to_policy(
            iam.PolicyStatement(actions=["s3:GetObject", "s3:PutObject"], resources=[bucket.arn_for_objects("runs/*")])
        )
        accept_objects(self.role, bucket, "runs/*", reason="Every run has a folder of its own below runs/.")


def _code() -> lambda_.AssetCode:
    return lambda_.Code.from_asset(
        str(HANDLER),
        # Of what is in the bundle, so that the same modules are the same asset on every machine.
        asset_hash_type=cdk.AssetHashType.OUTPUT,
        bundling=cdk.BundlingOptions(image=cdk.DockerImage.from_registry("never-used"), local=DispatcherBundle()),
    )
