"""What the tests of the images share: the images are built, and commands run in them as the job definitions say: as
their own user, with a root file system that cannot be written.
"""

import json
import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from cellpainting.local.image_host import ImageHost, find_engine
from cellpainting.local.image_store import ImageStore
from cellpainting.local.job_container import JobContainer, Mount
from tests.conftest import REPOSITORY

BUILD = REPOSITORY / "scripts" / "build_images.sh"
RUNTIMES = ("cellprofiler", "profiling", "starfish")
WORKER_UID = 1000


@dataclass(frozen=True)
class Engine:
    """Docker or Podman, with all images built."""

    command: tuple[str, ...]

    def run(self, runtime: str, *arguments: str, mounts: Mapping[Path, str], entry_point: str = "cpb") -> str:
        """Run `entry_point` with the arguments in the image of a runtime; returns what it printed."""
        command = [*self.command, "run", "--rm", "--read-only", "--network", "host", "--entrypoint", entry_point]
        for source, target in mounts.items():
            command += ["--volume", f"{source}:{target}"]
        command += [f"cpb-{runtime}:latest", *arguments]
        return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, timeout=600).stdout

    def run_request(self, runtime: str, bucket: Path, request: Mapping[str, object]) -> None:
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
                runtime,
                "run",
                f"--request=file:///bucket/{record.relative_to(bucket)}",
                what,
                mounts={bucket: "/bucket", scratch: "/tmp"},  # noqa: S108 - inside the image
            )


def shell_job(runtime: str, script: str, *, mounts: tuple[Mount, ...] = ()) -> JobContainer:
    """A container as the job definitions have it, that runs a shell script in place of the worker."""
    return JobContainer(
        runtime=runtime,
        entry_point=("/bin/sh", "-c"),
        arguments=(script,),
        variables={},
        mounts=(Mount("/tmp", None, is_read_only=False), *mounts),  # noqa: S108 - inside the image
        role="",
        user=f"{WORKER_UID}:{WORKER_UID}",
        has_read_only_root=True,
        has_init=True,
        vcpus=1,
        memory_mib=256,
        log_group="/jobs",
        log_stream_prefix=runtime,
    )


@pytest.fixture
def host(engine: Engine, tmp_path: Path) -> ImageHost:
    """What runs jobs inside their images in a local cloud."""
    return ImageHost(
        engine.command,
        images=ImageStore(tmp_path),
        variables={},
        volumes={},
        mounts={},
        scratch=tmp_path,
        credentials=lambda _: {},
    )


@pytest.fixture(scope="session")
def engine() -> Engine:
    """The engine, after whatever has to be built was built."""
    subprocess.run([BUILD], check=True)
    return Engine(find_engine())


@pytest.fixture
def bucket(tmp_path: Path) -> Iterator[Path]:
    """A folder to be the worker's bucket."""
    folder = tmp_path / "worker" / "bucket"
    folder.mkdir(parents=True)
    yield folder
    # The worker's files are not this user's, if this is not root.
    shutil.rmtree(folder.parent, ignore_errors=True)
