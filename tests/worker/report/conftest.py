"""Workspaces that tests only read are made once."""

import pytest

from tests.worker.report.workspaces import Workspace, make_workspace, record_run


@pytest.fixture(scope="package")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """Two plates of one batch, of which the first one's run is recorded."""
    made = make_workspace(tmp_path_factory.mktemp("workspace"), "P1", "P2")
    record_run(made, "P1")
    return made
