"""Stopped, killed, out of room or cut off from its storage, a download leaves whole files only, and then goes on."""

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from cellpainting.download.provenance import Provenance
from tests.local.conftest import wait_until
from tests.worker.download.gallery import BUCKET, CHANNELS, Download, image_files, image_key, published_path
from tests.worker.download.s3_server import S3Server, Trouble, running

WELLS = [f"{row}{column:02}" for row in "ABCDE" for column in range(1, 13)]
IMAGES = [(well, "1", channel) for well in WELLS for channel in CHANNELS]
NOBODY = "http://127.0.0.1:9"  # the port of a service that nobody runs any more
REASONABLE_S = 60  # to find out that nothing comes


@pytest.fixture
def server() -> Iterator[S3Server]:
    """The images of 60 image sets, each of which takes its time."""
    with running() as server:
        sites = [(well, "1") for well in WELLS]
        server.objects.update({f"{BUCKET}/{key}": content for key, content in image_files(sites).items()})
        server.latency_s = 0.1
        yield server


@pytest.fixture
def download(server: S3Server, tmp_path: Path) -> Download:
    return Download.below(tmp_path, f"s3://{BUCKET}", server.url, [(well, "1") for well in WELLS])


def published_keys(download: Download) -> set[str]:
    """The sources of all images whose files have their names; each is whole."""
    for content in download.published.values():
        assert Provenance.of_file(content)
    return {f"{BUCKET}/{image_key(*image)}" for image in IMAGES if published_path(*image) in download.published}


def goes_on(download: Download, server: S3Server) -> set[str]:
    """Type the same again, after which all is there; returns the keys that were fetched for it."""
    server.latency_s = 0
    before = len(server.asked)
    ended = download.typed()
    assert ended.returncode == 0, ended.stderr
    assert download.published.keys() == {published_path(*image) for image in IMAGES}
    assert len(download.index()) == len(WELLS)
    return set(server.fetched(before))


@pytest.mark.parametrize(
    ("sent", "status"), [(signal.SIGTERM, 143), (signal.SIGINT, 130), (signal.SIGKILL, -signal.SIGKILL)]
)
def test_what_was_published_before_the_end_is_not_fetched_again(
    download: Download, server: S3Server, sent: signal.Signals, status: int
) -> None:
    process = download.start()
    wait_until(lambda: download.published, "the first images are published")
    process.send_signal(sent)
    assert process.wait(20) == status
    there = published_keys(download)
    assert 0 < len(there) < len(IMAGES)
    fetched = goes_on(download, server)
    assert not fetched & there
    assert len(fetched) == len(IMAGES) - len(there)


def mounts(command: Sequence[str], folder: Path) -> bool:
    """Whether a disk can be mounted by this command."""
    probe = subprocess.run([*command, "mount", "-t", "tmpfs", "tmpfs", str(folder)], check=False, capture_output=True)
    return probe.returncode == 0


@pytest.fixture
def own_mounts(tmp_path: Path) -> Sequence[str]:
    """What to put before a command so that it may mount a disk that only it sees."""
    ways = (["unshare", "--mount"], ["unshare", "--user", "--map-root-user", "--mount"])
    if not shutil.which("unshare"):
        pytest.skip("there is no 'unshare' (util-linux) to mount a small disk with")
    for way in ways:
        if mounts(way, tmp_path):
            return way
    pytest.skip(f"a small disk cannot be mounted: neither {' '.join(ways[0])!r} nor {' '.join(ways[1])!r} may do it")


FILL = """set -u
small=$1 copy=$2; shift 2
mount -t tmpfs -o size=512k tmpfs "$small"
"$@"; echo "status $?"
cp -a "$small" "$copy"
mount -o remount,size=64m "$small"
"$@"; echo "status $?"
cp -a "$small" "$copy-after"
"""


@pytest.mark.parametrize(
    ("small", "options"),
    [("jump", ()), ("jump", ("--format", "webdataset")), ("scratch", ("--format", "webdataset"))],
    ids=str,
)
def test_full_disk_stops_it_with_whole_files_and_it_goes_on_when_there_is_room(
    download: Download,
    server: S3Server,
    own_mounts: Sequence[str],
    tmp_path: Path,
    small: str,
    options: tuple[str, ...],
) -> None:
    server.latency_s = 0
    for folder in ("jump", "scratch"):
        (tmp_path / folder).mkdir()
    script = ["sh", "-c", FILL, "sh", str(tmp_path / small), str(tmp_path / "copy")]
    environment = {**os.environ, "CPB_SCRATCH": str(tmp_path / "scratch")}
    ended = subprocess.run(
        [*own_mounts, *script, *download.command, *options],
        check=False,
        capture_output=True,
        text=True,
        env=environment,
    )
    assert [line for line in ended.stdout.splitlines() if "status" in line.split()[:1]] == ["status 1", "status 0"]
    assert "No space left on device; free some space and do the same again" in ended.stderr
    assert "Traceback" not in ended.stderr
    assert not list(tmp_path.glob("copy/**/.partial-*"))
    if small == "jump" and not options:
        there = published_keys(replace(download, folder=tmp_path / "copy"))
        assert 0 < len(there) < len(IMAGES)
        assert all(server.fetched().count(key) == 1 for key in there)
        assert published_keys(replace(download, folder=tmp_path / "copy-after")) == {*server.objects}


@pytest.mark.parametrize("trouble", [Trouble.SLOW_DOWN, Trouble.RESET])
def test_outage_of_seconds_is_waited_out_however_many_images_are_on_their_way(
    download: Download, server: S3Server, trouble: Trouble
) -> None:
    server.latency_s = 0
    began: list[float] = []

    def trouble_at_first(key: str) -> Trouble | None:
        began.append(time.monotonic())
        return trouble if began[-1] < began[0] + 3 else None

    server.trouble = trouble_at_first
    ended = download.typed("--workers", "8")
    assert ended.returncode == 0, ended.stdout


def test_storage_that_gives_nothing_ends_it_with_the_status_that_is_tried_again(download: Download) -> None:
    began = time.monotonic()
    ended = replace(download, endpoint_url=NOBODY).typed("--workers", "8")
    assert ended.returncode == 75
    assert "the storage gave nothing of 20 images in a row" in ended.stderr
    assert "do it again when it can be reached" in ended.stderr
    assert time.monotonic() - began < REASONABLE_S
