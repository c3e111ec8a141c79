"""The Lambda function that turns requests into Batch jobs, and what it may do."""

import json
from collections.abc import Mapping, Sequence

import aws_cdk as cdk
from aws_cdk import aws_batch as batch
from aws_cdk import aws_events as events
from aws_cdk import aws_events_targets as events_targets
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_lambda_destinations as destinations
from aws_cdk import aws_lambda_event_sources as event_sources
from aws_cdk import aws_logs as logs
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_sns as sns
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from constants import DispatcherSettings
from stacks.findings import accept, accept_objects
from stacks.function_code import ROOT, function_code
from stacks.hosts import Hosts
from stacks.worker_job import WorkerJob

HANDLER = ROOT / "lambdas" / "dispatcher"
# The parts of the worker's package that need nothing but the standard library and boto3.
PARTS = (
    "__init__.py",
    "errors.py",
    "cost",
    "dispatch",
    "jobs",
    "ledger",
    "load_data",
    "pipelines",
    "planning",
    "storage",
)


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
        hosts: Hosts,
        jobs: Mapping[str, WorkerJob],
        runs_topic: sns.ITopic,
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
        queues = [hosts.spot_queue, hosts.on_demand_queue]
        self._allow_submitting(queues, [job.definition for job in jobs.values()])
        self._allow_planning(bucket)
        self.role.add_to_policy(iam.PolicyStatement(actions=["sns:Publish"], resources=[runs_topic.topic_arn]))
        self.function = self._build_function(
            {
                "BUCKET": bucket.bucket_name,
                # ARNs known at deploy time only; they hold nothing that JSON would have to escape.
                "JOB_QUEUES": json.dumps([queue.job_queue_arn for queue in queues]),
                "ON_DEMAND_QUEUE": hosts.on_demand_queue.job_queue_arn,
                "JOB_TYPES": json.dumps({name: job.for_dispatcher() for name, job in jobs.items()}),
                "RUNS_TOPIC": runs_topic.topic_arn,
                "MAX_MEMORY_MIB": str(settings.max_memory_mib),
            }
        )
        self._receive_requests(request_queue)
        self.lost_events = self._build_lost_events()
        self._follow_ends_of_jobs(queues)

    def _receive_requests(self, queue: sqs.IQueue) -> None:
        self.function.add_event_source(
            event_sources.SqsEventSource(
                queue,
                batch_size=self._settings.batch_size,
                max_concurrency=self._settings.max_concurrency,
                report_batch_item_failures=True,
            )
        )

    def _follow_ends_of_jobs(self, queues: Sequence[batch.IJobQueue]) -> None:
        """Tell the function when a job ends, but not of each child of an array. What cannot be told, or fails there
        again and again, is kept.
        """
        age = cdk.Duration.hours(self._settings.event_age_hours)
        self.function.configure_async_invoke(
            on_failure=destinations.SqsDestination(self.lost_events),
            retry_attempts=self._settings.event_retries,
            max_event_age=age,
        )
        events.Rule(
            self,
            "JobEnded",
            description="A Batch job of Cell Painting Batch has ended",
            event_pattern=events.EventPattern(
                source=["aws.batch"],
                detail_type=["Batch Job State Change"],
                detail={
                    "jobQueue": [queue.job_queue_arn for queue in queues],
                    "status": ["SUCCEEDED", "FAILED"],
                    "arrayProperties": {"index": [{"exists": False}]},
                },
            ),
            targets=[
                events_targets.LambdaFunction(self.function, dead_letter_queue=self.lost_events, max_event_age=age)
            ],
        )

    def _build_lost_events(self) -> sqs.Queue:
        queue = sqs.Queue(
            self,
            "LostEvents",
            encryption=sqs.QueueEncryption.SQS_MANAGED,
            enforce_ssl=True,
            retention_period=cdk.Duration.days(self._settings.lost_event_days),
        )
        accept(queue, "SQS3", reason="It is the dead-letter queue of the rule and of the function.")
        return queue

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
            code=function_code(HANDLER, PARTS),
            role=self.role,
            log_group=self.log_group,
            timeout=cdk.Duration.seconds(self._settings.timeout_s),
            memory_size=self._settings.memory_mib,
            environment=environment,
        )
        accept(function, "L1", reason="A runtime is taken up when the tests run on it, not when it appears.")
        return function

    def _allow_submitting(self, queues: Sequence[batch.IJobQueue], definitions: Sequence[batch.IJobDefinition]) -> None:
        self.role.add_to_policy(
            iam.PolicyStatement(
                actions=["batch:SubmitJob"],
                resources=[
                    *(queue.job_queue_arn for queue in queues),
                    *(definition.job_definition_arn for definition in definitions),
                ],
            )
        )
        self.role.add_to_policy(iam.PolicyStatement(actions=["batch:DescribeJobs", "batch:ListJobs"], resources=["*"]))
        accept(
            self.role,
            "IAM5[Resource::*]",
            reason="batch:DescribeJobs and batch:ListJobs have no resource-level permissions.",
        )

    def _allow_planning(self, bucket: s3.IBucket) -> None:
        """It reads load data, pipelines and what became of inputs, and writes run records; results are the workers'."""
        # Unconditional on purpose: with a condition on the prefix, S3 answers 403 instead of 404 for a
        # record that is not there. It shows names, never content.
        self.role.add_to_policy(iam.PolicyStatement(actions=["s3:ListBucket"], resources=[bucket.bucket_arn]))
        self.role.add_to_policy(iam.PolicyStatement(actions=["s3:GetObject"], resources=[bucket.arn_for_objects("*")]))
        self.role.add_to_policy(
            iam.PolicyStatement(actions=["s3:PutObject"], resources=[bucket.arn_for_objects("runs/*")])
        )
        accept_objects(
            self.role,
            bucket,
            "*",
            reason="Requests name load data and pipelines anywhere in the bucket, and whether an input has changed "
            "is asked of the input itself.",
        )
        accept_objects(self.role, bucket, "runs/*", reason="Every run has a folder of its own below runs/.")
