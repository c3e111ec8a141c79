"""`cpb profile` as it is typed: what it prints, how it ends, and where it reads from and writes to."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from click.testing import CliRunner, Result

from cellpainting.cli.profile import profile
from cellpainting.errors import InvalidRequest
from cellpainting.profiles.profile_report import MakingReport
from cellpainting.storage import FolderStorage, S3Storage
from tests.worker.backend.plates import s3_bucket, s3_environment, uploaded
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

CONFIG = "config_files/plates.yml"
CHOSEN = "P1_normalized_feature_select_negcon_plate"


@pytest.fixture(scope="module")
def backend(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The backend of one plate, below a folder of its batch."""
    return write_backend(tmp_path_factory.mktemp("made") / "backend", "P1")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A configuration, metadata and a profile of each of two plates."""
    bucket = FolderStorage(tmp_path / "root")
    bucket.write(CONFIG, config_text("P1", "P2", aggregates="false"))
    put_metadata(bucket, "", "P1", "P2")
    for plate in ("P1", "P2"):
        put_profile(bucket, "", plate)
    return bucket.root


@pytest.fixture
def platemap(tmp_path: Path) -> Path:
    path = tmp_path / "map.txt"
    path.write_bytes(platemap_text())
    return path


@pytest.fixture(autouse=True)
def kept_signal() -> Iterator[None]:
    """Commands that are called here set a handler, which is not to stay."""
    before = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, before)


def call(*arguments: object) -> Result:
    return CliRunner().invoke(profile, [str(argument) for argument in arguments], standalone_mode=False)


def done(*arguments: object) -> list[str]:
    """The lines that a command prints which makes all that is asked for."""
    result = call(*arguments)
    assert (result.exception, result.return_value) == (None, 0), result.output
    return result.stdout.splitlines()


def names(folder: Path) -> set[str]:
    """The profiles in a plate's folder, without the ends of their files."""
    return {path.stem for path in folder.glob("*.parquet")}


def test_help_has_an_example_of_each_form() -> None:
    text = call("--help").output
    assert "Example: cpb profile config_files/config.yml" in text
    assert "Example: cpb profile --backend backend/batch1/BR00117035" in text


def test_configuration_is_done_in_plain_lines(root: Path) -> None:
    lines = done(root / CONFIG)
    assert lines[0].startswith(f"profiles/{BATCH}/P1/P1: 12 wells x 12 features, ")
    assert lines[-2:] == [
        "small: 10 profiles of 2 plates, 0 not made",
        f"look at it: {(root / 'profiles').as_uri()}",
    ]
    assert "\x1b" not in "".join(lines)
    for plate in ("P1", "P2"):
        assert names(root / "profiles" / BATCH / plate) == {f"{plate}{suffix}" for suffix in USUAL}
    assert [line for line in done(root / CONFIG) if " wells x " in line] == []
    assert len([line for line in done(root / CONFIG, "--force") if " wells x " in line]) == 10


def test_json_is_the_report_and_nothing_else(root: Path) -> None:
    result = call(root / CONFIG, "--json")
    report = MakingReport.from_json(result.stdout.encode())
    assert (report.is_complete, len(report.profiles)) == (True, 10)
    assert json.loads(result.stdout) == json.loads((root / "profiles" / "profiles.json").read_bytes())
    assert "12 wells x 12 features" in result.stderr


def test_what_is_not_made_is_told_once_and_the_status_is_1(root: Path) -> None:
    (root / "profiles" / BATCH / "P2" / "P2.csv.gz").unlink()
    result = call(root / CONFIG)
    assert result.return_value == 1
    told = [line for line in result.stdout.splitlines() if line.startswith("not made: ")]
    assert len(told) == 1
    assert told[0].startswith(f"not made: {BATCH} P2: aggregate: ")
    assert "small: 5 profiles of 2 plates, 1 not made" in result.stdout
    assert names(root / "profiles" / BATCH / "P1") == {f"P1{suffix}" for suffix in USUAL}


def test_backends_are_found_where_profiling_recipe_has_them(tmp_path: Path, backend: Path) -> None:
    workspace = FolderStorage(tmp_path / "workspace")
    (workspace.root / "backend").mkdir(parents=True)
    (workspace.root / "backend" / BATCH).symlink_to(backend.parent)
    workspace.write(f"software/plates/{CONFIG}", config_text("P1"))
    put_metadata(workspace, "software/plates", "P1")
    assert "small: 5 profiles of 1 plates, 0 not made" in done(workspace.root / "software" / "plates" / CONFIG)
    assert (workspace.root / "software" / "plates" / "profiles" / BATCH / "P1" / "P1.csv.gz").is_file()


@pytest.mark.parametrize("is_named", [True, False])
def test_backends_are_found_below_the_root_or_where_they_are_said_to_be(
    root: Path, backend: Path, is_named: bool
) -> None:
    (root / CONFIG).write_bytes(config_text("P1"))
    if not is_named:
        (root / "backend").symlink_to(backend.parents[1])
    done(root / CONFIG, *(["--backend", backend.parents[1]] if is_named else []))
    report = json.loads((root / "profiles" / BATCH / "P1" / "P1.json").read_bytes())
    assert report["inputs"][0]["uri"].endswith(f"/backend/{BATCH}/P1/P1.parquet")


def test_configuration_may_lie_elsewhere_and_places_be_relative(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "here").mkdir()
    (root / CONFIG).rename(tmp_path / "here" / "mine.yml")
    monkeypatch.chdir(tmp_path / "here")
    assert "small: 10 profiles of 2 plates, 0 not made" in done("mine.yml", "--root", "../root")


def test_plate_is_made_from_files_that_lie_anywhere(backend: Path, platemap: Path, tmp_path: Path) -> None:
    (tmp_path / "known").mkdir()
    (tmp_path / "known" / "moa.tsv").write_bytes(external_text())
    output, external = tmp_path / "out" / "profiles", tmp_path / "known" / "moa.tsv"
    arguments = ["--backend", backend, "--platemap", platemap, "-o", output]
    lines = done(*arguments, "--external-metadata", external, "--merge-column", "broad_sample")
    assert lines[-2:] == ["P1: 6 profiles of 1 plates, 0 not made", f"look at it: {output.as_uri()}"]
    assert CHOSEN in names(output / BATCH / "P1")
    report = json.loads((output / BATCH / "P1" / "P1_augmented.json").read_bytes())
    assert {one["uri"] for one in report["inputs"]} == {platemap.as_uri(), external.as_uri()}
    assert all(one["name"].startswith(f"profiles/{BATCH}/P1/") for one in report["outputs"])


def test_plate_without_negative_controls_has_the_other_profiles(backend: Path, platemap: Path, tmp_path: Path) -> None:
    platemap.write_bytes(platemap_text(negative=()))
    result = call("--backend", backend, "--platemap", platemap, "-o", tmp_path / "profiles")
    assert result.return_value == 1
    assert result.stdout.count("plate P1 has no negative control") == 1
    assert "P1_normalized_feature_select_plate" in names(tmp_path / "profiles" / BATCH / "P1")


PLATE = ("--backend", "b/B1/P1", "--platemap", "map.txt", "-o", "out")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "--backend: got nothing; name a configuration, or a plate by --backend, --platemap, --output"),
        (PLATE[:4], "--output: got nothing"),
        (PLATE[2:], "--backend: got nothing"),
        (("nowhere.yml",), "nowhere.yml is not there"),
        (("bad.yml",), "bad.yml: field 'pipeline'"),
        (("map.txt", "-o", "out"), "--output: got 'out' with the configuration 'map.txt'"),
        (("map.txt", "--merge-column", "a"), "--merge-column: got 'a' with the configuration"),
        ((*PLATE, "--root", "r"), "--root: got 'r' without a configuration"),
        ((*PLATE, "--merge-column", "a"), "give both"),
        ((*PLATE, "--merge-column", "a b", "--external-metadata", "map.txt"), "field 'merge_column'"),
        ((*PLATE, "--merge-column", "a", "--external-metadata", "gone.tsv"), "gone.tsv is not there"),
        ((*PLATE[:2], "--platemap", "gone.txt", *PLATE[4:]), "gone.txt is not there"),
        (("--backend", "/P1", *PLATE[2:]), "--backend: got '/P1'; write the folder of a plate"),
        ((*PLATE[:4], "-o", "b"), "where the backends are"),
        ((*PLATE[:4], "-o", "/"), "--output: got '/'"),
    ],
)
def test_request_that_cannot_be_done_is_refused_with_a_reason(
    platemap: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], message: str
) -> None:
    monkeypatch.chdir(platemap.parent)
    Path("bad.yml").write_text("a: 1\n")
    result = call(*arguments)
    assert isinstance(result.exception, InvalidRequest)
    assert message in str(result.exception)
    assert not Path("out").exists()


@pytest.fixture
def bucket(moto_url: str, monkeypatch: pytest.MonkeyPatch) -> S3Storage:
    for name, value in s3_environment(moto_url).items():
        monkeypatch.setenv(name, value)
    return s3_bucket(moto_url, f"b-{uuid4().hex}")


def test_configuration_of_a_bucket_is_done_there(root: Path, backend: Path, bucket: S3Storage) -> None:
    (root / CONFIG).write_bytes(config_text("P1"))
    uploaded(root, bucket, "w/software/plates")
    uploaded(backend, bucket, f"w/backend/{BATCH}/P1")
    lines = done(bucket.uri(f"w/software/plates/{CONFIG}"))
    assert lines[-1] == f"look at it: {bucket.uri('w/software/plates/profiles')}"
    made = {item.key.rsplit("/", 1)[1] for item in bucket.list(f"w/software/plates/profiles/{BATCH}/P1")}
    assert {f"P1{suffix}.parquet" for suffix in USUAL} <= made


def test_plate_may_be_read_here_and_written_to_a_bucket(backend: Path, platemap: Path, bucket: S3Storage) -> None:
    done("--backend", backend, "--platemap", platemap, "-o", bucket.uri("out"))
    assert bucket.stat(f"out/{BATCH}/P1/{CHOSEN}.csv.gz").size
    assert bucket.stat("out/B1/P1/profiles.json").size


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


WAITING = """
import sys, time
from cellpainting.cli.main import main
from cellpainting.profiles import plate_steps

plate_steps.annotate = lambda *given, **named: time.sleep(60)
main()
"""


def test_command_that_is_told_to_end_leaves_nothing_behind_and_goes_on_later(root: Path, tmp_path: Path) -> None:
    """It is stopped while the second of its profiles is made."""
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    started = subprocess.Popen(
        [sys.executable, "-c", WAITING, "profile", str(root / CONFIG)],
        env={**os.environ, "CPB_SCRATCH": str(scratch)},
        stdout=subprocess.DEVNULL,
    )
    wait_for(lambda: (root / "profiles" / BATCH / "P1" / "P1.json").exists() or started.poll() is not None)
    started.terminate()
    assert started.wait(60) == 128 + signal.SIGTERM
    assert list(scratch.iterdir()) == []
    made = [line for line in done(root / CONFIG) if " wells x " in line]
    assert len(made) == 9
    assert not [line for line in made if "/P1: " in line]
