"""A job inside its image: what it can reach, how it is stopped, and that nothing of it is left."""

import subprocess
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest

from cellpainting.errors import LocalCloudError
from cellpainting.local.attempt import TIMED_OUT, Attempt, Command
from cellpainting.local.image_host import ImageHost
from cellpainting.local.job_container import Mount
from tests.containers.conftest import Engine, shell_job

pytestmark = [pytest.mark.image, pytest.mark.timeout(1200)]


def _is_there(engine: Engine, command: Command) -> bool:
    """Whether the engine knows a container of the command's name, running or not."""
    name = command.removal[-1]
    names = subprocess.run(
        [*engine.command, "ps", "--all", "--format", "{{.Names}}"], check=True, capture_output=True, text=True
    )
    return name in names.stdout.split()


def test_job_has_the_variables_of_its_definition_and_none_of_this_machine(
    host: ImageHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OF_THIS_MACHINE", "secret")
    lines: list[str] = []
    job = replace(shell_job("profiling", "env"), variables={"CPB_VCPUS": "2"})
    Attempt(replace(host, variables={"AWS_ENDPOINT_URL": "http://localhost:1"}).run(job)).wait(60, lines.append)
    assert {"CPB_VCPUS=2", "AWS_ENDPOINT_URL=http://localhost:1", "HOME=/tmp"} <= set(lines)
    assert "OF_THIS_MACHINE" not in "".join(lines)


def test_shared_file_system_is_mounted_and_cannot_be_written(host: ImageHost, tmp_path: Path) -> None:
    (tmp_path / "image.tif").write_text("pixels")
    tmp_path.chmod(0o777)  # what keeps the job from writing is the mount
    lines: list[str] = []
    job = shell_job("profiling", "cat /fsx/image.tif; touch /fsx/new", mounts=(Mount("/fsx", "/fsx", True),))
    outcome = Attempt(replace(host, volumes={"/fsx": tmp_path}).run(job)).wait(60, lines.append)
    assert outcome.exit_code == 1
    assert lines[0].startswith("pixels")
    assert "Read-only file system" in lines[0]
    assert [path.name for path in tmp_path.iterdir()] == ["image.tif"]


def test_folders_of_the_user_are_shown_and_cannot_be_written(host: ImageHost, tmp_path: Path) -> None:
    (tmp_path / "image.tif").write_text("pixels")
    tmp_path.chmod(0o777)  # what keeps the job from writing is the mount
    script = "cat /mnt/shown/0/image.tif; echo; echo $CPB_INPUT_MOUNTS; touch /mnt/shown/0/new"
    lines: list[str] = []
    outcome = Attempt(replace(host, mounts={"plates/P1": tmp_path}).run(shell_job("profiling", script))).wait(
        60, lines.append
    )
    assert outcome.exit_code == 1
    assert lines[:2] == ["pixels", '{"plates/P1": "/mnt/shown/0"}']
    assert "Read-only file system" in lines[2]


def test_folder_of_a_host_that_nothing_stands_for_is_refused(host: ImageHost) -> None:
    job = shell_job("profiling", "true", mounts=(Mount("/data", "/srv/data", False),))
    with pytest.raises(LocalCloudError, match="nothing stands here for /srv/data"):
        host.run(job)


def test_job_that_takes_more_than_its_memory_is_killed(host: ImageHost) -> None:
    greedy = "exec /opt/worker/bin/python -c 'bytearray(1 << 30)'"
    assert Attempt(host.run(shell_job("profiling", greedy))).wait(60, print).exit_code == 137
    assert Attempt(host.run(replace(shell_job("profiling", greedy), memory_mib=2048))).wait(60, print).exit_code == 0


def test_exit_code_is_the_jobs_own_and_the_container_is_gone(engine: Engine, host: ImageHost) -> None:
    command = host.run(shell_job("profiling", "exit 75"))
    assert Attempt(command).wait(60, print).exit_code == 75
    assert not _is_there(engine, command)


@pytest.mark.parametrize("hears", [True, False], ids=["ends by itself", "ignores SIGTERM"])
def test_what_runs_out_of_time_is_stopped_and_gone(engine: Engine, host: ImageHost, hears: bool) -> None:
    trap = "trap 'echo told; exit 3' TERM" if hears else "trap '' TERM"
    command = host.run(shell_job("profiling", f"{trap}; echo started; while true; do sleep 0.1; done"))
    lines: list[str] = []
    outcome = Attempt(command).wait(3, lines.append)
    assert outcome.status_reason == TIMED_OUT
    assert (outcome.exit_code, lines) == ((3, ["started", "told"]) if hears else (137, ["started"]))
    assert not _is_there(engine, command)


def test_job_that_is_stopped_leaves_nothing_running(engine: Engine, host: ImageHost) -> None:
    command = host.run(shell_job("profiling", "(sleep 600 & sleep 600 & wait)"))
    attempt = Attempt(command)
    threading.Timer(2, attempt.stop, ("the local cloud was stopped",)).start()
    started = time.monotonic()
    attempt.wait(None, print)
    assert time.monotonic() - started < 30
    assert not _is_there(engine, command)
