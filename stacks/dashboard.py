"""The dashboard: what waits, what runs, what is done and what it costs."""

from collections.abc import Mapping, Sequence

import aws_cdk as cdk
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from cellpainting.metrics import Metric
from stacks.watched_metrics import FIVE_MINUTES, of_each_job_type, of_job_type, of_queue

HOUR = cdk.Duration.hours(1)
HALF, THIRD, WHOLE = 12, 8, 24  # columns, of 24
STATES = (Metric.JOBS_PENDING, Metric.JOBS_RUNNABLE, Metric.JOBS_STARTING, Metric.JOBS_RUNNING)
ENDED = (Metric.IMAGE_SETS_DONE, Metric.IMAGE_SETS_WITHOUT_CELLS, Metric.IMAGE_SETS_FAILED)
# The job types whose shards are image sets; the others are one for a whole plate.
PER_IMAGE_SET = ("run_cellprofiler", "download_images", "decode_fovs")


def build_dashboard(
    scope: Construct,
    *,
    request_queue: sqs.IQueue,
    kept: Mapping[str, sqs.IQueue],
    dispatcher: lambda_.IFunction,
    job_queues: Sequence[str],
    alarms: Sequence[cloudwatch.IAlarm],
) -> cloudwatch.Dashboard:
    """A dashboard of the stack's name. `kept` are the queues whose messages nobody takes, by name."""
    name = cdk.Stack.of(scope).stack_name
    dashboard = cloudwatch.Dashboard(scope, "Dashboard", dashboard_name=name, default_interval=cdk.Duration.hours(12))
    status = cloudwatch.AlarmStatusWidget(title="Alarms", alarms=list(alarms), width=WHOLE, height=3)
    dashboard.add_widgets(status)
    dashboard.add_widgets(_requests(request_queue, kept), _dispatcher(dispatcher))
    dashboard.add_widgets(*(_jobs(queue) for queue in job_queues), _lost_attempts(job_queues))
    dashboard.add_widgets(
        _by_job_type("Image sets done", Metric.IMAGE_SETS_DONE, "Sum", FIVE_MINUTES),
        _by_job_type("Image sets without cells", Metric.IMAGE_SETS_WITHOUT_CELLS, "Sum", FIVE_MINUTES),
        _by_job_type("Image sets not done", Metric.IMAGE_SETS_FAILED, "Sum", FIVE_MINUTES),
    )
    dashboard.add_widgets(
        _per_image_set("vCPU seconds per image set", Metric.VCPU_SECONDS),
        _per_image_set("Estimated US dollars per image set", Metric.ESTIMATED_USD),
    )
    dashboard.add_widgets(
        _by_job_type("Estimated US dollars an hour", Metric.ESTIMATED_USD, "Sum", HOUR, width=HALF),
        _by_job_type("Peak memory, MiB", Metric.PEAK_MEMORY_MIB, "Maximum", FIVE_MINUTES, width=HALF),
    )
    return dashboard


def _requests(queue: sqs.IQueue, kept: Mapping[str, sqs.IQueue]) -> cloudwatch.GraphWidget:
    return cloudwatch.GraphWidget(
        title="Requests",
        left=[
            _visible(queue, "waiting"),
            queue.metric_approximate_number_of_messages_not_visible(label="being dispatched", statistic="Maximum"),
            *(_visible(one, name) for name, one in kept.items()),
        ],
        left_y_axis=cloudwatch.YAxisProps(label="messages", show_units=False, min=0),
        right=[queue.metric_approximate_age_of_oldest_message(label="age of the oldest", statistic="Maximum")],
        right_y_axis=cloudwatch.YAxisProps(label="seconds", show_units=False, min=0),
        width=HALF,
    )


def _visible(queue: sqs.IQueue, label: str) -> cloudwatch.Metric:
    return queue.metric_approximate_number_of_messages_visible(label=label, statistic="Maximum")


def _dispatcher(function: lambda_.IFunction) -> cloudwatch.GraphWidget:
    return cloudwatch.GraphWidget(
        title="Dispatcher",
        left=[
            function.metric_invocations(label="calls"),
            function.metric_errors(label="errors"),
            function.metric_throttles(label="throttles"),
        ],
        left_y_axis=cloudwatch.YAxisProps(label="in 5 minutes", show_units=False, min=0),
        right=[function.metric_duration(label="longest", statistic="Maximum")],
        right_y_axis=cloudwatch.YAxisProps(label="milliseconds", show_units=False, min=0),
        width=HALF,
    )


def _jobs(queue: str) -> cloudwatch.GraphWidget:
    """Jobs by state. The watcher says nothing of an idle queue: that is zero."""
    states = [
        cloudwatch.MathExpression(
            expression=f"FILL({metric.name.lower()}, 0)",
            using_metrics={metric.name.lower(): of_queue(metric, queue)},
            label=metric.label.removeprefix("Jobs").lower(),
            period=FIVE_MINUTES,
        )
        for metric in STATES
    ]
    return cloudwatch.GraphWidget(title=f"Jobs, {queue} queue", left=states, stacked=True, width=THIRD)


def _lost_attempts(queues: Sequence[str]) -> cloudwatch.GraphWidget:
    return cloudwatch.GraphWidget(
        title="Attempts that lost their host (Spot)",
        left=[of_queue(Metric.ATTEMPTS_LOST, queue, statistic="Sum").with_(label=queue) for queue in queues],
        width=THIRD,
    )


def _by_job_type(
    title: str, metric: Metric, statistic: str, period: cdk.Duration, *, width: int = THIRD
) -> cloudwatch.GraphWidget:
    lines = of_each_job_type(metric, statistic=statistic, period=period)
    return cloudwatch.GraphWidget(title=title, left=[lines], width=width)


def _per_image_set(title: str, metric: Metric) -> cloudwatch.GraphWidget:
    """A sum over the image sets that have ended: right however these are divided among shards."""
    return cloudwatch.GraphWidget(
        title=title,
        left=[_ratio(metric, job_type, f"m{number}") for number, job_type in enumerate(PER_IMAGE_SET)],
        width=HALF,
    )


def _ratio(metric: Metric, job_type: str, prefix: str) -> cloudwatch.MathExpression:
    ended = {f"{prefix}_ended{number}": of_job_type(one, job_type, period=HOUR) for number, one in enumerate(ENDED)}
    return cloudwatch.MathExpression(
        expression=f"{prefix} / ({' + '.join(ended)})",
        using_metrics={prefix: of_job_type(metric, job_type, period=HOUR), **ended},
        label=job_type,
        period=HOUR,
    )
