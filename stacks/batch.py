"""`batch-cpb`: from the request queue to the containers."""

import aws_cdk as cdk
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_kms as kms
from aws_cdk import aws_logs as logs
from aws_cdk import aws_sns as sns
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from constants import BatchSettings, MonitoringSettings, RequestQueueSettings
from stacks.dispatcher import Dispatcher
from stacks.hosts import Hosts
from stacks.monitoring import Monitoring, Watched
from stacks.monthly_budget import MonthlyBudget
from stacks.runtime_image import RuntimeImage
from stacks.shared_file_system import SharedFileSystem
from stacks.storage import StorageStack
from stacks.worker_job import WorkerJob


class BatchStack(cdk.Stack):
    """Request queue, dispatcher, hosts, and one job definition per job type."""

    def __init__(
        self,
        scope: Construct,
        id_: str,
        *,
        settings: BatchSettings,
        vpc: ec2.IVpc,
        storage: StorageStack,
        env: cdk.Environment | None = None,
    ) -> None:
        super().__init__(scope, id_, env=env, description="Cell Painting Batch: queue, dispatcher and jobs")
        self._vpc = vpc
        self.dead_letters = self._build_dead_letters(settings.request_queue)
        self.request_queue = self._build_request_queue(settings.request_queue)
        self.job_logs = logs.LogGroup(
            self,
            "JobLogs",
            retention=logs.RetentionDays[settings.job_log_retention],
            removal_policy=cdk.RemovalPolicy.DESTROY,
        )
        shared = self._build_shared_file_system(storage)
        users = {runtime.user for runtime in settings.runtimes}
        self.hosts = Hosts(self, "Hosts", settings=settings.compute, vpc=vpc, job_users=users, shared=shared)
        self.jobs = self._build_jobs(settings, storage, shared)
        self.runs_topic = self._build_runs_topic()
        self.dispatcher = Dispatcher(
            self,
            "Dispatcher",
            settings=settings.dispatcher,
            request_queue=self.request_queue,
            bucket=storage.bucket,
            hosts=self.hosts,
            jobs=self.jobs,
            runs_topic=self.runs_topic,
        )
        self.monitoring = self._build_monitoring(settings.monitoring)
        MonthlyBudget(self, "MonthlyBudget", settings=settings.monitoring, topic=self.monitoring.topic)
        self._add_outputs(storage)

    def _build_dead_letters(self, settings: RequestQueueSettings) -> sqs.Queue:
        return sqs.Queue(
            self,
            "DeadLetters",
            encryption=sqs.QueueEncryption.SQS_MANAGED,
            enforce_ssl=True,
            retention_period=cdk.Duration.days(settings.dead_letter_days),
        )

    def _build_request_queue(self, settings: RequestQueueSettings) -> sqs.Queue:
        return sqs.Queue(
            self,
            "Requests",
            encryption=sqs.QueueEncryption.SQS_MANAGED,
            enforce_ssl=True,
            visibility_timeout=cdk.Duration.seconds(settings.visibility_timeout_s),
            dead_letter_queue=sqs.DeadLetterQueue(
                queue=self.dead_letters, max_receive_count=settings.max_receive_count
            ),
        )

    def _build_shared_file_system(self, storage: StorageStack) -> SharedFileSystem | None:
        """In this stack, for it comes and goes with the storage mode, and what other stacks use cannot go."""
        if storage.settings.mode != "fsx":
            return None
        return SharedFileSystem(
            self,
            "SharedFileSystem",
            vpc=self._vpc,
            bucket=storage.bucket,
            settings=storage.settings.shared_file_system,
        )

    def _build_jobs(
        self, settings: BatchSettings, storage: StorageStack, shared: SharedFileSystem | None
    ) -> dict[str, WorkerJob]:
        runtimes = {
            one.name: RuntimeImage(self, f"Runtime-{one.name}", settings=one, log_group=self.job_logs)
            for one in settings.runtimes
        }
        return {
            job.job_type: WorkerJob(
                self,
                f"Job-{job.job_type}",
                settings=job,
                attempts=settings.attempts,
                runtime=runtimes[job.runtime],
                bucket=storage.bucket,
                log_group=self.job_logs,
                mount_point=None if shared is None else shared.mount_point,
            )
            for job in settings.jobs
        }

    def _build_runs_topic(self) -> sns.Topic:
        """Where it is told that a run has finished; people subscribe to it."""
        return sns.Topic(
            self,
            "Runs",
            display_name="Cell Painting Batch",
            enforce_ssl=True,
            # The key that AWS keeps for SNS: nothing but the dispatcher's role publishes here.
            master_key=kms.Alias.from_alias_name(self, "TopicKey", "alias/aws/sns"),
        )

    def _build_monitoring(self, settings: MonitoringSettings) -> Monitoring:
        watched = Watched(
            request_queue=self.request_queue,
            dead_letters=self.dead_letters,
            lost_events=self.dispatcher.lost_events,
            dispatcher=self.dispatcher.function,
            job_queues={"spot": self.hosts.spot_queue, "on-demand": self.hosts.on_demand_queue},
        )
        return Monitoring(self, "Monitoring", settings=settings, watched=watched)

    def _add_outputs(self, storage: StorageStack) -> None:
        """The first three are what the README and people's scripts look up: ids and export names stay."""
        cdk.CfnOutput(self, "BucketName", value=storage.bucket.bucket_name, export_name="BucketName")
        cdk.CfnOutput(self, "SQSQueueURL", value=self.request_queue.queue_url, export_name="SQSQueueURL")
        cdk.CfnOutput(self, "BatchJobQueueARN", value=self.hosts.spot_queue.job_queue_arn)
        cdk.CfnOutput(self, "OnDemandJobQueueARN", value=self.hosts.on_demand_queue.job_queue_arn)
        cdk.CfnOutput(self, "RunsTopicARN", value=self.runs_topic.topic_arn)
        cdk.CfnOutput(self, "DeadLettersURL", value=self.dead_letters.queue_url)
        cdk.CfnOutput(self, "LostEventsURL", value=self.dispatcher.lost_events.queue_url)
        cdk.CfnOutput(self, "AlarmsTopicARN", value=self.monitoring.topic.topic_arn)
        cdk.CfnOutput(self, "DispatcherLogGroup", value=self.dispatcher.log_group.log_group_name)
        cdk.CfnOutput(self, "JobLogGroup", value=self.job_logs.log_group_name)
