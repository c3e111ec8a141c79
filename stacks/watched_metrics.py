"""The metrics that the worker and the watcher print (cellpainting/metrics.py), as CDK has metrics."""

import aws_cdk as cdk
from aws_cdk import aws_cloudwatch as cloudwatch

from cellpainting.metrics import NAMESPACE, Metric

FIVE_MINUTES = cdk.Duration.minutes(5)


def of_all(metric: Metric, *, period: cdk.Duration = FIVE_MINUTES) -> cloudwatch.Metric:
    """The sum over all jobs of one that the worker keeps without dimensions."""
    return cloudwatch.Metric(namespace=NAMESPACE, metric_name=metric.label, statistic="Sum", period=period)


def of_queue(
    metric: Metric, queue: str, *, statistic: str = "Maximum", period: cdk.Duration = FIVE_MINUTES
) -> cloudwatch.Metric:
    """One that the watcher prints for a job queue."""
    return cloudwatch.Metric(
        namespace=NAMESPACE,
        metric_name=metric.label,
        dimensions_map={"JobQueue": queue},
        statistic=statistic,
        period=period,
    )


def of_job_type(metric: Metric, job_type: str, *, period: cdk.Duration) -> cloudwatch.Metric:
    """The sum of one that the worker prints for a job type."""
    return cloudwatch.Metric(
        namespace=NAMESPACE,
        metric_name=metric.label,
        dimensions_map={"JobType": job_type},
        statistic="Sum",
        period=period,
    )


def of_each_job_type(metric: Metric, *, statistic: str, period: cdk.Duration) -> cloudwatch.MathExpression:
    """A line for each job type that there is, whichever these are."""
    seconds = int(period.to_seconds())
    search = f'{{{NAMESPACE},JobType}} MetricName="{metric.label}"'
    return cloudwatch.MathExpression(
        expression=f"SEARCH('{search}', '{statistic}', {seconds})", using_metrics={}, period=period, label=""
    )
