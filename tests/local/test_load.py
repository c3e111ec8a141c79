"""Messages by the dozen, some twice, some poison: each run is submitted once, and each poison is a dead letter."""

import subprocess
import sys

import pytest

from tests.conftest import REPOSITORY

pytestmark = pytest.mark.deploy

MESSAGES = 60


def test_no_message_is_lost_and_none_is_done_twice() -> None:
    """The benchmark compares what was sent with jobs, runs and dead letters; a cloud needs a process of its own."""
    command = [sys.executable, str(REPOSITORY / "benchmarks" / "messages.py"), "--messages", str(MESSAGES)]
    ended = subprocess.run(command, capture_output=True, text=True, cwd=REPOSITORY)
    assert ended.returncode == 0, ended.stdout + ended.stderr[-3000:]
    assert f"{MESSAGES} messages dispatched" in ended.stdout
    assert ended.stdout.endswith("none lost, none doubled\n")
