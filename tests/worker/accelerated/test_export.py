"""Tables of objects are written byte by byte as CellProfiler writes them."""

import pytest

from cellpainting.cellprofiler.environment import CellProfiler
from tests.worker.accelerated.scripts import results_of


@pytest.mark.cellprofiler
@pytest.mark.acceleration
def test_tables_are_equal(cellprofiler: CellProfiler) -> None:
    results = results_of("export.py", cellprofiler.python)
    assert [name for name, result in results.items() if not result["same"]] == []
    assert [name for name, result in results.items() if result["error"]] == ["objects that were not measured"]
