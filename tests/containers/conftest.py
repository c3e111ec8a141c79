"""What the tests of the images share: an image is built, and its own command runs in it as uid 1000.

A module names the image with IMAGE.
"""

import json
import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BUILD = ROOT / "scripts" / "build_images.sh"
WORKER_UID = 1000


class Engine:
    """Runs commands in an image: Docker or Podman, or buildah where no engine runs."""

    def __init__(self, command: list[str], image: str) -> None:
        self._command, self._image = command, image
        self._container = ""
        if "buildah" in command[0]:
            self._container = self._output("from", "--pull-never", image)

    def close(self) -> None:
        if self._container:
            self._output("rm", self._container)

    def run(self, *arguments: str, mounts: dict[Path, str], entry_point: str = "cpb") -> None:
        """Run `entry_point` with the arguments; its output is pytest's.

        With an engine, also with a read-only root file system; buildah has no such option.
        """
        volumes = [word for source, target in mounts.items() for word in ("--volume", f"{source}:{target}")]
        if self._container:
            command = [
                "run",
                "--isolation",
                "chroot",
                *volumes,
                self._container,
                "--",
                entry_point,
                *arguments,
            ]
        else:
            command = ["run", "--rm", "--read-only", *volumes, "--entrypoint", entry_point, self._image, *arguments]
        subprocess.run([*self._command, *command], check=True, timeout=600)

    def run_request(self, bucket: Path, request: Mapping[str, object]) -> None:
        """Plan a request that has a `run` name, and do its first shard. The bucket becomes the worker's."""
        record = bucket / "runs" / str(request["run"]) / "request.json"
        record.parent.mkdir(parents=True)
        record.write_text(json.dumps(request))
        scratch = bucket.with_name("scratch")
        scratch.mkdir(exist_ok=True)
        for path in [scratch, bucket, *bucket.rglob("*")]:
            os.chown(path, WORKER_UID, WORKER_UID)
        for what in ("--plan", "--shard=0"):
            self.run(
                "run",
                f"--request=file:///bucket/{record.relative_to(bucket)}",
                what,
                mounts={bucket: "/bucket", scratch: "/tmp"},  # noqa: S108 - inside the image
            )

    def _output(self, *arguments: str) -> str:
        done = subprocess.run([*self._command, *arguments], check=True, capture_output=True, text=True)
        return done.stdout.strip()


@pytest.fixture(scope="module")
def engine(request: pytest.FixtureRequest) -> Iterator[Engine]:
    chosen = subprocess.run([BUILD, "--engine"], capture_output=True, text=True, check=False)
    if chosen.returncode != 0:
        pytest.skip(f"the image cannot be built here: {chosen.stderr.strip()}")
    subprocess.run([BUILD], check=True)
    engine = Engine(chosen.stdout.split(), request.module.IMAGE)
    yield engine
    engine.close()


@pytest.fixture
def bucket(tmp_path: Path) -> Iterator[Path]:
    """A folder to be the worker's bucket."""
    folder = tmp_path / "worker" / "bucket"
    folder.mkdir(parents=True)
    yield folder
    # The worker's files are not this user's, if this is not root.
    shutil.rmtree(folder.parent, ignore_errors=True)
