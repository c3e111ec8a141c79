"""A drawn experiment through a local cloud: decoded by the children of an array job, merged by another job."""

from pathlib import Path
from typing import Any

import pytest

from examples.starfish.check_truth import differences, read_spots
from examples.starfish.make_experiment import Drawing, write_experiment
from tests.conftest import REPOSITORY
from tests.local.conftest import LocalUp
from tests.local.test_plates import parents

pytestmark = pytest.mark.starfish

RECIPE = REPOSITORY / "examples" / "starfish" / "recipe.py"


def test_fields_of_view_are_the_children_of_an_array_job_and_are_merged(cloud: LocalUp, tmp_path: Path) -> None:
    write_experiment(tmp_path / "iss", Drawing(fields=2, spots=6))
    for path in [RECIPE, *(tmp_path / "iss").iterdir()]:
        cloud.client("s3").upload_file(str(path), cloud.bucket, f"iss/{path.name}")
    common: dict[str, Any] = {"output": "iss/results"}
    places = {"experiment": f"s3://{cloud.bucket}/iss/experiment.json", "recipe": "iss/recipe.py"}
    cloud.send({"job_type": "decode_fovs", "run": "iss-decode", **places, **common})
    assert cloud.summary("iss-decode")["states"]["done"] == 2
    (job,) = parents(cloud.jobs("iss-decode"))
    assert job["arrayProperties"]["size"] == 2
    cloud.send({"job_type": "merge_fovs", "run": "iss-merge", "decoded": "runs/iss-decode", **common})
    assert cloud.summary("iss-merge")["complete"]
    merged = read_spots(cloud.folder / "iss" / "results" / "merged_decoded_fovs.parquet")
    assert list(differences(read_spots(tmp_path / "iss" / "truth.csv"), merged)) == []
