"""What belongs to a plate is found, whatever part of it is named."""

import shutil
from pathlib import Path

import pytest

from cellpainting.errors import InvalidRequest
from cellpainting.profiles.place import Place
from cellpainting.report.targets import Targets
from cellpainting.storage import FolderStorage
from tests.worker.profiled_plates import BATCH
from tests.worker.report.workspaces import RUN, Workspace


@pytest.mark.parametrize("folder", ["backend", "profiles"])
def test_a_plates_backend_and_profiles_are_found_from_each_other(workspace: Workspace, folder: str) -> None:
    (plate,) = workspace.plates(f"{folder}/{BATCH}/P1")
    assert (plate.batch, plate.plate) == (BATCH, "P1")
    assert plate.ingest
    assert plate.ingest.plate == "P1"
    assert "_normalized_negcon" in plate.reports
    assert plate.quality
    assert plate.replicates
    assert plate.making


@pytest.mark.parametrize("folder", [f"backend/{BATCH}", f"profiles/{BATCH}", "backend", "profiles", "."])
def test_a_folder_above_plates_names_them_all_once(workspace: Workspace, folder: str) -> None:
    assert [plate.plate for plate in workspace.plates(folder)] == ["P1", "P2"]


def test_a_run_names_the_plates_of_its_ledger(workspace: Workspace) -> None:
    (plate,) = workspace.plates(runs=[RUN])
    assert (plate.batch, plate.plate, len(plate.outcomes)) == ("", "P1", 12)
    assert plate.ingest is None
    assert plate.reports == {}


def test_a_run_and_the_backend_of_its_plate_are_put_together(workspace: Workspace) -> None:
    (plate,) = workspace.plates(f"backend/{BATCH}/P1", runs=[RUN])
    assert plate.ingest
    assert [run.run_id for run in plate.runs] == [RUN]


def test_the_folder_of_a_run_is_a_target_too(workspace: Workspace) -> None:
    (plate,) = workspace.plates(f"bucket/runs/{RUN}")
    assert plate.plate == "P1"


def test_a_run_is_not_of_plates_that_it_did_not_measure(workspace: Workspace) -> None:
    named = {plate.plate: plate.runs for plate in workspace.plates("backend", runs=[RUN])}
    assert [run.run_id for run in named["P1"]] == [RUN]
    assert named["P2"] == ()


def test_a_folder_without_plates_is_refused_with_what_to_name(tmp_path: Path) -> None:
    (tmp_path / "nothing").mkdir()
    with pytest.raises(InvalidRequest, match="name a plate's folder"):
        Targets(None).add_folder(Place(FolderStorage(tmp_path), "nothing"))


def test_a_run_without_a_bucket_is_refused_with_the_option() -> None:
    with pytest.raises(InvalidRequest, match="--bucket"):
        Targets(None).add_run("plate1")


def test_a_run_that_is_not_there_is_told(workspace: Workspace) -> None:
    with pytest.raises(InvalidRequest, match="no run 'other'"):
        workspace.plates(runs=["other"])


def test_a_plate_whose_profiles_were_removed_is_a_plate_without_them(workspace: Workspace, tmp_path: Path) -> None:
    shutil.copytree(workspace.root / "backend", tmp_path / "backend")
    (plate,) = Workspace(tmp_path).plates(f"backend/{BATCH}/P1")
    assert plate.ingest
    assert (plate.annotated, plate.normalized, plate.selected, plate.replicates) == (None, None, None, None)
