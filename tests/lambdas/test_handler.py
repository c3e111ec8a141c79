"""The handler's contract with SQS: each record for itself, and only those that failed are named."""

import importlib
import json
import sys
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import pytest

from submission import Dispatcher
from tests.lambdas.test_submission import REQUEST, jobs


@pytest.fixture
def handler(dispatcher: Dispatcher, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """The handler's module, imported as Lambda does: with the function's environment."""
    endpoint = dispatcher._batch.meta.endpoint_url
    environment = {
        "BUCKET": "data",
        "JOB_QUEUES": json.dumps(dispatcher.settings.job_queues),
        "JOB_DEFINITIONS": json.dumps(dispatcher.settings.job_definitions),
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_ACCESS_KEY_ID": "local",
        "AWS_SECRET_ACCESS_KEY": "local",
        "AWS_DEFAULT_REGION": "us-east-1",
    }
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    sys.modules.pop("handler", None)
    yield importlib.import_module("handler")
    del sys.modules["handler"]


def event(**bodies: Any) -> dict[str, Any]:
    """An SQS event with a record per message id."""
    return {
        "Records": [
            {"messageId": message_id, "body": body if isinstance(body, str) else json.dumps(body)}
            for message_id, body in bodies.items()
        ]
    }


def failed(response: dict[str, Any]) -> list[str]:
    return [item["itemIdentifier"] for item in response["batchItemFailures"]]


def test_only_the_records_that_failed_are_named(handler: ModuleType, dispatcher: Dispatcher) -> None:
    bodies = {"m1": REQUEST, "m2": "not json", "m3": {**REQUEST, "output": "elsewhere/"}, "m4": {}}
    assert failed(handler.handler(event(**bodies), None)) == ["m2", "m4"]
    assert len(jobs(dispatcher)) == 2


def test_refused_message_is_kept_with_its_reason(
    handler: ModuleType, dispatcher: Dispatcher, capsys: pytest.CaptureFixture[str]
) -> None:
    handler.handler(event(m1={**REQUEST, "input": "../x"}), None)
    kept = json.loads(dispatcher.storage.read("runs/rejected/m1.json"))
    assert "'input'" in kept["reason"]
    logged = json.loads(capsys.readouterr().out)
    assert logged == {"level": "ERROR", "message_id": "m1", "reason": kept["reason"]}


def test_list_with_a_member_for_a_queue_that_is_not_ours_submits_nothing(
    handler: ModuleType, dispatcher: Dispatcher
) -> None:
    members = [REQUEST, {**REQUEST, "output": "elsewhere/", "job_queue": "not-ours"}]
    assert failed(handler.handler(event(m1=members), None)) == ["m1"]
    assert jobs(dispatcher) == []


def test_long_list_is_submitted_whole_and_once_even_if_delivered_twice(
    handler: ModuleType, dispatcher: Dispatcher
) -> None:
    members = [{**REQUEST, "output": f"results/{number}/"} for number in range(150)]
    assert failed(handler.handler(event(m1=members), None)) == []
    assert failed(handler.handler(event(m1=members), None)) == []
    assert len({job["jobName"] for job in jobs(dispatcher)}) == len(jobs(dispatcher)) == 150


def test_failure_of_aws_is_tried_again_and_kept_out_of_the_rejected(
    handler: ModuleType, dispatcher: Dispatcher, capsys: pytest.CaptureFixture[str], session: Any
) -> None:
    queue = dispatcher.settings.job_queues[0]
    session("batch").update_job_queue(jobQueue=queue, state="DISABLED")
    session("batch").delete_job_queue(jobQueue=queue)
    assert failed(handler.handler(event(m1=REQUEST), None)) == ["m1"]
    assert "does not exist" in json.loads(capsys.readouterr().out)["reason"]
    assert list(dispatcher.storage.list("runs/rejected")) == []


@pytest.mark.parametrize("missing", ["BUCKET", "JOB_QUEUES", "JOB_DEFINITIONS"])
def test_function_does_not_start_without_its_environment(
    handler: ModuleType, monkeypatch: pytest.MonkeyPatch, missing: str
) -> None:
    monkeypatch.delenv(missing)
    with pytest.raises(KeyError, match=missing):
        importlib.reload(handler)
