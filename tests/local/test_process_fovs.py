"""Experiments through a local cloud: fields of view decoded side by side by real starfish, and merged."""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from examples.starfish.make_experiment import Drawing, write_experiment
from tests.conftest import REPOSITORY
from tests.local.conftest import LocalUp
from tests.local.test_plates import parents
from tests.local.test_process_plate import put, states, summary_when

pytestmark = [pytest.mark.starfish, pytest.mark.stages]

EXAMPLE = REPOSITORY / "examples" / "starfish"
FAILS_AT_ONE = """
def process_fov(fov, codebook):
    if fov.name == "fov_001":
        raise ValueError("too dark")
    return decode(fov, codebook)
"""


def put_experiment(cloud: LocalUp, folder: Path, run: str, *, recipe: str = "", **fields: Any) -> dict[str, Any]:
    """Upload an experiment of two fields; returns the request that decodes it."""
    write_experiment(folder / run, Drawing(fields=2, spots=6))
    shutil.copyfile(EXAMPLE / "recipe.py", folder / run / "recipe.py")
    if recipe:
        usual = (EXAMPLE / "recipe.py").read_text().replace("def process_fov", "def decode")
        (folder / run / "recipe.py").write_text(usual + recipe)
    for path in (folder / run).iterdir():
        put(cloud, path, f"{run}/{path.name}")
    return {
        "job_type": "process_fovs",
        "run": run,
        "experiment_url": f"{run}/experiment.json",
        "recipe": f"{run}/recipe.py",
        "results": f"{run}/results/",
        **fields,
    }


def test_experiment_decodes_to_its_truth(cloud: LocalUp, tmp_path: Path) -> None:
    cloud.send(put_experiment(cloud, tmp_path, "iss", num_fovs=2))
    summary = summary_when(cloud, "iss", bool)
    assert states(summary, "") == {"decode": "complete", "merge": "complete"}
    assert summary["states"]["done"] == summary["image_sets"] == 2
    (decoding,) = parents(cloud.jobs("iss--decode"))
    assert decoding["arrayProperties"]["size"] == 2
    results = cloud.folder / "iss" / "results"
    assert {path.name for path in results.glob("*.nc")} == {
        "fov_000_decoded.nc",
        "fov_001_decoded.nc",
        "merged_decoded_fovs.nc",
    }
    check = [sys.executable, str(EXAMPLE / "check_truth.py"), str(tmp_path / "iss" / "truth.csv")]
    for table in ("merged_decoded_fovs.csv", "merged_decoded_fovs.parquet"):
        checked = subprocess.run([*check, str(results / table)], check=False, capture_output=True, text=True)
        assert checked.stdout.startswith("12 spots drawn, 12 decoded, 0 differences"), checked.stdout


@pytest.mark.parametrize("allow_missing", [0, 0.5])
def test_field_that_fails_is_named_and_the_merge_is_refused_or_lists_it(
    cloud: LocalUp, tmp_path: Path, allow_missing: float
) -> None:
    run = f"fails_{allow_missing}".replace(".", "_")
    cloud.send(put_experiment(cloud, tmp_path, run, recipe=FAILS_AT_ONE, allow_missing=allow_missing))
    summary = summary_when(cloud, run, bool)
    assert (summary["states"]["done"], summary["causes"]) == (1, {"pipeline_error": 1})
    assert "fov_001" in summary["stages"][""]["decode"]["reason"]
    assert "ValueError: too dark" in summary["stages"][""]["decode"]["reason"]
    (decoding,) = parents(cloud.jobs(f"{run}--decode"))
    assert decoding["status"] == "FAILED"
    report = cloud.folder / run / "results" / "merge_report.json"
    if not allow_missing:
        assert states(summary, "")["merge"] == "blocked"
        assert "1 of 2 image sets are missing" in summary["stages"][""]["merge"]["reason"]
        assert not report.exists()
        return
    assert states(summary, "")["merge"] == "complete"
    told = json.loads(report.read_text())
    assert told["merged"] == ["fov_000"]
    assert "too dark" in told["missing"]["fov_001"]
