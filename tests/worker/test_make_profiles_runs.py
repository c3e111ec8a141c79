"""A run of profiles is counted by plates; what can be made is made, and what is there is not made again."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from click.testing import CliRunner, Result

from cellpainting.cli.logs import logs
from cellpainting.cli.redrive import redrive
from cellpainting.cli.run import run as cpb_run
from cellpainting.cli.status import status
from cellpainting.dispatch.planning_job import plan_run
from cellpainting.errors import MissingInput, StorageUnavailable
from cellpainting.job_output import LogLine
from cellpainting.jobs import RunRecord, parse_job
from cellpainting.jobs.run_record import RunKeys
from cellpainting.ledger import Cause, LostShard, read_ledger
from cellpainting.planning import Group, ShardPlan
from cellpainting.planning.plan_job import read_csv_source
from cellpainting.profiles.profile_report import MakingReport
from cellpainting.profiles.run import run
from cellpainting.storage import FolderStorage, Storage
from tests.conftest import profiling
from tests.worker.backend.plates import s3_bucket, uploaded
from tests.worker.profiled_plates import (
    BATCH,
    USUAL,
    config_text,
    external_text,
    platemap_text,
    put_metadata,
    put_profile,
    write_backend,
)

RUN = "profiles-1"
KEYS = RunKeys(RUN)
REQUEST = {"job_type": "make_profiles", "run": RUN, "config": "w/config_files/plates.yml"}
SHARD = ShardPlan(0, (Group(""),))


def put_request(bucket: Storage, request: dict[str, Any]) -> RunRecord:
    """Leave what the dispatcher leaves."""
    record = RunRecord.of(parse_job(request), request)
    bucket.write(record.keys.request, json.dumps(request).encode())
    planned = plan_run(record, bucket, read_csv_source, "")
    assert (planned.shard_count, planned.pending) == (1, "0")
    return record


@pytest.fixture
def bucket(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FolderStorage:
    """A planned run over two plates that have a profile each, on a machine without a queue and without CellProfiler."""
    for name in ("SQS_URL", "CELLPROFILER"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("CPB_SCRATCH", str(tmp_path))
    bucket = FolderStorage(tmp_path / "bucket")
    bucket.write(str(REQUEST["config"]), config_text("P1", "P2", aggregates="false"))
    put_metadata(bucket, "w", "P1", "P2")
    for plate in ("P1", "P2"):
        put_profile(bucket, "w", plate)
    put_request(bucket, REQUEST)
    return bucket


@pytest.fixture
def cpb(bucket: FolderStorage) -> Callable[..., Result]:
    def invoke(command: Any, *arguments: str) -> Result:
        return CliRunner().invoke(command, [RUN, "--bucket", str(bucket.root), *arguments], standalone_mode=False)

    return invoke


def work(bucket: FolderStorage) -> Result:
    """Do the run's only shard as its container does."""
    return CliRunner().invoke(cpb_run, ["--request", bucket.uri(KEYS.request)], standalone_mode=False)


def made(bucket: Storage, root: str, plate: str) -> dict[str, str]:
    """The profiles of a plate, as what tells whether one was written again."""
    folder = f"{root}/profiles/{BATCH}/{plate}"
    return {item.key.rsplit("/", 1)[1]: item.etag for item in bucket.list(folder) if item.key.endswith(".parquet")}


def names(plate: str) -> set[str]:
    return {f"{plate}{suffix}.parquet" for suffix in USUAL}


def test_run_that_is_waiting_has_no_plates_yet(cpb: Callable[..., Result]) -> None:
    assert cpb(status).return_value == 1
    assert "no shard was begun" in cpb(logs).output


def test_all_plates_are_profiled_without_cellprofiler_and_the_run_is_complete(
    bucket: FolderStorage, cpb: Callable[..., Result]
) -> None:
    worked = work(bucket)
    assert worked.return_value == 0, worked.output
    assert "2 done" in worked.output
    for plate in ("P1", "P2"):
        assert set(made(bucket, "w", plate)) == names(plate)
    assert "complete, 2 image sets" in cpb(status).output
    assert set(read_ledger(bucket, RUN).plates) == {"P1", "P2"}
    assert f"profiles/{BATCH}/P1/P1_normalized: 12 wells x 12 features" in cpb(logs).output
    report = MakingReport.from_json(bucket.read("w/profiles/profiles.json"))
    assert report.is_complete
    assert report.plates == ((BATCH, "P1"), (BATCH, "P2"))


def test_absent_plate_is_named_and_the_others_are_profiled(bucket: FolderStorage, cpb: Callable[..., Result]) -> None:
    bucket.delete(f"w/profiles/{BATCH}/P1/P1.csv.gz")
    worked = work(bucket)
    assert worked.return_value == 1
    assert "1 input_missing, 1 done" in worked.output
    assert set(made(bucket, "w", "P2")) == names("P2")
    (problem,) = read_ledger(bucket, RUN).problems
    assert problem.startswith("P1: input_missing: aggregate: ")
    assert "P1.csv.gz is not there" in problem
    assert "not made: B1 P1: aggregate: " in cpb(logs, "--failed").output
    left = json.loads(cpb(redrive, "--json").output)["not_done"]
    assert [one["cause"] for one in left] == ["input_missing"]


def test_plate_whose_platemap_cannot_be_used_is_damaged(bucket: FolderStorage) -> None:
    bucket.write(f"w/metadata/platemaps/{BATCH}/platemap/map.txt", b"well_position\tbroad_sample\nA01\tDMSO\nA01\tx\n")
    assert work(bucket).return_value == 1
    ledger = read_ledger(bucket, RUN)
    assert [outcome.cause for outcome in ledger.outcomes] == [Cause.INPUT_DAMAGED] * 2
    assert all("'A01' in lines 2, 3" in problem for problem in ledger.problems)


def test_what_cannot_be_made_of_a_batch_is_a_problem_of_each_of_its_plates(bucket: FolderStorage) -> None:
    text = config_text("P1", "P2", aggregates="false").replace(b"level: batch", b"level: batch, min_variance: 1000")
    bucket.write(str(REQUEST["config"]), text)
    assert work(bucket).return_value == 1
    ledger = read_ledger(bucket, RUN)
    assert not ledger.is_complete
    assert [outcome.image_set.plate for outcome in ledger.outcomes] == ["P1", "P2"]
    assert all("feature_select: no feature is left of 12" in problem for problem in ledger.problems)
    assert set(made(bucket, "w", "P1")) == names("P1") - {"P1_normalized_feature_select_batch.parquet"}


@pytest.mark.parametrize(
    ("text", "told"), [(None, "plates.yml is not there"), (b"a: [", "is no YAML file"), (b"a: 1", "field 'pipeline'")]
)
def test_configuration_that_cannot_be_used_ends_the_run(
    bucket: FolderStorage, cpb: Callable[..., Result], text: bytes | None, told: str
) -> None:
    bucket.delete(str(REQUEST["config"])) if text is None else bucket.write(str(REQUEST["config"]), text)
    worked = work(bucket)
    assert worked.return_value == 1
    assert told in worked.output
    assert cpb(status).return_value == 1
    assert read_ledger(bucket, RUN).is_over


def test_lost_run_is_over_and_may_be_sent_again(bucket: FolderStorage, cpb: Callable[..., Result]) -> None:
    bucket.write(KEYS.lost(0), LostShard(0, Cause.MACHINE_LOST, "Host EC2 terminated").to_json())
    assert cpb(status).return_value == 1
    assert read_ledger(bucket, RUN).is_over
    assert read_ledger(bucket, RUN).failed_shards
    assert work(bucket).return_value == 0
    assert "complete, 2 image sets" in cpb(status).output


class Failing(FolderStorage):
    """A folder that can be written to a number of times."""

    def __init__(self, root: Path, writes: int) -> None:
        super().__init__(root)
        self.left = writes

    def upload(self, path: Path, key: str) -> None:
        if not self.left:
            raise StorageUnavailable("the storage is away; try again")
        self.left -= 1
        super().upload(path, key)


def test_interrupted_run_goes_on_and_keeps_what_was_made(bucket: FolderStorage) -> None:
    record = RunRecord.of(parse_job(REQUEST), REQUEST)
    job = profiling(record.job)
    with pytest.raises(StorageUnavailable):
        run(record, job, SHARD, bucket=Failing(bucket.root, 6), show=lambda line: None)
    before = made(bucket, "w", "P1")
    assert before
    assert set(before) < names("P1")
    reports = {item.key.rsplit("/", 1)[1] for item in bucket.list("w/profiles")}
    with pytest.raises(MissingInput):
        bucket.stat(KEYS.shard(0))
    assert run(record, job, SHARD, bucket=bucket, show=lambda line: None).is_success
    after = made(bucket, "w", "P1")
    assert set(after) == names("P1")
    whole = {name for name in before if name.replace(".parquet", ".json") in reports}
    assert whole
    assert {name: after[name] for name in whole} == {name: before[name] for name in whole}


def test_run_that_is_done_again_makes_only_what_has_changed_and_with_force_all(bucket: FolderStorage) -> None:
    record = RunRecord.of(parse_job(REQUEST), REQUEST)
    told: list[LogLine] = []

    def done_again(request: dict[str, Any]) -> list[str]:
        told.clear()
        assert run(record, profiling(parse_job(request)), SHARD, bucket=bucket, show=told.append).is_success
        return [line.text for line in told if " wells x " in line.text]

    assert len(done_again(REQUEST)) == 2 * len(USUAL)
    assert done_again(REQUEST) == []
    bucket.write(f"w/metadata/platemaps/{BATCH}/platemap/map.txt", platemap_text(negative=("A01", "A02", "A03")))
    lines = done_again(REQUEST)
    assert [line for line in lines if "/P1_augmented: " in line]
    assert not [line for line in lines if "/P1: " in line]
    assert len(done_again({**REQUEST, "force": True})) == 2 * len(USUAL)


def test_plate_in_a_bucket_gets_its_usual_profiles(tmp_path: Path, moto_url: str) -> None:
    bucket = s3_bucket(moto_url, f"b-{uuid4().hex}")
    uploaded(write_backend(tmp_path / "backend", "P1"), bucket, f"w/backend/{BATCH}/P1")
    bucket.write("w/map.txt", platemap_text())
    bucket.write("w/moa.tsv", external_text())
    places = {"backend": f"w/backend/{BATCH}/P1", "platemap": "w/map.txt", "output": "w/profiles"}
    request = {"job_type": "make_profiles", **places, "external_metadata": "w/moa.tsv", "merge_column": "broad_sample"}
    record = put_request(bucket, request)
    manifest = run(record, profiling(record.job), SHARD, bucket=bucket, show=lambda line: None)
    assert manifest.is_success, manifest
    written = made(bucket, "w", "P1")
    assert {"P1.parquet", "P1_augmented.parquet", "P1_normalized_feature_select_negcon_plate.parquet"} <= set(written)
    assert run(record, profiling(record.job), SHARD, bucket=bucket, show=lambda line: None).is_success
    assert made(bucket, "w", "P1") == written


@pytest.mark.parametrize("missing", ["w/map.txt", "w/moa.tsv"])
def test_plate_without_a_file_that_it_names_is_not_planned(tmp_path: Path, missing: str) -> None:
    bucket = FolderStorage(tmp_path)
    for key in ("w/map.txt", "w/moa.tsv"):
        bucket.write(key, b"")
    bucket.delete(missing)
    places = {"backend": f"w/backend/{BATCH}/P1", "platemap": "w/map.txt", "output": "w/profiles"}
    request = {"job_type": "make_profiles", **places, "external_metadata": "w/moa.tsv", "merge_column": "a"}
    with pytest.raises(MissingInput, match=missing):
        put_request(bucket, request)
