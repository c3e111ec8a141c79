"""A page is looked at before it is made: what is not there, or not yet, is named, and no result is read."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from cellpainting.jobs import RunRecord, parse_job
from cellpainting.jobs.run_record import RunKeys
from cellpainting.preflight import Preflight, Severity, check_request
from cellpainting.storage import FolderStorage
from tests.worker.backend.plates import Watched
from tests.worker.preflight.plates import about

BACKEND = "w/backend/B1/P1"
REQUEST = {
    "job_type": "make_report",
    "plate": "P1",
    "runs": ["plate-1"],
    "backend": BACKEND,
    "output": "w/pages/P1.html",
}
MEASURED = {"pipeline": "p/a.cppipe", "input": "p/images", "output": "p/results"}
PROFILES = {"job_type": "make_profiles", "config": "w/plates.yml"}
INGEST = {"job_type": "build_backend", "analysis": "p/a", "output": "w/backend", "batch": "B1", "plate": "P1"}


def put_run(bucket: FolderStorage, run_id: str, request: dict[str, Any]) -> None:
    bucket.write(RunKeys(run_id).request, json.dumps({**request, "run": run_id}).encode())


@pytest.fixture
def bucket(tmp_path: Path) -> Watched:
    """A backend and a run, in a bucket that remembers what was read."""
    bucket = Watched(tmp_path / "bucket")
    bucket.write(f"{BACKEND}/P1_ingest.json", b"{}")
    put_run(bucket, "plate-1", MEASURED)
    return bucket


def look(bucket: FolderStorage, **fields: Any) -> Preflight:
    document = {**REQUEST, **fields}
    return check_request(RunRecord.of(parse_job(document), document), bucket)


def told(preflight: Preflight) -> list[tuple[str, Severity]]:
    return [(finding.subject, finding.severity) for finding in preflight.findings]


def test_all_that_is_named_is_there_and_only_requests_are_read(bucket: Watched) -> None:
    preflight = look(bucket)
    assert (preflight.findings, preflight.exit_status) == ((), 0)
    assert (preflight.outlook.image_sets, preflight.outlook.shards) == (1, 1)
    assert bucket.was_read == [RunKeys("plate-1").request]


def test_what_is_not_there_yet_is_a_warning_while_something_else_is(bucket: Watched) -> None:
    preflight = look(bucket, backend="w/backend/B2/P1", runs=["plate-1", "plate-2"])
    assert told(preflight) == [("w/backend/B2/P1", Severity.WARNING), ("plate-2", Severity.WARNING)]
    assert about(preflight.findings, "there is no backend at") == ["w/backend/B2/P1"]
    assert about(preflight.findings, "there is no run 'plate-2'") == ["plate-2"]
    assert (preflight.exit_status, preflight.is_hopeless) == (0, False)


@pytest.mark.parametrize(
    "fields", [{"runs": ["a1", "b1"], "backend": None}, {"runs": [], "backend": "w/backend/B2/P1"}]
)
def test_nothing_that_is_there_is_an_error(bucket: Watched, fields: dict[str, Any]) -> None:
    preflight = look(bucket, **fields)
    assert {severity for _, severity in told(preflight)} == {Severity.ERROR}
    assert preflight.exit_status == 2


def test_a_run_that_measures_no_plate_is_named(bucket: Watched) -> None:
    put_run(bucket, "profiles-1", PROFILES)
    put_run(bucket, "ingest-1", INGEST)
    put_run(bucket, "page-1", REQUEST)
    preflight = look(bucket, runs=["profiles-1", "ingest-1", "page-1"])
    assert told(preflight) == [("page-1", Severity.WARNING)]
    assert about(preflight.findings, "is a make_report job, which measures no plate") == ["page-1"]


def test_progress_is_told(bucket: Watched) -> None:
    heard: list[tuple[int, int]] = []
    record = RunRecord.of(parse_job(REQUEST), REQUEST)
    check_request(record, bucket, lambda done, total: heard.append((done, total)))
    assert heard == [(2, 2)]


def test_it_needs_nothing_of_what_pages_are_made_with() -> None:
    script = "import sys, cellpainting.preflight.page; sys.exit(bool({'pandas', 'jinja2', 'cv2'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0
