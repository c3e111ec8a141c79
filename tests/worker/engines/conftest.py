"""A run's work for an engine, with a stand-in for `cpb` that writes down what it is given."""

import shlex
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from cellpainting.engines import EngineWork

STAND_IN = """#!{python}
import pathlib, sys
request, shard = sys.argv[sys.argv.index("--request") + 1], sys.argv[sys.argv.index("--shard") + 1]
(pathlib.Path({folder!r}) / shard).write_text(request)
"""


@pytest.fixture
def done(tmp_path: Path) -> Path:
    """Where the stand-in leaves a file per shard, which holds the request's URI."""
    folder = tmp_path / "done"
    folder.mkdir()
    return folder


@pytest.fixture
def work(tmp_path: Path, done: Path) -> EngineWork:
    """Shards 0, 1 and 5 of a run, in a bucket and with a command whose names are hard to quote."""
    program = tmp_path / "it's a $folder" / "cpb"
    program.parent.mkdir()
    program.write_text(STAND_IN.format(python=shlex.quote(sys.executable), folder=str(done)))
    program.chmod(0o755)
    return EngineWork(
        run_id="plate-1",
        document={"pipeline": "a.cppipe", "input": "images", "output": "results", "run": "plate-1"},
        request_uri="file:///shared/it's%20$HOME/runs/plate-1/request.json",
        cpb=program,
        shards=(0, 1, 5),
        vcpus=2,
        memory_mib=6000,
        timeout_s=5401,
    )


@pytest.fixture
def large_work(work: EngineWork) -> EngineWork:
    """Every other shard of 5,000."""
    return replace(work, shards=tuple(range(0, 5000, 2)))
