"""How many jobs of a queue there are in each state, children of array jobs and not their parents."""

from collections import Counter
from typing import TYPE_CHECKING

from cellpainting.metrics import Metric

if TYPE_CHECKING:
    from mypy_boto3_batch import BatchClient
    from mypy_boto3_batch.literals import JobStatusType

MAY_BE_ARRAYS: "tuple[JobStatusType, ...]" = ("SUBMITTED", "PENDING")  # all that the parent of an array can be
ALWAYS_SINGLE: "tuple[JobStatusType, ...]" = ("RUNNABLE", "STARTING", "RUNNING")
OPEN = (*MAY_BE_ARRAYS, *ALWAYS_SINGLE)
MOST_DESCRIBED = 100  # jobs in one call of DescribeJobs


def count_jobs(batch: "BatchClient", queue: str) -> Counter[str]:
    """Count what has not ended yet, by state. What state the children of an array are in is told with their parent,
    which itself is pending until the last has ended.
    """
    counts: Counter[str] = Counter()
    for status in ALWAYS_SINGLE:
        counts[status] += len(_list(batch, queue, status))
    waiting = [job_id for status in MAY_BE_ARRAYS for job_id in _list(batch, queue, status)]
    for first in range(0, len(waiting), MOST_DESCRIBED):
        for job in batch.describe_jobs(jobs=waiting[first : first + MOST_DESCRIBED])["jobs"]:
            children = job.get("arrayProperties", {}).get("statusSummary") or {job["status"]: 1}
            counts.update({status: children.get(status, 0) for status in OPEN})
    return +counts


def figures(counts: Counter[str]) -> dict[Metric, float]:
    """The counts as metrics. Jobs are held up if they could run, and none of their queue does or is about to."""
    at_work = counts["STARTING"] + counts["RUNNING"]
    return {
        Metric.JOBS_PENDING: counts["SUBMITTED"] + counts["PENDING"],
        Metric.JOBS_RUNNABLE: counts["RUNNABLE"],
        Metric.JOBS_STARTING: counts["STARTING"],
        Metric.JOBS_RUNNING: counts["RUNNING"],
        Metric.JOBS_HELD_UP: 0 if at_work else counts["RUNNABLE"],
    }


def _list(batch: "BatchClient", queue: str, status: "JobStatusType") -> list[str]:
    pages = batch.get_paginator("list_jobs").paginate(jobQueue=queue, jobStatus=status)
    ids = [job["jobId"] for page in pages for job in page["jobSummaryList"]]
    return [job_id for job_id in ids if ":" not in job_id]  # that of an array's child is <parent>:<index>
