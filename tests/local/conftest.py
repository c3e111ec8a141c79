"""A local cloud in a process of its own, driven from outside as a user would."""

import json
import os
import re
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import pytest

from cellpainting.cellprofiler.environment import CellProfiler
from tests.conftest import REPOSITORY

EXPORT = re.compile(r"export (\w+)=(.*)")
START_TIMEOUT_S = 90
RUN_TIMEOUT_S = 120


def wait_until(is_true: Callable[[], Any], what: str, timeout_s: float = RUN_TIMEOUT_S) -> Any:
    """Poll until something is true, and return it."""
    end = time.monotonic() + timeout_s
    while time.monotonic() < end:
        if value := is_true():
            return value
        time.sleep(0.2)
    raise AssertionError(f"not within {timeout_s} s: {what}")


@dataclass(frozen=True)
class LocalUp:
    """`cpb local up` with the variables that it prints."""

    process: "subprocess.Popen[str]"
    variables: dict[str, str]
    data: Path

    @property
    def environment(self) -> dict[str, str]:
        return {**os.environ, **self.variables}

    def client(self, service: str) -> Any:
        session = boto3.Session("local", "local", region_name="us-east-1")
        return session.client(service, endpoint_url=self.variables["AWS_ENDPOINT_URL"])  # type: ignore[call-overload]

    @property
    def bucket(self) -> str:
        return self.variables["AWS_BUCKET"]

    @property
    def folder(self) -> Path:
        return self.data / "bucket"

    def send(self, message: Any) -> str:
        """Send a message, an object or text; returns its id."""
        body = message if isinstance(message, str) else json.dumps(message)
        sqs = self.client("sqs")
        return str(sqs.send_message(QueueUrl=self.variables["SQS_URL"], MessageBody=body)["MessageId"])

    def summary(self, run_id: str) -> dict[str, Any]:
        """Wait for the summary of a run."""
        path = self.folder / "runs" / run_id / "summary.json"
        wait_until(path.exists, f"{path} is written")
        return json.loads(path.read_text())  # type: ignore[no-any-return]

    def jobs(self, run_id: str) -> list[dict[str, Any]]:
        """The Batch jobs of a run."""
        batch = self.client("batch")
        queue = batch.describe_job_queues()["jobQueues"][0]["jobQueueArn"]
        found = batch.list_jobs(jobQueue=queue, filters=[{"name": "JOB_NAME", "values": [f"{run_id}-*"]}])
        ids = [job["jobId"] for job in found["jobSummaryList"]]
        return list(batch.describe_jobs(jobs=ids)["jobs"]) if ids else []

    def stop(self) -> int:
        """Press Ctrl-C."""
        self.process.send_signal(signal.SIGINT)
        with self.process:
            return self.process.wait(30)


def start_local_up(data: Path, cellprofiler: CellProfiler, *options: str) -> LocalUp:
    """Start `cpb local up` and read what it prints until it says that it is up."""
    process = subprocess.Popen(
        ["cpb", "local", "up", "--port", "0", "--data", str(data), *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "CELLPROFILER": str(cellprofiler.command), "PYTHONUNBUFFERED": "1"},
        cwd=REPOSITORY,
    )
    variables: dict[str, str] = {}
    printed = []
    assert process.stdout
    for line in process.stdout:
        printed.append(line)
        if match := EXPORT.match(line):
            variables[match[1]] = match[2].strip()
        if line.startswith("Ctrl-C"):
            threading.Thread(target=process.stdout.read, daemon=True).start()  # a full pipe would stop the cloud
            return LocalUp(process, variables, data)
    raise AssertionError("cpb local up ended:\n" + "".join(printed))


@pytest.fixture(scope="session")
def cloud(tmp_path_factory: pytest.TempPathFactory, cellprofiler: CellProfiler) -> Iterator[LocalUp]:
    """One local cloud for all tests that do not stop it."""
    up = start_local_up(tmp_path_factory.mktemp("cloud"), cellprofiler)
    yield up
    assert up.stop() == 0
