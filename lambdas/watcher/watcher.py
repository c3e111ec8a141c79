"""The watcher Lambda. Called by the clock, it counts the jobs of the deployment's queues by state, of which Batch has
no metric; called by an event of Batch, it tells of an attempt that has lost its host. Both it prints as metrics.
"""

import json
import os
from collections.abc import Mapping
from typing import Any

import boto3

from cellpainting.metrics import Metric, embed
from count_jobs import count_jobs, figures

QUEUES: Mapping[str, str] = json.loads(os.environ["JOB_QUEUES"])  # ARNs by name
BATCH = boto3.client("batch")
HOST_LOST = "Host EC2"  # so begins the reason of an attempt whose host went, also when Spot takes it back


def handler(event: dict[str, Any], context: object) -> None:
    """Answer one event."""
    if event["source"] == "aws.batch":
        _tell_of_lost_attempt(event["detail"])
        return
    for name, arn in QUEUES.items():
        counts = count_jobs(BATCH, arn)
        if counts.total():  # while a queue is idle nothing is told, and nothing has to be paid for
            _print(embed(figures(counts), {"JobQueue": name}))


def _tell_of_lost_attempt(detail: dict[str, Any]) -> None:
    """Tell if it was the last attempt: an event has the earlier ones, too, which were told of."""
    reason = detail["attempts"][-1].get("statusReason", "")
    if reason.startswith(HOST_LOST):
        (name,) = (name for name, arn in QUEUES.items() if arn == detail["jobQueue"])
        document = embed({Metric.ATTEMPTS_LOST: 1}, {"JobQueue": name})
        _print({**document, "job": detail["jobName"], "job_id": detail["jobId"], "message": reason})


def _print(document: Mapping[str, Any]) -> None:
    print(json.dumps({"level": "INFO", **document}), flush=True)
