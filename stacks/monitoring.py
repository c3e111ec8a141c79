"""What the deployment tells of itself: alarms, to whom they go, and a dashboard."""

from collections.abc import Mapping
from dataclasses import dataclass

import aws_cdk as cdk
from aws_cdk import aws_batch as batch
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_cloudwatch_actions as actions
from aws_cdk import aws_events as events
from aws_cdk import aws_events_targets as targets
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_sns as sns
from aws_cdk import aws_sns_subscriptions as subscriptions
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from cellpainting.metrics import Metric
from constants import MonitoringSettings
from stacks.dashboard import build_dashboard
from stacks.watched_metrics import FIVE_MINUTES, of_all, of_queue
from stacks.watcher import Watcher

REMEDY = "What to do: docs/watching.md of Cell Painting Batch."


@dataclass(frozen=True)
class Watched:
    """What is watched. `job_queues` are by the name that metrics give them."""

    request_queue: sqs.IQueue
    dead_letters: sqs.IQueue
    lost_events: sqs.IQueue
    dispatcher: lambda_.IFunction
    job_queues: Mapping[str, batch.IJobQueue]


class Monitoring(Construct):
    """Alarms and the topic that they are told to, the watcher, and the dashboard."""

    def __init__(self, scope: Construct, id_: str, *, settings: MonitoringSettings, watched: Watched) -> None:
        super().__init__(scope, id_)
        self._settings = settings
        self.topic = self._build_topic()
        self.watcher = Watcher(self, "Watcher", settings=settings, job_queues=watched.job_queues)
        self.alarms = [*self._queue_alarms(watched), *self._function_alarms(watched), *self._job_alarms(watched)]
        self._tell_of_blocked_queues(watched)
        build_dashboard(
            self,
            request_queue=watched.request_queue,
            kept={"dead letters": watched.dead_letters, "lost events": watched.lost_events},
            dispatcher=watched.dispatcher,
            job_queues=list(watched.job_queues),
            alarms=self.alarms,
        )

    def _build_topic(self) -> sns.Topic:
        # Encrypted on SNS's disks: CloudWatch and EventBridge cannot publish with the key that AWS keeps for SNS, and
        # one of our own costs by the month.
        topic = sns.Topic(self, "Alarms", display_name="Cell Painting Batch alarms", enforce_ssl=True)
        topic.add_to_resource_policy(
            iam.PolicyStatement(
                actions=["sns:Publish"],
                principals=[iam.ServicePrincipal("cloudwatch.amazonaws.com")],
                resources=[topic.topic_arn],
                conditions={"StringEquals": {"aws:SourceAccount": cdk.Stack.of(self).account}},
            )
        )
        if self._settings.alarm_email:
            topic.add_subscription(subscriptions.EmailSubscription(self._settings.alarm_email))
        return topic

    def _queue_alarms(self, watched: Watched) -> list[cloudwatch.Alarm]:
        """On what nobody will take care of by itself."""
        kept = {
            "DeadLetters": (watched.dead_letters, "Messages could not be dispatched and lie in the dead-letter queue"),
            "LostEvents": (watched.lost_events, "Ends of jobs could not be followed; runs may not go on"),
        }
        return [
            self._alarm(
                name,
                queue.metric_approximate_number_of_messages_visible(period=FIVE_MINUTES, statistic="Maximum"),
                what,
            )
            for name, (queue, what) in kept.items()
        ]

    def _function_alarms(self, watched: Watched) -> list[cloudwatch.Alarm]:
        return [
            self._alarm(
                "DispatcherErrors",
                watched.dispatcher.metric_errors(period=FIVE_MINUTES),
                "The dispatcher failed, ran out of time or could not start",
            ),
            self._alarm(
                "WatcherErrors",
                self.watcher.function.metric_errors(period=FIVE_MINUTES),
                "Jobs are not counted, so that it will not be seen if they are stuck",
                periods=3,
            ),
        ]

    def _job_alarms(self, watched: Watched) -> list[cloudwatch.Alarm]:
        minutes = self._settings.held_up_minutes
        held_up = [
            self._alarm(
                f"JobsHeldUp-{name}",
                of_queue(Metric.JOBS_HELD_UP, name, period=cdk.Duration.minutes(self._settings.watch_every_minutes)),
                f"Jobs of the {name} queue could run, and for {minutes} minutes none of it has",
                periods=minutes // self._settings.watch_every_minutes,
            )
            for name in watched.job_queues
        ]
        failed = self._alarm(
            "FailedImageSets",
            of_all(Metric.IMAGE_SETS_FAILED, period=cdk.Duration.hours(1)),
            "More image sets than single bad images explain were not done within an hour",
            threshold=self._settings.failed_image_sets_per_hour,
        )
        return [*held_up, failed]

    def _alarm(
        self, name: str, metric: cloudwatch.IMetric, what: str, *, threshold: int = 1, periods: int = 1
    ) -> cloudwatch.Alarm:
        """An alarm that goes off when a metric reaches a threshold. Where there are no values, nothing happens."""
        alarm = cloudwatch.Alarm(
            self,
            name,
            metric=metric,
            alarm_description=f"{what}. {REMEDY}",
            threshold=threshold,
            evaluation_periods=periods,
            comparison_operator=cloudwatch.ComparisonOperator.GREATER_THAN_OR_EQUAL_TO_THRESHOLD,
            treat_missing_data=cloudwatch.TreatMissingData.NOT_BREACHING,
        )
        alarm.add_alarm_action(actions.SnsAction(self.topic))
        return alarm

    def _tell_of_blocked_queues(self, watched: Watched) -> None:
        """Batch knows why the first job of a queue cannot run, and says so by itself."""
        job, queue, reason = map(
            events.EventField.from_path, ("$.detail.jobName", "$.detail.jobQueue", "$.detail.statusReason")
        )
        events.Rule(
            self,
            "QueueBlocked",
            description="The first job of a queue of Cell Painting Batch cannot run",
            event_pattern=events.EventPattern(
                source=["aws.batch"],
                detail_type=["Batch Job Queue Blocked"],
                detail={"jobQueue": [one.job_queue_arn for one in watched.job_queues.values()]},
            ),
            targets=[
                targets.SnsTopic(
                    self.topic,
                    message=events.RuleTargetInput.from_text(
                        f"Job {job} cannot run and holds up the queue {queue}: {reason}. {REMEDY}"
                    ),
                )
            ],
        )
