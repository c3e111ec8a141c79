"""Metadata tags are filled as CellProfiler itself fills them."""

import json
import subprocess
from pathlib import Path

import pytest

from cellpainting.cellprofiler.environment import CellProfiler
from cellpainting.pipelines.metadata_tags import fill_tags

VALUES = {"Plate": "BR 1", "Well": "A01", "Site": "7"}
FILLED = {
    "IllumDNA": "IllumDNA",
    r"\g<Plate>_IllumDNA": "BR 1_IllumDNA",
    r"\g<Plate>\g<Well>-\g<Site>": "BR 1A01-7",
    "(?<Plate>)_(?<Well>)": "BR 1_A01",
    r"\g<Well>_(?<Plate>)_\g<Site>": r"\g<Well>_BR 1_7",
    r"a\\b\\\g<Plate>": r"a\b\BR 1",
    r"\g<Plate": r"\g<Plate",
    "": "",
}
ASK = """
import json, logging, sys
logging.disable(logging.CRITICAL)
from cellprofiler_core.preferences import set_headless
set_headless()
from cellprofiler_core.measurement import Measurements
values, patterns = json.load(sys.stdin)
measurements = Measurements(image_set_start=1)
for name, value in values.items():
    measurements.add_image_measurement("Metadata_" + name, int(value) if value.isdigit() else value)
print(json.dumps([measurements.apply_metadata(pattern) for pattern in patterns]))
"""


@pytest.mark.parametrize("pattern", FILLED)
def test_tags_of_both_spellings_are_replaced_by_their_values(pattern: str) -> None:
    assert fill_tags(pattern, VALUES.__getitem__) == FILLED[pattern]


@pytest.mark.cellprofiler
def test_cellprofiler_fills_them_the_same_way(cellprofiler: CellProfiler, tmp_path: Path) -> None:
    answer = subprocess.run(
        [cellprofiler.python, "-c", ASK],
        input=json.dumps([VALUES, list(FILLED)]),
        capture_output=True,
        text=True,
        check=True,
        cwd=tmp_path,
    ).stdout
    assert json.loads(answer.splitlines()[-1]) == list(FILLED.values())
