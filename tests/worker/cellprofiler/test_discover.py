"""CellProfiler's own list of image sets is taken without an image on the machine, and measured as it is planned."""

import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from cellpainting.cellprofiler.discover import image_set_reader
from cellpainting.cellprofiler.environment import CellProfiler
from cellpainting.cellprofiler.run import run
from cellpainting.errors import CellProfilerFailed, InvalidRequest
from cellpainting.ledger import Manifest
from cellpainting.load_data import LoadData
from cellpainting.planning.plan_job import plan_job
from tests.conftest import ONE_PROCESS, SPOTS_PIPELINE, Plate, write_site
from tests.worker.cellprofiler.conftest import run_plainly, states

pytestmark = pytest.mark.cellprofiler
SITES = ["plate/images/P1_A01_s1", "plate/images/P1_A02_s1", "plate/images/P1_A03_s1"]
CREATE_BATCH_FILES = """
CreateBatchFiles:[module_num:{number}|svn_version:'Unknown'|variable_revision_number:8|show_window:False|notes:[]|\
batch_state:array([], dtype=uint8)|enabled:True|wants_pause:False]
    Store batch files in default output folder?:Yes
    Output folder path:/somewhere
    Are the cluster computers running Windows?:No
    Hidden- in batch mode:No
    Hidden- in distributed mode:No
    Hidden- default input folder at time of save:/somewhere
    Hidden- revision number:0
    Hidden- from old matlab:No
    Local root path:{local}
    Cluster root path:{cluster}
"""


def listed(plate: Plate, cellprofiler: CellProfiler) -> LoadData:
    return image_set_reader(cellprofiler)(plate.job, plate.bucket).table


def measured(plate: Plate, cellprofiler: CellProfiler) -> list[Manifest]:
    """All shards, planned as a planning job does."""
    bucket = plate.bucket
    plan = plan_job(plate.record.job, bucket, image_set_reader(cellprofiler))
    return [
        run(
            plate.record,
            plate.job,
            shard,
            bucket=bucket,
            images_from=bucket,
            cellprofiler=cellprofiler,
            capacity=ONE_PROCESS,
        )
        for shard in plan.shards
    ]


def images(table: LoadData) -> list[tuple[str, ...]]:
    return [table.images(row) for row in table.rows]


def with_batch_files(plate: Plate, cluster: str) -> str:
    """The plate's pipeline with CreateBatchFiles at its end."""
    text = SPOTS_PIPELINE.read_text().replace("ModuleCount:7", "ModuleCount:8")
    return text + CREATE_BATCH_FILES.format(number=8, local=plate.images, cluster=cluster)


def test_folder_is_listed_as_cellprofiler_finds_its_image_sets(plate: Plate, cellprofiler: CellProfiler) -> None:
    table = listed(plate.asking(group_by=["Metadata_Well"]), cellprofiler)
    assert images(table) == [(f"{site}_DNA.tif", f"{site}_Illum.tif") for site in SITES]
    assert [table.metadata(row)["Metadata_Well"] for row in table.rows] == ["A01", "A02", "A03"]


def test_file_list_limits_what_is_measured(plate: Plate, cellprofiler: CellProfiler) -> None:
    lines = [f"{SITES[2]}_DNA.tif", f"{SITES[2]}_Illum.tif", str(plate.root / f"{SITES[0]}_DNA.tif")]
    plate.bucket.write("plate/files.txt", "\n".join([*lines, f"{SITES[0]}_Illum.tif", ""]).encode())
    asked = Plate(plate.root, {**without(plate.document, "input"), "file_list": "plate/files.txt"})
    (manifest,) = measured(asked, cellprofiler)
    assert states(manifest) == {"A01": "done", "A03": "done"}


def test_folder_divided_into_shards_is_measured_whole(plate: Plate, cellprofiler: CellProfiler) -> None:
    asked = plate.asking(group_by=["Metadata_Well", "Metadata_Site"], image_sets_per_shard=2)
    first, second = measured(asked, cellprofiler)
    assert {**states(first), **states(second)} == {"A01": "done", "A02": "done", "A03": "done"}
    assert first.groups[0].folder == "Metadata_Well-Metadata_Site".replace("Metadata_Well", "A01").replace(
        "Metadata_Site", "1"
    )


def test_batch_file_tells_its_image_sets_and_its_pipeline(
    plate: Plate, cellprofiler: CellProfiler, tmp_path: Path
) -> None:
    plate.bucket.write("plate/spots.cppipe", with_batch_files(plate, "/home/ubuntu/bucket/plate/images").encode())
    with pytest.raises(subprocess.CalledProcessError):  # CellProfiler says Failure once it has written the file
        run_plainly(plate, tmp_path, cellprofiler, "-i", str(plate.images), "-d", str(tmp_path / "done"))
    plate.bucket.write("plate/Batch_data.h5", (tmp_path / "Batch_data.h5").read_bytes())
    write_site(plate.images, "A04")
    asked = Plate(
        plate.root,
        {"pipeline": "plate/Batch_data.h5", "batch_data": "plate/Batch_data.h5", "output": "plate/results"},
    )
    assert images(listed(asked, cellprofiler)) == [(f"{site}_DNA.tif", f"{site}_Illum.tif") for site in SITES]
    (manifest,) = measured(asked, cellprofiler)
    assert states(manifest) == {"A01": "done", "A02": "done", "A03": "done"}


def test_folder_of_which_no_rule_matches_an_image_is_refused_with_cellprofiler_s_reason(
    plate: Plate, cellprofiler: CellProfiler
) -> None:
    for path in plate.images.iterdir():
        path.rename(path.with_name(path.name.replace("DNA", "RNA")))
    with pytest.raises(CellProfilerFailed, match=r"could not list the image sets: .*did not identify any image sets"):
        listed(plate.asking(group_by=["Metadata_Well"]), cellprofiler)


def test_pipeline_that_would_have_to_open_the_images_is_refused(plate: Plate, cellprofiler: CellProfiler) -> None:
    text = SPOTS_PIPELINE.read_text().replace(
        "Metadata extraction method:Extract from file/folder names",
        "Metadata extraction method:Extract from image file headers",
    )
    plate.bucket.write("plate/spots.cppipe", text.encode())
    with pytest.raises(CellProfilerFailed, match="all images would have to be read"):
        listed(plate.asking(group_by=["Metadata_Well"]), cellprofiler)


def test_empty_folder_is_refused(plate: Plate, cellprofiler: CellProfiler) -> None:
    with pytest.raises(InvalidRequest, match="'plate/nothing' has no images"):
        listed(plate.asking(input="plate/nothing/", group_by=["Metadata_Well"]), cellprofiler)


def without(document: Mapping[str, Any], name: str) -> dict[str, Any]:
    return {field: value for field, value in document.items() if field != name}
