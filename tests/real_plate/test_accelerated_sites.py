"""Published pipelines on whole real sites: accelerated, every column of every table is equal, for less."""

from pathlib import Path

import pytest

from cellpainting.cellprofiler.environment import CellProfiler
from cellpainting.cellprofiler.verification import Verification, verify
from cellpainting.load_data.places import Places
from cellpainting.load_data.read_table import read_table
from cellpainting.storage import FolderStorage
from tests.real_plate.make_plate import REAL_DATA
from tests.real_plate.make_sites import SITES, write_site

pytestmark = [
    pytest.mark.plate,
    pytest.mark.cellprofiler,
    pytest.mark.timeout(3600),
    pytest.mark.skipif(not REAL_DATA.is_dir(), reason=f"{REAL_DATA} is not here: real images and published pipelines"),
]


@pytest.fixture(scope="module", params=SITES)
def verified(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, cellprofiler: CellProfiler
) -> Verification:
    folder = tmp_path_factory.mktemp("site")
    site = SITES[request.param]
    table = write_site(site, folder / "site")
    image_sets = read_table(table.read_bytes(), table.name, Places(("/",)))
    return verify(cellprofiler, site.pipeline, None, image_sets, FolderStorage(Path("/")), folder, lambda line: None)


def test_no_column_is_out_of_tolerance(verified: Verification) -> None:
    assert len(verified.differences) > 4000
    assert not verified.unequal
    assert verified.accelerated.acceleration
    assert not verified.accelerated.acceleration.left_alone


def test_peak_memory_is_not_above_the_originals(verified: Verification) -> None:
    assert verified.accelerated.peak_memory_mib <= verified.original.peak_memory_mib
