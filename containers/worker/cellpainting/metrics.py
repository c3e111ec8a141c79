"""Metrics as lines of a log, in CloudWatch's embedded metric format: whatever reaches CloudWatch Logs in it becomes
metrics, and no other service is called.

Standard library only: a Lambda function imports it.
"""

import time
from collections.abc import Mapping
from enum import Enum
from typing import Any

NAMESPACE = "CellPaintingBatch"


class Metric(Enum):
    """The metrics of a deployment: name and unit. CloudWatch has no unit for money, nor for MiB."""

    IMAGE_SETS_DONE = ("ImageSetsDone", "Count")
    IMAGE_SETS_WITHOUT_CELLS = ("ImageSetsNoCells", "Count")
    IMAGE_SETS_FAILED = ("ImageSetsFailed", "Count")
    VCPU_SECONDS = ("VcpuSeconds", "Seconds")
    ESTIMATED_USD = ("EstimatedUsd", "None")
    PEAK_MEMORY_MIB = ("PeakMemoryMiB", "None")
    JOBS_PENDING = ("JobsPending", "Count")
    JOBS_RUNNABLE = ("JobsRunnable", "Count")
    JOBS_STARTING = ("JobsStarting", "Count")
    JOBS_RUNNING = ("JobsRunning", "Count")
    JOBS_HELD_UP = ("JobsHeldUp", "Count")
    ATTEMPTS_LOST = ("AttemptsLost", "Count")

    @property
    def label(self) -> str:
        """Its name in CloudWatch."""
        return self.value[0]

    @property
    def unit(self) -> str:
        """Its unit, one of CloudWatch's."""
        return self.value[1]


def embed(
    values: Mapping[Metric, float], dimensions: Mapping[str, str], *, also_in_all: tuple[Metric, ...] = ()
) -> dict[str, Any]:
    """Values of now as a document of the embedded metric format, to be printed as one line of JSON.

    Each set of dimensions is a metric that is paid for: `dimensions` has few values. `also_in_all` are kept without
    dimensions, too.
    """
    directives = [_directive(values, list(dimensions))]
    if also_in_all:
        directives.append(_directive(dict.fromkeys(also_in_all, 0.0), []))
    return {
        "_aws": {"Timestamp": int(time.time() * 1000), "CloudWatchMetrics": directives},
        **dimensions,
        **{metric.label: value for metric, value in values.items()},
    }


def _directive(values: Mapping[Metric, float], dimensions: list[str]) -> dict[str, Any]:
    metrics = [{"Name": metric.label, "Unit": metric.unit} for metric in values]
    return {"Namespace": NAMESPACE, "Dimensions": [dimensions], "Metrics": metrics}
