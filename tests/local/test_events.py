"""The event bus delivers what the rules ask for to the functions that they name, and tries again what fails."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from moto.events.models import events_backends

from cellpainting.local.deployment import REGION
from cellpainting.local.events import EventBus
from cellpainting.local.function import Function, FunctionConfiguration
from cellpainting.local.moto_models import ACCOUNT
from tests.local.conftest import wait_until

PATTERN = {
    "source": ["aws.batch"],
    "detail": {"status": ["SUCCEEDED", "FAILED"], "arrayProperties": {"index": [{"exists": False}]}},
}
HANDLER = """
import os, pathlib

def handler(event, context):
    folder = pathlib.Path(os.environ["FOLDER"])
    seen = folder / event["detail"]["jobName"]
    seen.write_text(seen.read_text() + "x" if seen.exists() else "x")
    if event["detail"]["jobName"] == "failing":
        raise ValueError("as always")
"""


class Job:
    """An ended Batch job, as far as an event shows one."""

    arn = "arn:aws:batch:us-east-1:123456789012:job/1"
    exit_code = 0
    stop = False

    def __init__(self, name: str, status: str = "SUCCEEDED", **array_properties: Any) -> None:
        self._described = {"jobName": name, "jobId": name, "status": status}
        self.array_properties = array_properties

    def describe(self) -> dict[str, Any]:
        return dict(self._described)


@pytest.fixture
def bus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[EventBus]:
    """A bus with one rule whose function keeps count of what it was told in files."""
    monkeypatch.setattr("cellpainting.local.events.RETRY_S", 0.01)
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "told.py").write_text(HANDLER)
    backend = events_backends[ACCOUNT][REGION]
    rule = backend.put_rule("ended", event_pattern=json.dumps(PATTERN), event_bus_arn="default")
    rule.put_targets([{"Id": "1", "Arn": "arn:function"}])
    variables = {"FOLDER": str(tmp_path)}
    configuration = FunctionConfiguration("told", tmp_path / "code", "told.handler", variables, 10.0, "/group", 2)
    functions = {"arn:function": Function(configuration, lambda line: None)}
    find: Callable[[str], Function] = functions.__getitem__
    bus = EventBus(REGION, tell=lambda line: None)
    bus.connect(find)
    bus.start()
    yield bus
    bus.stop()
    events_backends.reset()


def told(folder: Path) -> dict[str, int]:
    return {path.name: len(path.read_text()) for path in folder.iterdir() if path.is_file()}


def test_only_what_the_rule_asks_for_is_told(bus: EventBus, tmp_path: Path) -> None:
    for job in (Job("array", "FAILED", size=2), Job("plain"), Job("child", index=1), Job("running", "RUNNING")):
        bus.publish_end(job)
    wait_until(lambda: bus.is_idle, "all is delivered", 20)
    assert told(tmp_path) == {"array": 1, "plain": 1}
    assert bus.published == 4


def test_rule_that_waits_for_a_time_is_not_called_by_an_event(bus: EventBus, tmp_path: Path) -> None:
    backend = events_backends[ACCOUNT][REGION]
    rule = backend.put_rule("clock", scheduled_expression="rate(5 minutes)", event_bus_arn="default")
    rule.put_targets([{"Id": "1", "Arn": "arn:function"}])
    bus.publish_end(Job("plain"))
    wait_until(lambda: bus.is_idle, "all is delivered", 20)
    assert told(tmp_path) == {"plain": 1}


def test_function_that_raises_is_invoked_again_and_holds_nothing_up(bus: EventBus, tmp_path: Path) -> None:
    for name in ("failing", "next"):
        bus.publish_end(Job(name))
    wait_until(lambda: bus.is_idle, "all is delivered", 20)
    assert told(tmp_path) == {"failing": 3, "next": 1}
