"""`cpb ingest` as it is typed: what it prints, how it ends, and where it reads from and writes to."""

import json
from pathlib import Path
from uuid import uuid4

import pytest

from cellpainting.jobs.run_record import RunKeys
from cellpainting.ledger import Cause, GroupResult, ImageSet, Manifest, Outcome, State, StoredFile, write_plan
from cellpainting.storage import FolderStorage, S3Storage
from tests.worker.backend.plates import (
    COMPARTMENTS,
    FIRST,
    HEADERS,
    PLATE,
    Backend,
    cpb_ingest,
    s3_bucket,
    s3_environment,
    uploaded,
    write,
    write_plate,
)

RUN = "measured-1"


def test_help_has_an_example() -> None:
    ended = cpb_ingest("--help")
    assert ended.returncode == 0
    assert "Example: cpb ingest workspace/analysis" in ended.stdout
    assert "--single-cells" in ended.stdout


def test_complete_plate_ends_with_0_and_plain_lines(analysis: Path, tmp_path: Path) -> None:
    ended = cpb_ingest(analysis, "-o", tmp_path / "out", "--batch", "B1")
    assert (ended.returncode, ended.stderr) == (0, "")
    assert "\x1b" not in ended.stdout
    assert "P1: image sets: 2 done; rows:" in ended.stdout
    assert any(line.startswith("read 0 of 0 MB, 14 rows") for line in ended.stdout.splitlines())
    page = tmp_path / "out/B1/P1/P1_ingest.html"
    assert f"look at it: {page.as_uri()}" in ended.stdout
    assert Backend(page.parent).report["batch"] == "B1"


def test_json_is_the_report_and_nothing_else(analysis: Path, tmp_path: Path) -> None:
    ended = cpb_ingest(analysis, "-o", tmp_path / "out", "--json")
    assert ended.returncode == 0
    document = json.loads(ended.stdout)
    assert document == Backend(tmp_path / "out" / PLATE).report
    assert document["complete"] is True
    assert "read 0 of 0 MB" in ended.stderr


def test_what_is_not_in_the_backend_is_told_and_the_status_is_1(analysis: Path, tmp_path: Path) -> None:
    (analysis / FIRST / "Cells.csv").write_bytes(b"")
    for again in range(2):  # the same, if nothing is done
        ended = cpb_ingest(analysis, "-o", tmp_path / "out")
        assert ended.returncode == 1, again
        assert f"not complete: {FIRST}/Cells.csv: it is empty, without even a header" in ended.stdout
        assert "image sets: 1 done, 1 input_damaged" in ended.stdout
    assert Backend(tmp_path / "out" / PLATE).table("Nuclei").height == 4


def test_more_columns_than_sqlite_has_room_for_is_status_1_and_without_it_0(analysis: Path, tmp_path: Path) -> None:
    names = [f"Feature_{number}" for number in range(2000)]
    write(
        analysis / FIRST / "Cells.csv",
        ("ImageNumber", "ObjectNumber", *names),
        *((1, cell, *range(2000)) for cell in (1, 2)),
    )
    ended = cpb_ingest(analysis, "-o", tmp_path / "out")
    assert ended.returncode == 1
    assert "no SQLite: Cells has 2006 columns" in ended.stdout
    assert "switch 'sqlite' off" in ended.stdout
    assert cpb_ingest(analysis, "-o", tmp_path / "out", "--no-sqlite").returncode == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere"], "there is no CSV below"),
        (["analysis", "--plate", "P9"], "has no image set of plate 'P9', it names P1"),
        (["analysis", "--plate", "a/b"], "field 'plate'"),
        (["analysis", "--compartments", "Cells,,"], "field 'compartments'"),
        (["analysis", "--config", "bad.ini"], "bad.ini is no ingest configuration"),
        (["analysis", "--aggregate", "mode"], "Invalid value for '--aggregate'"),
    ],
)
def test_request_that_cannot_be_done_is_status_2_and_one_reason(
    analysis: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("bad.ini").write_text("[filenames\n")
    ended = cpb_ingest(*arguments, "-o", "out")
    assert (ended.returncode, ended.stdout) == (2, "")
    assert message in ended.stderr
    assert "Traceback" not in ended.stderr
    assert not Path("out").exists()


def test_compartments_aggregate_config_and_single_cells_are_as_asked_for(analysis: Path, tmp_path: Path) -> None:
    for path in analysis.rglob("Image.csv"):
        path.rename(path.with_name("Images.csv"))
    (tmp_path / "names.ini").write_text("[filenames]\nimage = Images.csv\n[database_engine]\ndatabase = SQLite\n")
    write(
        analysis / FIRST / "Cells.csv",
        HEADERS["Cells"],
        *((1, at, size, 1, 1) for at, size in ((1, 1), (2, 2), (3, 9))),
    )
    options = ["--config", tmp_path / "names.ini", "--aggregate", "median", "--no-sqlite"]
    ended = cpb_ingest(analysis, "-o", tmp_path / "out", "--compartments", "Cells", *options)
    assert ended.returncode == 0, ended.stdout
    backend = Backend(tmp_path / "out" / PLATE)
    assert set(backend.tables()) == {"Image", "Cells"}
    assert backend.profile["Cells_AreaShape_Area"][0] == 2
    assert not backend.sqlite.exists()
    ended = cpb_ingest(analysis, "-o", tmp_path / "out", "--single-cells", *options)
    assert "P1_single_cells.parquet" in Backend(tmp_path / "out" / PLATE).names


@pytest.fixture
def bucket(moto_url: str) -> S3Storage:
    return s3_bucket(moto_url, f"b-{uuid4().hex}")


def test_buckets_are_read_and_written(analysis: Path, bucket: S3Storage, moto_url: str) -> None:
    uploaded(analysis, bucket, "in/analysis")
    environment = s3_environment(moto_url)
    ended = cpb_ingest(f"{bucket.uri('in/analysis')}/", "-o", bucket.uri("out"), **environment)
    assert ended.returncode == 0, ended.stderr
    assert f"look at it: {bucket.uri(f'out/{PLATE}/{PLATE}_ingest.html')}" in ended.stdout
    names = {item.key.removeprefix(f"out/{PLATE}/") for item in bucket.list("out")}
    assert {f"{PLATE}.sqlite", f"{PLATE}.csv", "Image.parquet"} <= names
    assert cpb_ingest(bucket.uri("nothing"), "-o", bucket.uri("out"), **environment).returncode == 2


def record_run(root: Path, wells: tuple[str, ...], measured: tuple[str, ...]) -> Path:
    """The record of a run of these wells, some of which it has measured; returns the record's folder."""
    bucket, keys = FolderStorage(root), RunKeys(RUN)
    write_plate(root / "out", measured)
    request = {"pipeline": "p.cppipe", "input": "images/", "output": "out/", "run": RUN}
    bucket.write(keys.request, json.dumps(request).encode())
    planned = [
        ImageSet(0, at, f"{PLATE}-{well}-1", plate=PLATE, well=well, site="1") for at, well in enumerate(wells, 1)
    ]
    bucket.write(keys.plan, write_plan(planned))
    groups = []
    for one in planned:
        outcome = Outcome(one, State.QUARANTINED, "it crashed", Cause.PIPELINE_ERROR)
        outputs: list[StoredFile] = []
        if one.well in measured:
            outcome = Outcome(one, State.DONE)
            stored = [bucket.stat(f"out/{one.folder}/{name}.csv") for name in ("Image", *COMPARTMENTS)]
            outputs = [StoredFile(item.key, item.size, "sha256") for item in stored]
        groups.append(GroupResult(one.folder, (outcome,), (), tuple(outputs), {}, 1.0, 1.0, outcome.reason))
    manifest = Manifest(0, tuple(groups), None, "", (), "4.2.8", "", 1.0, 1.0)
    bucket.write(keys.shard(0), manifest.to_json())
    return root / "runs" / RUN


def test_run_that_measured_all_is_read_by_its_manifests(tmp_path: Path) -> None:
    record = record_run(tmp_path / "bucket", ("A01", "A02"), ("A01", "A02"))
    write_plate(tmp_path / "bucket/out", ("A09",))  # of an attempt that no manifest lists
    ended = cpb_ingest(record, "-o", tmp_path / "out")
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert Backend(tmp_path / "out" / PLATE).profile["Metadata_Well"].to_list() == ["A01", "A02"]


def test_image_sets_that_a_run_has_not_measured_are_named(tmp_path: Path) -> None:
    record = record_run(tmp_path / "bucket", ("A01", "A02", "A03"), ("A01", "A03"))
    ended = cpb_ingest(record, "-o", tmp_path / "out")
    assert ended.returncode == 1
    assert "image sets: 2 done, 1 input_missing" in ended.stdout
    backend = Backend(tmp_path / "out" / PLATE)
    (missing,) = (one for one in backend.report["outcomes"] if one["state"] == "input_missing")
    assert missing["image_set"]["well"] == "A02"
    assert missing["reason"] == "not measured: quarantined: it crashed"
    assert "not measured: quarantined: it crashed" in backend.page


def test_file_of_a_run_that_is_gone_is_named(tmp_path: Path) -> None:
    record = record_run(tmp_path / "bucket", ("A01", "A02"), ("A01", "A02"))
    (tmp_path / "bucket/out" / FIRST / "Cells.csv").unlink()
    ended = cpb_ingest(record, "-o", tmp_path / "out")
    assert ended.returncode == 1
    assert f"out/{FIRST}/Cells.csv" in ended.stdout
    assert "is not there" in ended.stdout


def test_run_that_has_no_results_or_not_this_plate_is_status_2(tmp_path: Path) -> None:
    record = record_run(tmp_path / "bucket", ("A01",), ())
    assert "has no results yet" in cpb_ingest(record, "-o", tmp_path / "out").stderr
    assert "no image set of plate 'P9'" in cpb_ingest(record, "-o", tmp_path / "out", "--plate", "P9").stderr
    assert cpb_ingest(record, "-o", tmp_path / "out").returncode == 2
