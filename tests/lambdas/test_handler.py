"""The handler's contract with SQS: each record for itself, and only those that failed are named."""

import importlib
import json
import sys
import time
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import pytest

from cellpainting.errors import InvalidRequest
from cellpainting.jobs import parse_message
from cellpainting.jobs.message import MOST_IN_MESSAGE
from tests.lambdas.conftest import FOLDER_REQUEST as REQUEST
from tests.lambdas.conftest import PLATE_REQUEST, Cloud, environment_of, run_of


@pytest.fixture
def handler(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """The handler's module, imported as Lambda does: with the function's environment."""
    for name, value in environment_of(cloud, cloud.batch.meta.endpoint_url).items():
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


def test_only_the_records_that_failed_are_named(handler: ModuleType, cloud: Cloud) -> None:
    bodies = {"m1": REQUEST, "m2": "not json", "m3": {**REQUEST, "output": "elsewhere/"}, "m4": {}}
    assert failed(handler.handler(event(**bodies), None)) == ["m2", "m4"]
    assert len(cloud.jobs) == 2


def test_refused_message_is_kept_with_its_reason(
    handler: ModuleType, cloud: Cloud, capsys: pytest.CaptureFixture[str]
) -> None:
    handler.handler(event(m1={**REQUEST, "input": "../x"}), None)
    kept = json.loads(cloud.storage.read("runs/rejected/m1.json"))
    assert "'input'" in kept["reason"]
    logged = json.loads(capsys.readouterr().out)
    assert logged.pop("time").endswith("Z")
    assert logged == {"level": "ERROR", "message_id": "m1", "reason": kept["reason"]}


POISON = {
    "not JSON": "\x00\ufffe not json",
    "half of a message": json.dumps(REQUEST)[:-9],
    "nothing": "null",
    "a number": "1e999",
    "an empty list": "[]",
    "a list of lists": "[[[]]]",
    "nested too deeply": "[" * 200_000,
    "a field nested deeply": json.dumps({**REQUEST, "output": "x"}).replace('"x"', "[" * 400 + "]" * 400),
    "a number of 100,000 digits": json.dumps({**REQUEST, "job_memory": "1" * 100_000}),
    "no number at all": json.dumps({**REQUEST, "job_memory": float("nan")}),
    "a field of 1 MB": json.dumps({**REQUEST, "output": "x" * 1_000_000}),
    "an unknown field of 1 MB": json.dumps({**REQUEST, "x" * 1_000_000: 1}),
    "50,000 unknown fields": json.dumps({f"field{number}": number for number in range(50_000)}),
    "a path out of the bucket": json.dumps({**REQUEST, "input": "p/../../x"}),
    "half of a character": json.dumps({**REQUEST, "output": "\ud800"}),
    "the record of another run": json.dumps({**REQUEST, "output": "runs/x/"}),
    "a run name that leads out": json.dumps({**REQUEST, "run": "../x"}),
    "an unknown type": json.dumps({**REQUEST, "job_type": "rm -rf"}),
    "the same twice": json.dumps([REQUEST, REQUEST]),
}


def test_poison_is_refused_in_a_moment_with_a_reason_that_can_be_read_and_nothing_else_with_it(
    handler: ModuleType, cloud: Cloud
) -> None:
    started = time.monotonic()
    assert failed(handler.handler(event(**{**POISON, "good": REQUEST}), None)) == list(POISON)
    assert time.monotonic() - started < 20
    assert len(cloud.jobs) == 1
    for message_id, body in POISON.items():
        kept = json.loads(cloud.storage.read(f"runs/rejected/{message_id}.json"))
        assert kept["body"] == body
        assert 20 < len(kept["reason"]) < 3000, message_id


def test_list_of_as_many_requests_as_a_message_may_have_is_read_in_a_moment() -> None:
    members = [{**REQUEST, "output": f"results/{number:06}/"} for number in range(MOST_IN_MESSAGE)]
    started = time.monotonic()
    assert len(parse_message(json.dumps(members))) == MOST_IN_MESSAGE
    assert time.monotonic() - started < 5
    with pytest.raises(InvalidRequest, match="2001 requests; send at most 2000"):
        parse_message(json.dumps([*members, REQUEST]))


def test_list_with_a_member_that_could_not_succeed_submits_nothing(handler: ModuleType, cloud: Cloud) -> None:
    members = [REQUEST, {**PLATE_REQUEST, "load_data": "p/nowhere.csv", "output": "elsewhere/"}]
    assert failed(handler.handler(event(m1=members), None)) == ["m1"]
    assert cloud.jobs == []
    assert "p/nowhere.csv" in json.loads(cloud.storage.read("runs/rejected/m1.json"))["reason"]


def test_list_with_a_member_for_a_queue_that_is_not_ours_submits_nothing(handler: ModuleType, cloud: Cloud) -> None:
    members = [REQUEST, {**REQUEST, "output": "elsewhere/", "job_queue": "not-ours"}]
    assert failed(handler.handler(event(m1=members), None)) == ["m1"]
    assert cloud.jobs == []


def test_long_list_is_submitted_whole_and_once_even_if_delivered_twice(handler: ModuleType, cloud: Cloud) -> None:
    members = [{**REQUEST, "output": f"results/{number}/"} for number in range(150)]
    assert failed(handler.handler(event(m1=members), None)) == []
    assert failed(handler.handler(event(m1=members), None)) == []
    assert len({job["jobName"] for job in cloud.jobs}) == len(cloud.jobs) == 150


def test_failure_of_aws_is_tried_again_and_kept_out_of_the_rejected(
    handler: ModuleType, cloud: Cloud, capsys: pytest.CaptureFixture[str], session: Any
) -> None:
    queue = cloud.dispatcher.settings.job_queues[0]
    session("batch").update_job_queue(jobQueue=queue, state="DISABLED")
    session("batch").delete_job_queue(jobQueue=queue)
    assert failed(handler.handler(event(m1=REQUEST), None)) == ["m1"]
    assert "does not exist" in json.loads(capsys.readouterr().out)["reason"]
    assert list(cloud.storage.list("runs/rejected")) == []


@pytest.mark.parametrize(
    "missing", ["BUCKET", "JOB_QUEUES", "ON_DEMAND_QUEUE", "JOB_TYPES", "RUNS_TOPIC", "MAX_MEMORY_MIB"]
)
def test_function_does_not_start_without_its_environment(
    handler: ModuleType, monkeypatch: pytest.MonkeyPatch, missing: str
) -> None:
    monkeypatch.delenv(missing)
    with pytest.raises(KeyError, match=missing):
        importlib.reload(handler)


def test_event_of_batch_is_told_from_messages_and_fails_by_raising(
    handler: ModuleType, cloud: Cloud, capsys: pytest.CaptureFixture[str]
) -> None:
    handler.handler(event(m1=REQUEST), None)
    run = run_of()
    cloud.storage.write(run.keys.shard(0), b"no manifest")
    (job,) = cloud.jobs
    with pytest.raises(ValueError, match="Expecting value"):
        handler.handler({"source": "aws.batch", "detail": cloud.detail(job, status="FAILED")}, None)
    assert handler.handler({"source": "aws.batch", "detail": cloud.detail(job, jobName="another")}, None) is None
    dispatched, ended = map(json.loads, capsys.readouterr().out.splitlines())
    assert {"time", "level", "run", "message_id", "outcome"} == set(dispatched)
    assert {"time", "level", "run", "job", "job_id", "outcome"} == set(ended)
    assert dispatched["run"] == ended["run"] == run.run_id
    assert "somebody else" in ended["outcome"]
