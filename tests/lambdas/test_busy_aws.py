"""AWS refuses requests when there are too many, and answers get lost: no job is, and none comes twice."""

import importlib
import json
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from types import ModuleType
from typing import Any

import pytest

from benchmarks.limited_batch import limited_batch
from cellpainting.dispatch.submission import CLAIM_EXPIRES_S, read_submission
from tests.lambdas.busy_server import BusyServer, busy_server
from tests.lambdas.conftest import FOLDER_REQUEST, Cloud, environment_of, run_of
from tests.lambdas.test_handler import event, failed

Start = Callable[..., ModuleType]
FUNCTIONS = 5  # that Lambda runs at a time


@pytest.fixture
def aws(cloud: Cloud) -> Iterator[tuple[BusyServer, str]]:
    with busy_server(cloud.batch.meta.endpoint_url, busy=0.0) as server:
        yield server


@pytest.fixture
def start(cloud: Cloud, aws: tuple[BusyServer, str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Start]:
    """Starts the function as Lambda does, with clients of its own; Batch may be at an address of its own."""

    def start(batch_url: str = "") -> ModuleType:
        batch = {"AWS_ENDPOINT_URL_BATCH": batch_url} if batch_url else {}
        for name, value in {**environment_of(cloud, aws[1]), **batch}.items():
            monkeypatch.setenv(name, value)
        sys.modules.pop("handler", None)
        return importlib.import_module("handler")

    yield start
    del sys.modules["handler"]


@pytest.fixture
def handler(start: Start) -> ModuleType:
    return start()


def submitted(cloud: Cloud) -> Counter[str]:
    return Counter(job["jobName"] for job in cloud.jobs)


def members(count: int) -> list[dict[str, Any]]:
    return [{**FOLDER_REQUEST, "output": f"results/{number}/"} for number in range(count)]


def test_message_is_dispatched_whole_and_once_though_batch_and_s3_refuse_what_is_too_much(
    start: Start, aws: tuple[BusyServer, str]
) -> None:
    aws[0].busy = 0.05
    with limited_batch(per_second=4) as (batch, url):
        assert failed(start(url).handler(event(m1=members(16)), None)) == []
        names = Counter(job["jobName"] for job in batch.jobs.values())
    assert len(names) == sum(names.values()) == 16
    assert batch.refused["submitjob"] > 0
    assert aws[0].refused > 0


def test_what_a_message_could_not_submit_in_time_is_submitted_when_it_comes_again(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cellpainting.dispatch.batch_jobs.THROTTLED_WAITS_S", (0.01,))
    with limited_batch(per_second=1) as (batch, url):
        handler = start(url).handler
        assert failed(handler(event(m1=members(5)), None)) == ["m1"]
        assert len(batch.jobs) < 5
        batch.per_second = 50
        batch.forget_calls()
        assert failed(start(url).handler(event(m1=members(5)), None)) == []
        names = Counter(job["parameters"]["request"] for job in batch.jobs.values())
    assert len(names) == sum(names.values()) == 5


def test_job_whose_answer_was_lost_is_not_submitted_again_but_found(
    handler: ModuleType, cloud: Cloud, aws: tuple[BusyServer, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    aws[0].lost_answers = 1
    assert failed(handler.handler(event(m1=FOLDER_REQUEST), None)) == ["m1"]
    assert failed(handler.handler(event(m1=FOLDER_REQUEST), None)) == ["m1"], "Batch may not list the job yet"
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + CLAIM_EXPIRES_S + 1)
    assert failed(handler.handler(event(m1=FOLDER_REQUEST), None)) == []
    (job,) = cloud.jobs
    assert read_submission(run_of().keys, 0, cloud.storage).job_ids == (job["jobId"],)


def test_same_requests_in_many_messages_at_once_are_each_submitted_once(start: Start) -> None:
    """As Lambda delivers: some calls at a time, a message twice, and again after a while what has failed."""
    bodies = members(6)
    left = [(f"m{copy}-{number}", body) for number, body in enumerate(bodies) for copy in (1, 1, 2, 3)]
    with limited_batch() as (batch, url):
        handler = start(url).handler
        for _ in range(3):
            with ThreadPoolExecutor(FUNCTIONS) as functions:
                answers = functions.map(lambda one: handler(event(**{one[0]: one[1]}), None), left)
                left = [message for message, answer in zip(left, answers, strict=True) if failed(answer)]
        names = Counter(job["parameters"]["request"] for job in batch.jobs.values())
    assert left == []
    assert len(names) == sum(names.values()) == len(bodies)


def test_events_that_come_twice_at_once_send_again_once(
    handler: ModuleType, cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    handler.handler(event(m1=FOLDER_REQUEST), None)
    ended = cloud.detail(cloud.jobs[0], status="FAILED", statusReason="Host EC2 (instance i-0) terminated.")

    def deliver(_: int) -> Any:
        try:
            return handler.handler({"source": "aws.batch", "detail": json.loads(json.dumps(ended, default=str))}, None)
        except Exception as error:
            return error

    with ThreadPoolExecutor(FUNCTIONS) as functions:
        answers = list(functions.map(deliver, range(FUNCTIONS)))
    assert len(cloud.jobs) == 2, answers
    assert None in answers
