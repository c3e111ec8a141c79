"""AWS Batch's API over HTTP with its published limits, and no hosts: jobs stay as they are until somebody ends them.

The limits are those of "AWS Batch service quotas" and of the API reference: 50 calls of an operation a second, arrays
of 2 to 10,000 children, 20 dependencies, 30 KiB for SubmitJob, 100 jobs in a DescribeJobs, pages of 100 jobs by name
and of 1,000 children. What is above them is refused as AWS refuses it, and counted.
"""

import json
import threading
import time
import uuid
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

CALLS_PER_SECOND = 50
LARGEST_ARRAY = 10_000
MOST_DEPENDENCIES = 20
MOST_BYTES = 30 * 1024
MOST_DESCRIBED = 100
PAGE_BY_NAME, PAGE_OF_CHILDREN = 100, 1000


class Refused(Exception):
    """A request that is not carried out, with the name that Batch has for it and its HTTP status."""

    def __init__(self, name: str, status: int, message: str) -> None:
        super().__init__(message)
        self.name = name
        self.status = status


class CallRate:
    """A bucket of calls that fills again at a steady rate."""

    def __init__(self, per_second: float) -> None:
        self._per_second = per_second
        self._left = per_second
        self._at = time.monotonic()

    def take(self) -> bool:
        """Whether one more call is within the rate."""
        now = time.monotonic()
        self._left = min(self._per_second, self._left + (now - self._at) * self._per_second)
        self._at = now
        if self._left < 1:
            return False
        self._left -= 1
        return True


@dataclass
class LimitedBatch:
    """The jobs that were submitted, by id, and how often each operation was called and refused."""

    per_second: float = CALLS_PER_SECOND
    jobs: dict[str, dict[str, Any]] = field(default_factory=dict)
    calls: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    failed_children: dict[str, list[dict[str, Any]]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._lock = threading.Lock()
        self._rates: dict[str, CallRate] = {}
        self._named: dict[str, list[dict[str, Any]]] = {}

    def answer(self, operation: str, body: bytes) -> dict[str, Any]:
        """Carry out one request.

        Raises
        ------
        Refused
            If it is above a limit, or wrong.
        """
        operations = {"submitjob": self._submit, "describejobs": self._describe, "listjobs": self._list}
        with self._lock:
            self.calls[operation] += 1
            if not self._rates.setdefault(operation, CallRate(self.per_second)).take():
                self.refused[operation] += 1
                raise Refused("TooManyRequestsException", 429, "Too Many Requests")
            if operation == "submitjob" and len(body) > MOST_BYTES:
                raise Refused("ClientException", 400, f"the request has {len(body)} bytes")
            return operations[operation](json.loads(body))

    def end(self, job_id: str, failed: list[dict[str, Any]] | None = None) -> dict[str, Any]:
        """End a job, `failed` being those of its children that have, and return what the event of it has."""
        job = self.jobs[job_id]
        job["status"] = "FAILED" if failed else "SUCCEEDED"
        self.failed_children[job_id] = failed or []
        return job

    def forget_calls(self) -> None:
        """Let the calls of the last second not count, and a new rate hold."""
        with self._lock:
            self._rates.clear()

    def _submit(self, asked: dict[str, Any]) -> dict[str, Any]:
        size = asked.get("arrayProperties", {}).get("size")
        if size is not None and not 2 <= size <= LARGEST_ARRAY:
            raise Refused("ClientException", 400, f"an array of {size}")
        if len(asked.get("dependsOn", [])) > MOST_DEPENDENCIES:
            raise Refused("ClientException", 400, f"{len(asked['dependsOn'])} dependencies")
        job = {**asked, "jobId": str(uuid.uuid4()), "status": "RUNNABLE", "createdAt": int(time.time() * 1000)}
        self.jobs[job["jobId"]] = job
        self._named.setdefault(job["jobName"].lower(), []).append(job)
        return {"jobId": job["jobId"], "jobName": job["jobName"]}

    def _describe(self, asked: dict[str, Any]) -> dict[str, Any]:
        if len(asked["jobs"]) > MOST_DESCRIBED:
            raise Refused("ClientException", 400, f"{len(asked['jobs'])} jobs")
        return {"jobs": [self.jobs[job_id] for job_id in asked["jobs"] if job_id in self.jobs]}

    def _list(self, asked: dict[str, Any]) -> dict[str, Any]:
        if "arrayJobId" in asked:
            return _page(self.failed_children[asked["arrayJobId"]], PAGE_OF_CHILDREN, asked)
        (name,) = asked["filters"][0]["values"]
        named = [job for job in self._named.get(name.lower(), []) if job["jobQueue"] == asked["jobQueue"]]
        return _page(named, PAGE_BY_NAME, asked)


def _page(jobs: list[dict[str, Any]], size: int, asked: dict[str, Any]) -> dict[str, Any]:
    start = int(asked.get("nextToken", 0))
    page: dict[str, Any] = {"jobSummaryList": jobs[start : start + size]}
    return {**page, "nextToken": str(start + size)} if start + size < len(jobs) else page


@contextmanager
def limited_batch(per_second: float = CALLS_PER_SECOND) -> Iterator[tuple[LimitedBatch, str]]:
    """A Batch of its own, with its URL."""
    batch = LimitedBatch(per_second)
    http = ThreadingHTTPServer(("127.0.0.1", 0), _handler(batch))
    thread = threading.Thread(target=http.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield batch, f"http://127.0.0.1:{http.server_address[1]}"
    finally:
        http.shutdown()
        thread.join()
        http.server_close()


def _handler(batch: LimitedBatch) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            try:
                self._answer(200, batch.answer(self.path.rpartition("/")[2], body))
            except Refused as refused:
                self._answer(refused.status, {"message": str(refused)}, refused.name)

        def _answer(self, status: int, document: dict[str, Any], error: str = "") -> None:
            content = json.dumps(document).encode()
            self.send_response(status)
            if error:
                self.send_header("x-amzn-ErrorType", error)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *arguments: object) -> None:
            pass

    return Handler
