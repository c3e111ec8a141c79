"""EventBridge: tells the functions that the deployed rules name when a Batch job ends."""

import queue
import threading
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from moto.batch import models as batch
from moto.events.models import events_backends

from cellpainting.errors import LocalCloudError
from cellpainting.local.function import Function
from cellpainting.local.moto_models import ACCOUNT
from cellpainting.shard_log import MARK

RETRY_S = 2.0  # AWS waits one minute, then two

Tell = Callable[[str], None]


class EventBus:
    """The default event bus: one thread, which delivers one event after the other.

    A function that raises is invoked again, as often as its configuration says.
    """

    def __init__(self, region: str, tell: Tell) -> None:
        self._region = region
        self._tell = tell
        self._find_function: Callable[[str], Function] | None = None
        self._functions: dict[str, Function] = {}
        self._delivering = threading.Lock()
        self._events: queue.Queue[dict[str, Any] | None] = queue.Queue()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._deliver_all, daemon=True)
        self.published = 0

    def start(self) -> None:
        """Begin to deliver."""
        self._thread.start()

    def stop(self) -> None:
        """Deliver nothing more; returns when the event at work is answered."""
        self._stopping.set()
        self._events.put(None)
        self._thread.join()
        self.connect(None)

    def connect(self, find_function: Callable[[str], Function] | None) -> None:
        """From now on, make the functions of ARNs this way; without one, events are told to nobody."""
        with self._delivering:
            self._find_function = find_function
            for function in self._functions.values():
                function.stop()
            self._functions.clear()

    @property
    def is_idle(self) -> bool:
        """Whether every event was delivered."""
        return self._events.unfinished_tasks == 0

    def publish_end(self, job: batch.Job) -> None:
        """Take the event of a job that has ended."""
        self.published += 1
        self._events.put(
            {
                "version": "0",
                "id": str(uuid.uuid4()),
                "detail-type": "Batch Job State Change",
                "source": "aws.batch",
                "account": ACCOUNT,
                "time": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
                "region": self._region,
                "resources": [job.arn],
                "detail": job_detail(job),
            }
        )

    def _deliver_all(self) -> None:
        while (event := self._events.get()) is not None and not self._stopping.is_set():
            with self._delivering:
                for target in self._targets(event):
                    self._deliver(event, target)
            self._events.task_done()

    def _targets(self, event: dict[str, Any]) -> list[str]:
        if self._find_function is None:
            return []
        # A rule that waits for a time has no pattern, which to moto matches everything. There is no clock here.
        rules = events_backends[ACCOUNT][self._region].event_buses["default"].rules.values()
        return [
            target["Arn"]
            for rule in rules
            if rule.state == "ENABLED" and not rule.scheduled_expression and rule.event_pattern.matches_event(event)
            for target in rule.targets
        ]

    def _deliver(self, event: dict[str, Any], arn: str) -> None:
        if arn not in self._functions and self._find_function:
            self._functions[arn] = self._find_function(arn)
        function = self._functions[arn]
        retries = function.configuration.event_retries
        for attempt in range(retries + 1):
            try:
                function.invoke(event)
            except LocalCloudError as error:
                self._tell(MARK + str(error))
                if attempt < retries and self._stopping.wait(RETRY_S):
                    return
            else:
                return


def job_detail(job: batch.Job) -> dict[str, Any]:
    """A job as DescribeJobs has it; moto leaves out which child it is, how its container ended, and if by hand."""
    detail: dict[str, Any] = job.describe()
    if "index" in job.array_properties:
        detail["arrayProperties"] = {"index": job.array_properties["index"]}
    if job.exit_code is not None:
        detail["container"] = {**detail.get("container", {}), "exitCode": job.exit_code}
    if job.stop:
        detail["isTerminated"] = True
    return detail
