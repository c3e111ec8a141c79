"""The image is built from its Dockerfile, decodes a field of view inside it and merges: the container's own command, as
uid 1000.

`pytest -m image`.
"""

import json
import shutil
from pathlib import Path

import pytest

from cellpainting.ledger import read_ledger
from cellpainting.storage import FolderStorage
from examples.starfish.check_truth import differences, read_spots
from examples.starfish.make_experiment import Drawing, write_experiment
from tests.conftest import REPOSITORY
from tests.containers.conftest import Engine

RECIPE = REPOSITORY / "examples" / "starfish" / "recipe.py"

pytestmark = [pytest.mark.image, pytest.mark.timeout(1200)]


def test_the_image_decodes_a_field_of_view_and_merges(engine: Engine, bucket: Path) -> None:
    write_experiment(bucket / "iss", Drawing(fields=1))
    shutil.copyfile(RECIPE, bucket / "recipe.py")
    names = {"experiment": "iss/experiment.json", "recipe": "recipe.py"}
    decoding = {"job_type": "decode_fovs", "run": "decoding", **names}
    merging = {"job_type": "merge_fovs", "run": "merging", "decoded": "runs/decoding"}

    for request in (decoding, merging):
        engine.run_request("starfish", bucket, {**request, "output": "results"})

    for run in ("decoding", "merging"):
        assert read_ledger(FolderStorage(bucket), run).is_complete
    results = bucket / "results"
    truth = read_spots(bucket / "iss" / "truth.csv")
    assert len(truth) == 12
    assert list(differences(truth, read_spots(results / "merged_decoded_fovs.parquet"))) == []
    assert json.loads((results / "merge_report.json").read_text())["missing"] == {}
