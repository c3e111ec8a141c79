"""The Lambda function that counts jobs, of which AWS Batch has no metric, and the rules that call it."""

import json
from collections.abc import Mapping

import aws_cdk as cdk
from aws_cdk import aws_batch as batch
from aws_cdk import aws_events as events
from aws_cdk import aws_events_targets as targets
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from constructs import Construct

from constants import MonitoringSettings
from stacks.findings import accept
from stacks.function_code import ROOT, function_code

HANDLER = ROOT / "lambdas" / "watcher"
PARTS = ("__init__.py", "metrics.py")


class Watcher(Construct):
    """The function, its log group and its role. `job_queues` are by the name that its metrics give them."""

    def __init__(
        self,
        scope: Construct,
        id_: str,
        *,
        settings: MonitoringSettings,
        job_queues: Mapping[str, batch.IJobQueue],
    ) -> None:
        super().__init__(scope, id_)
        arns = {name: queue.job_queue_arn for name, queue in job_queues.items()}
        self.function = self._build_function(settings, arns)
        target = targets.LambdaFunction(self.function)
        every = cdk.Duration.minutes(settings.watch_every_minutes)
        events.Rule(
            self,
            "Clock",
            description="Time to count the jobs of Cell Painting Batch",
            schedule=events.Schedule.rate(every),
            targets=[target],
        )
        events.Rule(
            self,
            "HostLost",
            description="An attempt at a job of Cell Painting Batch has lost its host",
            event_pattern=events.EventPattern(
                source=["aws.batch"],
                detail_type=["Batch Job State Change"],
                detail={
                    "jobQueue": list(arns.values()),
                    # Where such a job goes: it is tried again, or that was its last attempt.
                    "status": ["RUNNABLE", "FAILED"],
                    "attempts": {"statusReason": [{"prefix": "Host EC2"}]},
                },
            ),
            targets=[target],
        )

    def _build_function(self, settings: MonitoringSettings, arns: Mapping[str, str]) -> lambda_.Function:
        log_group = logs.LogGroup(
            self,
            "Logs",
            retention=logs.RetentionDays[settings.log_retention],
            removal_policy=cdk.RemovalPolicy.DESTROY,
        )
        function = lambda_.Function(
            self,
            "Function",
            runtime=lambda_.Runtime.PYTHON_3_13,
            handler="watcher.handler",
            code=function_code(HANDLER, PARTS),
            role=self._build_role(log_group),
            log_group=log_group,
            timeout=cdk.Duration.seconds(settings.watcher_timeout_s),
            memory_size=settings.watcher_memory_mib,
            # ARNs known at deploy time only; they hold nothing that JSON would have to escape.
            environment={"JOB_QUEUES": json.dumps(arns)},
        )
        accept(function, "L1", reason="A runtime is taken up when the tests run on it, not when it appears.")
        return function

    def _build_role(self, log_group: logs.ILogGroup) -> iam.Role:
        role = iam.Role(
            self,
            "Role",
            assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"),
            description="Watcher of Cell Painting Batch",
        )
        log_group.grant_write(role)
        role.add_to_policy(iam.PolicyStatement(actions=["batch:DescribeJobs", "batch:ListJobs"], resources=["*"]))
        accept(
            role,
            "IAM5[Resource::*]",
            reason="batch:DescribeJobs and batch:ListJobs have no resource-level permissions.",
        )
        return role
