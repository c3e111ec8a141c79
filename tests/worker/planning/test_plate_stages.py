"""The stages that a plate comes to: what is left out, what is given, and what each says of the one before."""

import json
from pathlib import Path
from typing import Any

import pytest

from cellpainting.errors import InvalidField, InvalidRequest
from cellpainting.jobs import ProcessPlate, RunRecord, parse_job
from cellpainting.planning.plate_stages import StageRequest
from cellpainting.planning.stage_requests import stage_requests
from cellpainting.storage import FolderStorage
from tests.conftest import DATA, LOAD_DATA_PIPELINE

REQUEST: dict[str, Any] = {
    "job_type": "process_plate",
    "run": "screen",
    "load_data": "p/load_data.csv",
    "batch": "B1",
    "pipelines": {
        "illumination": "p/illum.cppipe",
        "quality_control": "p/qc.cppipe",
        "analysis": "p/analysis.cppipe",
    },
    "platemap": "p/platemap.txt",
    "output": "w",
}
NO_FUNCTIONS = {"illumination": "p/qc.cppipe", "analysis": "p/analysis.cppipe"}
HEADER = "Metadata_Plate,Metadata_Well,Metadata_Site,URL_DNA\n"


@pytest.fixture
def bucket(tmp_path: Path) -> FolderStorage:
    storage = FolderStorage(tmp_path)
    storage.write("p/load_data.csv", f"{HEADER}P1,A01,1,p/1.tif\nP1,A02,1,p/2.tif\nP2,A01,1,p/3.tif\n".encode())
    storage.write("p/illum.cppipe", (DATA / "illum_load_data.cppipe").read_bytes())
    for name in ("qc", "analysis"):
        storage.write(f"p/{name}.cppipe", LOAD_DATA_PIPELINE.read_bytes())
    return storage


def stages(bucket: FolderStorage, **fields: Any) -> dict[str, StageRequest]:
    """The stages of all plates, by plate and name; each is a request that is taken."""
    document = {name: value for name, value in {**REQUEST, **fields}.items() if value is not None}
    job = parse_job(document)
    assert isinstance(job, ProcessPlate)
    found = {}
    for request in stage_requests(RunRecord.of(job, document), job, bucket):
        parsed = parse_job(json.loads(json.dumps(request.document)))
        assert parsed.stage
        found[f"{parsed.stage.plate} {parsed.stage.name}"] = request
    return found


def needs(request: StageRequest) -> list[str]:
    return list(request.document["stage"].get("needs", []))


def test_each_plate_has_its_own_image_sets_in_every_stage(bucket: FolderStorage) -> None:
    found = stages(bucket)
    names = ("illumination", "quality_control", "analysis", "backend", "profiles", "report")
    assert list(found) == [f"{plate} {name}" for plate in ("P1", "P2") for name in names]
    for name in names[:3]:
        assert [len((found[f"{plate} {name}"].load_data or b"").splitlines()) for plate in ("P1", "P2")] == [3, 2]


def test_results_go_where_the_gallery_has_them(bucket: FolderStorage) -> None:
    found = {name: request.document for name, request in stages(bucket).items()}
    assert found["P1 illumination"]["output"] == "w/illum/B1"
    assert found["P1 analysis"]["output"] == "w/analysis/B1"
    assert (found["P1 backend"]["output"], found["P1 backend"]["batch"]) == ("w/backend", "B1")
    assert found["P1 profiles"]["backend"] == "w/backend/B1/P1"
    assert found["P1 report"]["output"] == "w/reports/B1/P1.html"


def test_what_is_left_out_is_needed_by_nothing(bucket: FolderStorage) -> None:
    found = stages(bucket, pipelines={"analysis": "p/analysis.cppipe"}, leave_out=["profiles"])
    assert [name for name in found if name.startswith("P1")] == ["P1 analysis", "P1 backend", "P1 report"]
    assert needs(found["P1 analysis"]) == []
    assert found["P1 report"].document["stage"]["after"] == ["screen--P1--analysis", "screen--P1--backend"]


def test_given_functions_are_found_and_read(bucket: FolderStorage) -> None:
    bucket.write("made/P1/P1_Illum.npy", b"1")
    bucket.write("made/P2/P2_Illum.npy", b"2")
    found = stages(bucket, pipelines={"analysis": "p/analysis.cppipe"}, results={"illumination": "made"})
    assert b"made/P1/P1_Illum.npy" in (found["P1 analysis"].load_data or b"")
    assert b"made/P2/P2_Illum.npy" in (found["P2 analysis"].load_data or b"")


def test_given_analysis_is_that_of_the_plate_where_there_is_a_folder_for_each(bucket: FolderStorage) -> None:
    bucket.write("csv/P1/analysis/A01/Image.csv", b"1")
    given: dict[str, Any] = {"pipelines": None, "results": {"analysis": "csv"}, "leave_out": ["profiles"]}
    found = stages(bucket, plate="P1", **given)
    assert found["P1 backend"].document["analysis"] == "csv/P1"
    assert needs(found["P1 backend"]) == []
    assert stages(bucket, plate="P2", **given)["P2 backend"].document["analysis"] == "csv"
    with pytest.raises(InvalidField, match="there is no folder 'P2' in it"):
        stages(bucket, **given)


def test_given_backend_is_where_profiles_and_page_begin(bucket: FolderStorage) -> None:
    found = stages(bucket, pipelines=None, results={"backend": "b"})
    assert [name for name in found if name.startswith("P1")] == ["P1 profiles", "P1 report"]
    assert found["P1 profiles"].document["backend"] == "b/B1/P1"
    assert found["P1 report"].document["backend"] == "b/B1/P1"


def test_memory_and_vcpus_are_for_the_stages_that_cellprofiler_does(bucket: FolderStorage) -> None:
    found = stages(bucket, job_memory=8192, job_vcpu=2, timeout_s=60, sqlite=False)
    assert (found["P1 analysis"].document["job_memory"], found["P1 illumination"].document["job_vcpu"]) == (8192, 2)
    assert found["P1 quality_control"].document["timeout_s"] == 60
    assert "job_memory" not in found["P1 backend"].document
    assert found["P1 backend"].document["sqlite"] is False


def test_with_a_gate_the_analysis_comes_after_what_is_to_be_approved(bucket: FolderStorage) -> None:
    stage = stages(bucket, gate=True)["P1 analysis"].document["stage"]
    assert stage["is_gated"]
    assert stage["after"] == ["screen--P1--illumination", "screen--P1--quality_control"]


def test_paths_that_were_moved_are_told_as_they_are_now(bucket: FolderStorage) -> None:
    bucket.write("p/load_data.csv", f"{HEADER}P1,A01,1,/old/place/1.tif\n".encode())
    found = stages(bucket, path_remap={"/old/place/": "p/"})
    assert b"/p/1.tif" in (found["P1 analysis"].load_data or b"")
    assert "path_remap" not in found["P1 analysis"].document


@pytest.mark.parametrize(
    ("text", "fields", "reason"),
    [
        ("Metadata_Well,URL_DNA\nA01,p/1.tif\n", {}, "no column Metadata_Plate"),
        (f"{HEADER}P1,A01,1,p/1.tif\n", {"plate": "P9"}, "got no plate 'P9', but P1"),
        (f"{HEADER}P1,A01,1,p/1.tif\n", {"batch": None}, "field 'batch'"),
        (f"{HEADER}P1,A01,1,p/1.tif\n", {"plates": [{"plate": "P1"}, {"plate": "P1"}]}, "named twice"),
        (
            f"{HEADER}P1,A01,1,p/1.tif\n",
            {"pipelines": {**REQUEST["pipelines"], "illumination": "p/qc.cppipe"}},
            "Illum",
        ),
    ],
)
def test_what_cannot_be_divided_into_stages_is_refused_with_its_reason(
    bucket: FolderStorage, text: str, fields: dict[str, Any], reason: str
) -> None:
    bucket.write("p/load_data.csv", text.encode())
    with pytest.raises(InvalidRequest) as refusal:
        stages(bucket, **fields)
    assert reason in str(refusal.value)


def test_batch_is_the_table_s_own_unless_it_has_several_for_a_plate(bucket: FolderStorage) -> None:
    header = "Metadata_Batch," + HEADER
    bucket.write("p/load_data.csv", f"{header}B7,P1,A01,1,p/1.tif\n".encode())
    assert stages(bucket, batch=None)["P1 backend"].document["batch"] == "B7"
    bucket.write("p/load_data.csv", f"{header}B7,P1,A01,1,p/1.tif\nB8,P1,A02,1,p/2.tif\n".encode())
    with pytest.raises(InvalidField, match=r"\['B7', 'B8'\]"):
        stages(bucket, batch=None)
