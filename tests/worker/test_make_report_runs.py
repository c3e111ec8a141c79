"""A run that makes a page is done when the page is there; what is not there of its plate is told on it."""

import json
import shutil
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from click.testing import CliRunner, Result

from cellpainting.cli.logs import logs
from cellpainting.cli.run import run as cpb_run
from cellpainting.cli.status import status
from cellpainting.dispatch.planning_job import plan_run
from cellpainting.errors import MissingInput, StorageUnavailable
from cellpainting.jobs import RunRecord, parse_job
from cellpainting.jobs.run_record import RunKeys
from cellpainting.ledger import Cause, ImageSet, LostShard, Manifest, State, StoredFile, read_ledger, write_plan
from cellpainting.planning import Group, ShardPlan
from cellpainting.planning.plan_job import read_csv_source
from cellpainting.report.run import run
from cellpainting.storage import FolderStorage, Storage
from tests.conftest import reporting
from tests.worker.backend.plates import s3_bucket, uploaded
from tests.worker.profiled_plates import BATCH
from tests.worker.report.workspaces import RUN as MEASURED
from tests.worker.report.workspaces import Workspace, make_workspace, record_run

RUN = "page-1"
KEYS = RunKeys(RUN)
BACKEND = f"backend/{BATCH}/P1"
PAGE = "pages/P1.html"
REQUEST = {"job_type": "make_report", "run": RUN, "plate": "P1", "output": PAGE}
WHOLE = {**REQUEST, "runs": [MEASURED], "backend": BACKEND}
SHARD = ShardPlan(0, (Group(""),))
CHAIN: dict[str, dict[str, Any]] = {
    "measuring": {"pipeline": "a.cppipe", "input": "images", "output": "results2"},
    "ingest": {
        "job_type": "build_backend",
        "analysis": "runs/measured",
        "output": "backend",
        "batch": BATCH,
        "plate": "P1",
    },
    "profiles": {"job_type": "make_profiles", "backend": BACKEND, "platemap": "map.txt", "output": "profiles"},
    "of-a-batch": {"job_type": "make_profiles", "config": "no.yml"},
}


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bucket with two plates' backends and profiles, and the run that measured the first."""
    root = tmp_path_factory.mktemp("finished")
    record_run(Workspace(root), "P1")
    shutil.move(root / "bucket", root / "whole")
    make_workspace(root / "whole", "P1", "P2")
    return root / "whole"


@pytest.fixture
def bucket(finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FolderStorage:
    """A copy of it, on a machine without a queue and without CellProfiler."""
    for name in ("SQS_URL", "CELLPROFILER"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("CPB_SCRATCH", str(tmp_path))
    shutil.copytree(finished, tmp_path / "bucket")
    return FolderStorage(tmp_path / "bucket")


def put_request(bucket: Storage, request: dict[str, Any]) -> RunRecord:
    """Leave what the dispatcher leaves."""
    record = RunRecord.of(parse_job(request), request)
    bucket.write(record.keys.request, json.dumps(request).encode())
    planned = plan_run(record, bucket, read_csv_source, "")
    assert (planned.shard_count, planned.pending) == (1, "0")
    return record


def work(bucket: FolderStorage, request: dict[str, Any]) -> Result:
    """Do the run's only shard as its container does."""
    put_request(bucket, request)
    return CliRunner().invoke(cpb_run, ["--request", bucket.uri(KEYS.request)], standalone_mode=False)


def make(bucket: Storage, request: dict[str, Any]) -> Manifest:
    record = RunRecord.of(parse_job(request), request)
    return run(record, reporting(record.job), SHARD, bucket=bucket, show=lambda line: None)


def cpb(bucket: FolderStorage, command: Any) -> Result:
    return CliRunner().invoke(command, [RUN, "--bucket", str(bucket.root)], standalone_mode=False)


def remove(bucket: FolderStorage, folder: str) -> None:
    shutil.rmtree(bucket.root / folder)


def test_the_page_shows_run_backend_and_the_profiles_beside_it(bucket: FolderStorage) -> None:
    worked = work(bucket, WHOLE)
    assert worked.return_value == 0, worked.output
    page = bucket.read(PAGE).decode()
    for shown in (f"batch {BATCH}", f"CellProfiler, {MEASURED}", "features selected", "data:image/jpeg"):
        assert shown in page
    assert "runs and backend" not in page
    assert f"look at it: {bucket.uri(PAGE)}" in cpb(bucket, logs).output


def test_the_ledger_counts_the_plate(bucket: FolderStorage) -> None:
    work(bucket, WHOLE)
    assert "complete, 1 image sets" in cpb(bucket, status).output
    (outcome,) = read_ledger(bucket, RUN).outcomes
    assert outcome.image_set == ImageSet(0, 1, batch=BATCH, plate="P1")
    content = bucket.read(PAGE)
    manifest = Manifest.from_json(bucket.read(KEYS.shard(0)))
    assert manifest.outputs == (StoredFile(PAGE, len(content), sha256(content).hexdigest()),)


def test_other_plates_of_what_is_named_are_not_on_the_page(bucket: FolderStorage) -> None:
    request = {"job_type": "make_profiles", "config": "batch.yml", "run": "both"}
    put_request(bucket, request)
    assert make(bucket, {**REQUEST, "runs": ["both"]}).is_success
    page = bucket.read(PAGE).decode()
    assert "<title>P1" in page
    assert "profiles/B1/P2" not in page


@pytest.mark.parametrize("folders", [("profiles", "quality_control"), ("runs",), ("backend",)])
def test_the_page_is_made_of_what_is_left(bucket: FolderStorage, folders: tuple[str, ...]) -> None:
    for folder in folders:
        remove(bucket, folder)
    worked = work(bucket, WHOLE)
    assert worked.return_value == 0, worked.output
    page = bucket.read(PAGE).decode()
    assert (f"there is no run &#39;{MEASURED}&#39;" in page) == (folders == ("runs",))
    assert (f"there is no backend at {bucket.uri(BACKEND)}" in page) == (folders == ("backend",))


@pytest.mark.parametrize("name", CHAIN)
def test_a_run_that_was_planned_and_never_ran_is_told(bucket: FolderStorage, name: str) -> None:
    bucket.write(RunKeys("idle").request, json.dumps({**CHAIN[name], "run": "idle"}).encode())
    worked = work(bucket, {**WHOLE, "runs": [MEASURED, "idle"]})
    assert worked.return_value == 0, worked.output
    page = bucket.read(PAGE).decode()
    assert "bad</title>" in page
    told = "no.yml is not there" if name == "of-a-batch" else "run idle has left nothing of plate &#39;P1&#39;"
    assert told in page
    assert "runs and backend" in page
    assert "run idle" in worked.output


def test_image_sets_of_a_run_that_never_ran_are_on_the_plate(bucket: FolderStorage) -> None:
    keys = RunKeys("idle")
    bucket.write(keys.request, json.dumps({**CHAIN["measuring"], "run": "idle"}).encode())
    bucket.write(keys.plan, write_plan([ImageSet(0, 1, plate="P1", well="C12", site="1")]))
    assert make(bucket, {**REQUEST, "runs": ["idle"]}).is_success
    page = bucket.read(PAGE).decode()
    assert "1 image sets are not run" in page
    assert "C12" in page


@pytest.mark.parametrize("name", ["measuring", "ingest", "profiles"])
@pytest.mark.parametrize("is_lost", [True, False])
def test_a_run_that_failed_is_told_with_the_reason(bucket: FolderStorage, name: str, is_lost: bool) -> None:
    keys, reason = RunKeys("broken"), "the disk of the machine was full"
    bucket.write(keys.request, json.dumps({**CHAIN[name], "run": "broken"}).encode())
    if is_lost:
        bucket.write(keys.lost(0), LostShard(0, Cause.MACHINE_LOST, reason).to_json())
    else:
        bucket.write(keys.shard(0), Manifest(0, (), None, "", (), "", "", 1.0, 1.0, reason=reason).to_json())
    assert make(bucket, {**WHOLE, "runs": ["broken", MEASURED]}).is_success
    assert f"run broken failed: {reason}" in bucket.read(PAGE).decode()


def test_a_backend_left_by_an_earlier_attempt_does_not_hide_that_the_last_one_failed(bucket: FolderStorage) -> None:
    keys = RunKeys("broken")
    bucket.write(keys.request, json.dumps({**CHAIN["ingest"], "run": "broken"}).encode())
    bucket.write(keys.plan, write_plan([ImageSet(0, 1, plate="P1", well="A01", site="1")]))
    bucket.write(keys.shard(0), Manifest(0, (), None, "", (), "", "", 1.0, 1.0, reason="no CSV").to_json())
    assert make(bucket, {**REQUEST, "runs": ["broken"]}).is_success
    assert "run broken failed: no CSV" in bucket.read(PAGE).decode()


def test_a_run_that_could_not_be_planned_is_told(bucket: FolderStorage) -> None:
    keys = RunKeys("broken")
    bucket.write(keys.request, json.dumps({**CHAIN["measuring"], "run": "broken"}).encode())
    bucket.write(keys.planning_failure, b"the load data has no row")
    assert make(bucket, {**WHOLE, "runs": ["broken"]}).is_success
    assert "run broken failed: the load data has no row" in bucket.read(PAGE).decode()


def test_a_run_that_tells_of_no_plate_is_told(bucket: FolderStorage) -> None:
    put_request(bucket, {**WHOLE, "run": "page-of-a-page"})
    assert make(bucket, {**WHOLE, "runs": ["page-of-a-page"]}).is_success
    assert "is a make_report job, which measures no plate" in bucket.read(PAGE).decode()


def test_nothing_at_all_is_an_input_that_is_missing(bucket: FolderStorage) -> None:
    for folder in ("backend", "profiles", "quality_control", "runs"):
        remove(bucket, folder)
    worked = work(bucket, {**WHOLE, "runs": ["other"]})
    assert worked.return_value == 1
    (outcome,) = read_ledger(bucket, RUN).outcomes
    assert (outcome.state, outcome.cause) == (State.INPUT_MISSING, Cause.INPUT_MISSING)
    for told in ("there is nothing to show of plate 'P1'", bucket.uri(BACKEND), "there is no run 'other'"):
        assert told in outcome.reason
        assert told in cpb(bucket, logs).output
    with pytest.raises(MissingInput):
        bucket.stat(PAGE)
    assert read_ledger(bucket, RUN).is_over


def test_plates_of_one_name_in_several_batches_are_not_mixed_up(bucket: FolderStorage) -> None:
    put_request(bucket, {**CHAIN["ingest"], "batch": "B2", "run": "other-batch"})
    manifest = make(bucket, {**WHOLE, "runs": ["other-batch"]})
    (outcome,) = manifest.outcomes
    assert outcome.state is State.INPUT_DAMAGED
    assert "there is a plate 'P1' in several batches, 'B1', 'B2'" in outcome.reason


def test_a_profile_that_cannot_be_read_is_named_and_there_is_no_page(bucket: FolderStorage) -> None:
    bucket.write(f"profiles/{BATCH}/P1/P1_augmented.parquet", b"")
    manifest = make(bucket, WHOLE)
    assert not manifest.is_success
    (outcome,) = manifest.outcomes
    assert (outcome.state, outcome.cause) == (State.INPUT_DAMAGED, Cause.INPUT_DAMAGED)
    assert "P1_augmented.parquet cannot be read" in outcome.reason
    assert manifest.outputs == ()


def test_sent_again_the_page_is_made_of_what_is_there_now(bucket: FolderStorage) -> None:
    assert make(bucket, WHOLE).is_success
    whole = bucket.read(PAGE)
    remove(bucket, "profiles")
    assert make(bucket, WHOLE).is_success
    assert "features selected" in whole.decode()
    assert "features selected" not in bucket.read(PAGE).decode()


class Failing(FolderStorage):
    """A folder that cannot be written to."""

    def upload(self, path: Path, key: str) -> None:
        raise StorageUnavailable("the storage is away; try again")


class Away(FolderStorage):
    """A folder whose files cannot be read."""

    def read(self, key: str) -> bytes:
        raise StorageUnavailable("the storage is away; try again")


@pytest.mark.parametrize("kind", [Failing, Away])
def test_a_storage_that_fails_leaves_no_manifest_and_another_attempt_the_page(
    bucket: FolderStorage, kind: Callable[[Path], FolderStorage]
) -> None:
    with pytest.raises(StorageUnavailable) as error:
        make(kind(bucket.root), WHOLE)
    assert error.value.exit_status == 75
    with pytest.raises(MissingInput):
        bucket.stat(KEYS.shard(0))
    assert make(bucket, WHOLE).is_success


@pytest.fixture
def on_s3(finished: Path, moto_url: str) -> Storage:
    bucket = s3_bucket(moto_url, f"b-{uuid4().hex}")
    for name in ("backend", "profiles", "quality_control", "runs", "images", "results"):
        uploaded(finished / name, bucket, name)
    return bucket


def test_a_page_of_a_bucket_is_the_one_of_a_folder(bucket: FolderStorage, on_s3: Storage) -> None:
    for storage in (bucket, on_s3):
        record = put_request(storage, WHOLE)
        assert run(record, reporting(record.job), SHARD, bucket=storage, show=lambda line: None).is_success
    assert on_s3.read(PAGE) == bucket.read(PAGE)
    assert "features selected" in on_s3.read(PAGE).decode()
