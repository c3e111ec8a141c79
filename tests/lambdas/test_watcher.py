"""The watcher counts jobs as people see them, says nothing of idle queues, and tells of each lost host once."""

import importlib
import json
import sys
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import pytest

from count_jobs import MOST_DESCRIBED
from tests.embedded_metrics import dimensions, figures
from tests.lambdas.conftest import Cloud

CLOCK = {"source": "aws.events", "detail-type": "Scheduled Event", "detail": {}}
SPOT = "Host EC2 (instance i-0123456789abcdef0) terminated."


@pytest.fixture
def watcher(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """The watcher's module, imported as Lambda does: with the function's environment."""
    settings = cloud.dispatcher.settings
    spot, on_demand = settings.job_queues
    environment = {
        "JOB_QUEUES": json.dumps({"spot": spot, "on-demand": on_demand}),
        "AWS_ENDPOINT_URL": cloud.batch.meta.endpoint_url,
        "AWS_ACCESS_KEY_ID": "local",
        "AWS_SECRET_ACCESS_KEY": "local",
        "AWS_DEFAULT_REGION": "us-east-1",
    }
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    sys.modules.pop("watcher", None)
    yield importlib.import_module("watcher")
    del sys.modules["watcher"]


def submit(cloud: Cloud, queue: int, *statuses: str, parent: str = "PENDING") -> str:
    """Submit one job, or an array of several, and bring it to these states; returns its id."""
    settings = cloud.dispatcher.settings
    array = {"arrayProperties": {"size": len(statuses)}} if len(statuses) > 1 else {}
    job_id = str(
        cloud.batch.submit_job(
            jobName="measure",
            jobQueue=settings.job_queues[queue],
            jobDefinition=next(iter(settings.job_types.values())).definition,
            **array,
        )["jobId"]
    )
    cloud.set_status(job_id, parent if array else statuses[0])
    for index, status in enumerate(statuses if array else ()):
        cloud.set_status(f"{job_id}:{index}", status)
    return job_id


def told(watcher: ModuleType, capsys: pytest.CaptureFixture[str], event: dict[str, Any]) -> list[dict[str, Any]]:
    """The metrics that the function prints for an event."""
    watcher.handler(event, None)
    return figures(capsys.readouterr().out.splitlines())


class TestCounting:
    def test_of_idle_queues_nothing_is_told(
        self, watcher: ModuleType, cloud: Cloud, capsys: pytest.CaptureFixture[str]
    ) -> None:
        submit(cloud, 0, "SUCCEEDED")
        submit(cloud, 0, "SUCCEEDED", "FAILED", parent="FAILED")
        assert told(watcher, capsys, CLOCK) == []

    def test_children_of_arrays_are_counted_and_not_their_parents(
        self, watcher: ModuleType, cloud: Cloud, capsys: pytest.CaptureFixture[str]
    ) -> None:
        submit(cloud, 0, "SUCCEEDED", "RUNNING", "STARTING", "RUNNABLE", "RUNNABLE")
        submit(cloud, 0, "PENDING")
        submit(cloud, 0, "SUBMITTED", "SUBMITTED", parent="SUBMITTED")
        submit(cloud, 0, "RUNNABLE")
        (counted,) = told(watcher, capsys, CLOCK)
        assert {name: counted[name] for name in dimensions(counted)} == {
            "JobsPending": 3,
            "JobsRunnable": 3,
            "JobsStarting": 1,
            "JobsRunning": 1,
            "JobsHeldUp": 0,
        }

    def test_each_queue_is_told_of_by_its_name(
        self, watcher: ModuleType, cloud: Cloud, capsys: pytest.CaptureFixture[str]
    ) -> None:
        submit(cloud, 0, "RUNNING")
        submit(cloud, 1, "RUNNABLE", "RUNNABLE")
        spot, on_demand = told(watcher, capsys, CLOCK)
        assert (spot["JobQueue"], spot["JobsRunning"]) == ("spot", 1)
        assert (on_demand["JobQueue"], on_demand["JobsRunnable"]) == ("on-demand", 2)
        assert set(map(str, dimensions(spot).values())) == {"[['JobQueue']]"}

    def test_jobs_are_held_up_where_none_of_their_queue_is_at_work(
        self, watcher: ModuleType, cloud: Cloud, capsys: pytest.CaptureFixture[str]
    ) -> None:
        submit(cloud, 0, "RUNNABLE", "RUNNABLE")
        submit(cloud, 1, "RUNNING")
        spot, _ = told(watcher, capsys, CLOCK)
        assert spot["JobsHeldUp"] == 2
        submit(cloud, 0, "STARTING")
        spot, _ = told(watcher, capsys, CLOCK)
        assert spot["JobsHeldUp"] == 0

    def test_more_jobs_than_one_call_describes_are_all_counted(
        self, watcher: ModuleType, cloud: Cloud, capsys: pytest.CaptureFixture[str]
    ) -> None:
        for _ in range(MOST_DESCRIBED + 1):
            submit(cloud, 0, "PENDING")
        (counted,) = told(watcher, capsys, CLOCK)
        assert counted["JobsPending"] == MOST_DESCRIBED + 1


class TestLostHosts:
    def event(self, cloud: Cloud, *reasons: str, status: str = "RUNNABLE") -> dict[str, Any]:
        """The event of a job whose attempts have ended for these reasons."""
        detail = {
            "jobName": "measure",
            "jobId": "1:7",
            "jobQueue": cloud.dispatcher.settings.job_queues[0],
            "status": status,
            "attempts": [{"statusReason": reason} for reason in reasons],
        }
        return {"source": "aws.batch", "detail-type": "Batch Job State Change", "detail": detail}

    @pytest.mark.parametrize("status", ["RUNNABLE", "FAILED"])
    def test_one_is_told_with_its_job(
        self, watcher: ModuleType, cloud: Cloud, capsys: pytest.CaptureFixture[str], status: str
    ) -> None:
        (lost,) = told(watcher, capsys, self.event(cloud, SPOT, status=status))
        assert (lost["AttemptsLost"], lost["JobQueue"], lost["job_id"]) == (1, "spot", "1:7")
        assert lost["message"] == SPOT

    def test_an_attempt_that_ended_otherwise_after_one_is_not_told(
        self, watcher: ModuleType, cloud: Cloud, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert told(watcher, capsys, self.event(cloud, SPOT, "Essential container in task exited")) == []
