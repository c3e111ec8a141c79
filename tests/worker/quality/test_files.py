"""What is told of wells and replicates is made when profiles are, and not again when they stay."""

from pathlib import Path

from tests.worker.profiled_plates import BATCH, write_backend
from tests.worker.report.workspaces import Workspace, make_usual_profiles


def test_files_about_quality_stay_with_the_profiles_and_come_back_when_they_are_gone(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    write_backend(tmp_path / "backend", "P1")
    make_usual_profiles(workspace, "P1")
    files = sorted((tmp_path / "quality_control").rglob("*.json"))
    assert [path.name for path in files] == [
        "P1_normalized_feature_select_negcon_plate.json",
        "P1_normalized_feature_select_plate.json",
        "P1.json",
    ]
    dates = [path.stat().st_mtime_ns for path in files]
    make_usual_profiles(workspace, "P1")
    assert [path.stat().st_mtime_ns for path in files] == dates
    wells = tmp_path / f"quality_control/wells/{BATCH}/P1.json"
    content = wells.read_bytes()
    wells.unlink()
    make_usual_profiles(workspace, "P1")
    assert wells.read_bytes() == content
    assert [path.stat().st_mtime_ns for path in files[:2]] == dates[:2]
