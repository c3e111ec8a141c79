"""A backend is replaced as a whole or not at all, whoever else is at it and however an ingest ends."""

import os
import signal
import subprocess
import sys
from pathlib import Path
from uuid import uuid4

import pytest

from cellpainting.backend import pieces
from cellpainting.errors import InvalidRequest
from cellpainting.storage import S3Storage
from tests.conftest import REPOSITORY
from tests.worker.backend.plates import (
    COMPARTMENTS,
    CPB_INGEST,
    HEADERS,
    PLATE,
    Backend,
    Watched,
    build,
    cpb_ingest,
    downloaded,
    s3_bucket,
    s3_environment,
    uploaded,
    write,
    write_and_build,
    write_plate,
    write_set,
)

WELLS = ("A01", "A02", "A03", "A04")
# Reads two sets, each a batch of its own, and is killed.
KILLED = """
import os, signal, sys
from pathlib import Path
from cellpainting.backend import pieces
from cellpainting.backend.ingest import Tell
from cellpainting.storage import FolderStorage, S3Storage
from tests.worker.backend.plates import build

pieces.BATCH_BYTES = 1
read = []
def tell(done, total, rows):
    read.append(done)
    if len(read) == 2:
        os.kill(os.getpid(), signal.SIGKILL)
source, target = Path(sys.argv[1]), sys.argv[2]
build(source, S3Storage(target) if len(sys.argv) > 3 else Path(target), tell=Tell(read=tell))
"""


def killed(*arguments: object, **environment: str) -> None:
    """Begin an ingest in a process of its own, and kill it when it has read two sets."""
    paths = os.pathsep.join([str(REPOSITORY), str(REPOSITORY / "containers" / "worker")])
    ended = subprocess.run(
        [sys.executable, "-c", KILLED, *map(str, arguments)],
        env={**os.environ, "PYTHONPATH": paths, **environment},
        check=False,
        timeout=60,
    )
    assert ended.returncode == -signal.SIGKILL


def written_at(backend: Backend) -> dict[str, int]:
    return {name: (backend.folder / name).stat().st_mtime_ns for name in backend.names}


def assert_equal(one: Backend, other: Backend) -> None:
    assert one.names == other.names
    assert one.tables().keys() == other.tables().keys()
    assert all(table.equals(other.table(name)) for name, table in one.tables().items())
    assert one.profile.equals(other.profile)
    for name in one.tables():
        query = f"SELECT * FROM {name} ORDER BY rowid"  # noqa: S608
        assert one.in_sqlite(query) == other.in_sqlite(query)


@pytest.fixture
def analysis(tmp_path: Path) -> Path:
    return write_plate(tmp_path / "analysis", WELLS)


@pytest.fixture
def at_once(analysis: Path) -> Backend:
    """What an ingest makes that nothing happens to."""
    build(analysis, analysis.parent / "at-once")
    return Backend(analysis.parent / "at-once" / PLATE)


def test_nothing_is_left_but_the_backend(analysis: Path) -> None:
    _, backend = write_and_build(analysis)
    tables = {f"{name}.parquet" for name in ("Image", *COMPARTMENTS)}
    profiles = {f"{PLATE}{end}" for end in (".sqlite", ".csv", ".parquet", "_sites.parquet")}
    assert backend.names == tables | profiles | {f"{PLATE}_ingest.json", f"{PLATE}_ingest.html"}
    build(analysis, backend.folder.parent)
    assert not (backend.folder / ".ingest").exists()


def test_what_has_not_changed_is_left_alone(analysis: Path) -> None:
    report, backend = write_and_build(analysis)
    before = written_at(backend)
    assert build(analysis, backend.folder.parent) == report
    assert written_at(backend) == before


def test_force_makes_it_again_and_adds_nothing(analysis: Path) -> None:
    _, backend = write_and_build(analysis)
    before = written_at(backend)
    build(analysis, backend.folder.parent, force=True)
    assert all(time > before[name] for name, time in written_at(backend).items())
    assert backend.in_sqlite("SELECT COUNT(*) FROM Cells") == [(2 * len(WELLS),)]
    assert backend.in_sqlite("SELECT COUNT(*) FROM Image") == [(len(WELLS),)]


def test_input_that_has_changed_replaces_what_was_there(analysis: Path) -> None:
    _, backend = write_and_build(analysis)
    write_set(analysis / f"{PLATE}-A01-1", "A01", cells=5)
    write_set(analysis / "new", "A05", cells=1, number=5)
    build(analysis, backend.folder.parent)
    assert backend.in_sqlite("SELECT COUNT(*) FROM Cells") == [(2 * len(WELLS) - 2 + 5 + 1,)]
    assert backend.profile["Metadata_Object_Count"].to_list() == [5, 2, 2, 2, 1]


@pytest.mark.parametrize("name", [f"{PLATE}.sqlite", f"{PLATE}.csv", f"{PLATE}_ingest.html", "Cells.parquet"])
@pytest.mark.parametrize("is_deleted", [True, False])
def test_file_of_the_backend_that_was_touched_is_made_again(analysis: Path, name: str, is_deleted: bool) -> None:
    _, backend = write_and_build(analysis)
    path = backend.folder / name
    path.unlink() if is_deleted else path.write_bytes(b"damaged")
    build(analysis, backend.folder.parent)
    assert path.read_bytes() != b"damaged"


def test_files_that_the_new_backend_has_not_are_deleted(analysis: Path) -> None:
    _, backend = write_and_build(analysis, single_cells=True)
    (backend.folder / "mine.txt").write_text("not of an ingest")
    for path in analysis.rglob("Nuclei.csv"):
        path.unlink()
    build(analysis, backend.folder.parent, sqlite=False)
    gone = {f"{PLATE}.sqlite", f"{PLATE}_single_cells.parquet", "Nuclei.parquet"}
    assert not gone & backend.names
    assert "mine.txt" in backend.names


def test_request_that_is_refused_leaves_the_backend_as_it_was(analysis: Path) -> None:
    _, backend = write_and_build(analysis)
    before = written_at(backend)
    with pytest.raises(InvalidRequest):
        build(write_plate(analysis.parent / "other", plate="P2"), backend.folder.parent, PLATE)
    assert written_at(backend) == before


def test_two_at_once_both_end_well_and_the_backend_is_whole(analysis: Path, at_once: Backend) -> None:
    output = analysis.parent / "both"
    command = [*CPB_INGEST, str(analysis), "-o", str(output)]
    both = [subprocess.Popen(command, stdout=subprocess.DEVNULL) for _ in range(2)]
    assert [process.wait(timeout=60) for process in both] == [0, 0]
    assert_equal(Backend(output / PLATE), at_once)


def test_ingest_that_was_killed_goes_on_after_what_it_had_read(
    analysis: Path, at_once: Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    output = analysis.parent / "killed"
    killed(analysis, output)
    assert [path.name for path in (output / PLATE).iterdir()] == [".ingest"]
    monkeypatch.setattr(pieces, "BATCH_BYTES", 1)
    storage = Watched(analysis)
    build(storage, output)
    read = {key for key in storage.was_read if key.endswith("/Cells.csv")}
    assert read == {f"{PLATE}-{well}-1/Cells.csv" for well in WELLS[2:]}
    assert_equal(Backend(output / PLATE), at_once)


def test_file_that_changes_after_a_kill_is_read_again(analysis: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    output = analysis.parent / "killed"
    killed(analysis, output)
    write_set(analysis / f"{PLATE}-A01-1", "A01", cells=5)
    monkeypatch.setattr(pieces, "BATCH_BYTES", 1)
    build(analysis, output)
    assert Backend(output / PLATE).profile["Metadata_Object_Count"].to_list() == [5, 2, 2, 2]


def test_text_that_was_corrected_after_a_kill_is_no_text_any_more(
    analysis: Path, at_once: Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    output, path = analysis.parent / "killed", analysis / f"{PLATE}-A01-1" / "Cells.csv"
    content = path.read_bytes()
    write(path, HEADERS["Cells"], (1, 1, "bad", 0.5, 1), (1, 2, 5, 1, 2))
    killed(analysis, output)
    path.write_bytes(content)
    monkeypatch.setattr(pieces, "BATCH_BYTES", 1)
    build(analysis, output)
    assert_equal(Backend(output / PLATE), at_once)


def test_backend_below_the_analysis_is_not_read(analysis: Path) -> None:
    build(analysis, analysis / "backend")
    killed(analysis, analysis / "other")
    report = build(analysis, analysis / "again", force=True)
    assert report.is_complete
    assert len(report.outcomes) == len(WELLS)
    assert set(report.tables) == {"Image", *COMPARTMENTS}


@pytest.fixture
def bucket(moto_url: str) -> S3Storage:
    return s3_bucket(moto_url, f"b-{uuid4().hex}")


def test_bucket_has_the_same_backend_and_nothing_beside(
    analysis: Path, at_once: Backend, bucket: S3Storage, tmp_path: Path
) -> None:
    uploaded(analysis, bucket, "in")
    for _ in range(2):
        report = build(analysis, bucket)
    assert report.is_complete
    assert [item.key for item in bucket.list(f"{PLATE}/.ingest")] == []
    assert_equal(Backend(downloaded(bucket, PLATE, tmp_path / "down")), at_once)
    before = {item.key: item.etag for item in bucket.list(PLATE)}
    build(analysis, bucket, sqlite=False)
    assert before.keys() - {item.key for item in bucket.list(PLATE)} == {f"{PLATE}/{PLATE}.sqlite"}


def test_ingest_into_a_bucket_that_was_killed_goes_on_there(
    analysis: Path, at_once: Backend, bucket: S3Storage, moto_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    killed(analysis, bucket.bucket, "s3", **s3_environment(moto_url))
    assert len([item for item in bucket.list(f"{PLATE}/.ingest") if item.key.endswith(".json")]) == 2
    monkeypatch.setattr(pieces, "BATCH_BYTES", 1)
    storage = Watched(analysis)
    build(storage, bucket)
    read = {key for key in storage.was_read if key.endswith("/Cells.csv")}
    assert read == {f"{PLATE}-{well}-1/Cells.csv" for well in WELLS[2:]}
    assert [item.key for item in bucket.list(f"{PLATE}/.ingest")] == []
    assert_equal(Backend(downloaded(bucket, PLATE, tmp_path / "down")), at_once)


def test_two_at_once_into_a_bucket_leave_one_whole_backend(
    analysis: Path, at_once: Backend, bucket: S3Storage, moto_url: str, tmp_path: Path
) -> None:
    uploaded(analysis, bucket, "in")
    command = [*CPB_INGEST, bucket.uri("in"), "-o", bucket.uri("out")]
    environment = {**os.environ, **s3_environment(moto_url)}
    both = [subprocess.Popen(command, stdout=subprocess.DEVNULL, env=environment) for _ in range(2)]
    assert [process.wait(timeout=120) for process in both] == [0, 0]
    assert_equal(Backend(downloaded(bucket, f"out/{PLATE}", tmp_path / "down")), at_once)
    listed = {item.key: item.etag for item in bucket.list("out")}
    told = {file["key"]: file["etag"] for file in Backend(tmp_path / "down").report["files"]}
    assert told.items() <= listed.items()


def test_command_says_when_there_was_nothing_to_do(analysis: Path, tmp_path: Path) -> None:
    assert cpb_ingest(analysis, "-o", tmp_path / "out").returncode == 0
    again = cpb_ingest(analysis, "-o", tmp_path / "out")
    assert again.returncode == 0
    assert "was made from just these files" in again.stdout
