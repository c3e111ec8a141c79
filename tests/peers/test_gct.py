"""GCT files of profiles are read by cmapPy, the Connectivity Map's own package, number by number."""

import json
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from benchmarks.peers.environments import CMAPPY, PeerNotInstalled
from cellpainting.profiles.names import METADATA
from cellpainting.profiles.write_profiles import write_profiles
from tests.worker.profiles.made_plates import made_plate

pytestmark = [pytest.mark.peers, pytest.mark.timeout(600)]
READ = """
import json, sys
import numpy
from cmapPy.pandasGEXpress.parse import parse
read = parse(sys.argv[1])
numpy.save(sys.argv[2], read.data_df.to_numpy(numpy.float64))
wells = {name: [str(value) for value in column] for name, column in read.col_metadata_df.items()}
told = {"features": list(read.data_df.index), "samples": list(read.data_df.columns), "wells": wells}
print(json.dumps(told | {"names": list(read.row_metadata_df["cp_feature_name"])}))
"""


@pytest.fixture(scope="module")
def python() -> Path:
    """cmapPy's own environment."""
    try:
        return CMAPPY.python()
    except PeerNotInstalled as error:
        pytest.fail(f"cmapPy could not be installed: {error}")


def test_cmappy_reads_the_numbers_and_the_metadata_of_every_well(python: Path, tmp_path: Path) -> None:
    plate = made_plate(features=300, wells=96)
    names = ["2,4-D", 'a "b" c', "Zürich", "x;y"] * 24
    plate = replace(plate, metadata=plate.metadata.assign(Metadata_compound=names))
    _, path = write_profiles(plate, tmp_path, "P1", ("gct",), "%.5g")
    command = [str(python), "-c", READ, str(path), str(tmp_path / "values.npy")]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout.splitlines()[-1])
    assert told["features"] == told["names"] == list(plate.features)
    assert told["samples"] == [f"SAMPLE_{number}" for number in range(96)]
    np.testing.assert_allclose(np.load(tmp_path / "values.npy").T, plate.values, rtol=1e-6)  # cmapPy has 32 bits
    for column in ("Metadata_Plate", "Metadata_Well", "Metadata_compound", "Metadata_Object_Count"):
        assert told["wells"][column.removeprefix(METADATA)] == [str(value) for value in plate.metadata[column]]
    assert set(told["wells"]) == {name.removeprefix(METADATA) for name in plate.metadata}
    assert pd.isna(plate.metadata["Metadata_broad_sample"][0])
