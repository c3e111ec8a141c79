"""Every request that is shipped runs to its end, with small images where it expects its own.

`small_plate/request.json` is run by test_demo.py, and the published examples on their own images by tests/local.
"""

import os
import subprocess
from pathlib import Path

import pytest

from cellpainting.cellprofiler.environment import CellProfiler
from cellpainting.jobs import parse_message
from cellpainting.ledger import read_ledger
from cellpainting.storage import FolderStorage
from tests.conftest import REPOSITORY, SPOTS_PIPELINE, write_site

REQUESTS = sorted((REPOSITORY / "examples").glob("*.json"))


@pytest.mark.cellprofiler
def test_all_shipped_requests_run_in_one_sitting(tmp_path: Path, cellprofiler: CellProfiler) -> None:
    runs = [run for path in REQUESTS for run in parse_message(path.read_text())]
    assert len(runs) > len(REQUESTS) >= 4
    for run in runs:
        write_site(tmp_path / run.job.input, "A01")
        (tmp_path / run.job.pipeline).write_bytes(SPOTS_PIPELINE.read_bytes())
    ended = subprocess.run(
        ["cpb", "local", "run", *map(str, REQUESTS), "--upload", f"{tmp_path}/examples=examples"],
        env={**os.environ, "CELLPROFILER": str(cellprofiler.command)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    bucket = FolderStorage(tmp_path / "cpb-data" / "bucket")
    assert all(read_ledger(bucket, run.run_id).counts["done"] == 1 for run in runs)
