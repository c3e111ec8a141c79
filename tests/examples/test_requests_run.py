"""Every request and configuration that is shipped runs to its end, with small inputs where it expects its own.

`small_plate/request.json` is run by test_demo.py, and the published examples on their own images by tests/local.
"""

import gzip
import json
import os
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path, PurePosixPath

import pytest

from cellpainting.cellprofiler.environment import CellProfiler
from cellpainting.jobs import (
    BuildBackend,
    DownloadImages,
    Job,
    MakeProfiles,
    MakeReport,
    ProcessPlate,
    RunCellProfiler,
    parse_message,
)
from cellpainting.jobs.make_profiles import PlateProfiles
from cellpainting.ledger import read_ledger
from cellpainting.storage import FolderStorage
from examples.small_plate.make_images import CONTROL, LOAD_DATA, SMALL_PLATE, write_plate
from tests.conftest import LOAD_DATA_PIPELINE, REPOSITORY, SPOTS_PIPELINE, write_load_data, write_site
from tests.worker.profiled_plates import WELLS, barcodes_text, external_text, platemap_text, write_backend

REQUESTS = sorted((REPOSITORY / "examples").glob("*.json"))
JOB_FILE = REPOSITORY / "examples" / "distributed_cellprofiler_job.json"
MOUNT = "/home/ubuntu/bucket"  # where Distributed-CellProfiler shows the bucket
IMAGE_SETS = (("P1", "A01", "1"), ("P1", "A01", "2"))


def write_inputs(bucket: Path, job: Job) -> None:
    """Put small images where a request expects its own, with a pipeline and, if it names one, load data."""
    if isinstance(job, DownloadImages):
        images = PurePosixPath(job.load_data).with_name("images")
        write_images(bucket, job.load_data, f"{MOUNT}/{images}", str(images))
    elif isinstance(job, BuildBackend):
        write_measurements(bucket, job)
    elif isinstance(job, MakeProfiles):
        assert isinstance(job.wanted, PlateProfiles)
        write_profiled_plate(bucket, job.wanted)
    elif isinstance(job, MakeReport):
        write_backend((bucket / str(job.backend)).parents[1], job.plate, job.batch)
    elif isinstance(job, ProcessPlate):
        write_drawn_plate(bucket, job)
    else:
        assert isinstance(job, RunCellProfiler)
        write_measured_inputs(bucket, job)


def write_measured_inputs(bucket: Path, job: RunCellProfiler) -> None:
    """The inputs of a request for CellProfiler."""
    pipeline = bucket / job.pipeline
    pipeline.parent.mkdir(parents=True, exist_ok=True)
    pipeline.write_bytes((LOAD_DATA_PIPELINE if job.load_data else SPOTS_PIPELINE).read_bytes())
    if not job.load_data:
        write_site(bucket / str(job.input), "A01")
        return
    told, images = job.path_remap[0] if job.path_remap else (f"{MOUNT}/{job.input}/images", f"{job.input}/images")
    write_images(bucket, job.load_data, told, images)


def write_drawn_plate(bucket: Path, job: ProcessPlate) -> None:
    """A plate of two sites, drawn and measured as the shipped one is; any pipeline does as its quality control."""
    (source,), ((told, images),) = job.sources, job.cellprofiler.path_remap
    few = replace(CONTROL, cells=4)
    wells = tuple((well, few) for well in WELLS[: len(IMAGE_SETS)])
    drawn = replace(SMALL_PLATE, name=str(source.plate), wells=wells, sites=1, size_px=256)
    write_plate(drawn, bucket / "drawn")
    load_data = (bucket / "drawn" / LOAD_DATA).read_text().replace(",images/", f",{told}")
    shutil.move(bucket / "drawn" / "images", bucket / images)
    shutil.rmtree(bucket / "drawn")
    here = REPOSITORY / "examples" / "small_plate"
    making, measuring = ((here / f"{name}.cppipe").read_bytes() for name in ("illumination", "analysis"))
    inputs = [
        (source.load_data, load_data.encode()),
        *zip(job.pipelines.given, (making, making, measuring), strict=True),
        (source.platemap, platemap_text()),
        (job.treatments.external_metadata, external_text()),
    ]
    for key, content in inputs:
        FolderStorage(bucket).write(str(key), content)


def write_images(bucket: Path, load_data: str, told: str, images: str) -> None:
    """Load data whose images are told to lie in one folder, which is shown as another in the bucket."""
    write_load_data(bucket / load_data, Path(told), IMAGE_SETS)
    for plate, well, site in IMAGE_SETS:
        write_site(bucket / images, well, plate=plate, site=site)


def write_measurements(bucket: Path, job: BuildBackend) -> None:
    """The CSVs of two image sets, two objects of each compartment in either, and the file that tells their names."""
    for number, (_, well, site) in enumerate(IMAGE_SETS, start=1):
        folder = bucket / job.analysis / f"{job.plate}-{well}-{site}"
        folder.mkdir(parents=True)
        columns = "ImageNumber,Metadata_Plate,Metadata_Well,Metadata_Site,Count_Nuclei"
        (folder / "Image.csv").write_text(f"{columns}\n{number},{job.plate},{well},{site},2\n")
        for table in job.settings.compartments:
            rows = "".join(f"{number},{one},{one}.5,{one},{one}\n" for one in (1, 2))
            columns = "ImageNumber,ObjectNumber,AreaShape_Area,Parent_Nuclei,Parent_Cells"
            (folder / f"{table}.csv").write_text(f"{columns}\n{rows}")
    if job.ingest_config:
        names = "[filenames]\nimage = Image.csv\nobject = Object.csv\nexperiment = Experiment.csv\n"
        (bucket / job.ingest_config).write_text(names)


def write_profiled_plate(bucket: Path, wanted: PlateProfiles) -> None:
    """A backend, what is in its wells, and what is known of that."""
    backend = bucket / wanted.backend
    write_backend(backend.parents[1], wanted.plate, wanted.batch)
    for name, text in ((wanted.platemap, platemap_text()), (wanted.external_metadata, external_text())):
        (bucket / str(name)).parent.mkdir(parents=True, exist_ok=True)
        (bucket / str(name)).write_bytes(text)


def result_of(job: Job) -> str:
    """A file that a request leaves, below its output; of a page, that is the file itself."""
    if isinstance(job, MakeReport):
        return ""
    if isinstance(job, ProcessPlate):
        return f"reports/{job.sources[0].batch}/{job.sources[0].plate}.html"
    if isinstance(job, BuildBackend):
        return f"{job.batch}/{job.plate}/{job.plate}.sqlite"
    if isinstance(job, MakeProfiles):
        plate = job.wanted.name
        return f"2021_04_26_Batch1/{plate}/{plate}_normalized_feature_select_negcon_plate.parquet"
    if isinstance(job, DownloadImages):
        return "P1/P1__A01__2__DNA.png"
    return "P1/analysis/P1-A01-2/Image.csv" if job.load_data else "Image.csv"


def job_file_of_objects(folder: Path) -> Path:
    """The job file with its groups as objects, as Distributed-CellProfiler's `--print-groups` gives them."""
    document = json.loads(JOB_FILE.read_text())
    for group in document["groups"]:
        group["Metadata"] = dict(pair.split("=") for pair in group["Metadata"].split(","))
    document["output"] = "projects/example/workspace/analysis/of_objects/"  # else it would be the same run
    path = folder / "job_file_of_objects.json"
    path.write_text(json.dumps(document))
    return path


@pytest.mark.cellprofiler
def test_all_shipped_requests_run_in_one_sitting(tmp_path: Path, cellprofiler: CellProfiler) -> None:
    requests = [*REQUESTS, job_file_of_objects(tmp_path)]
    runs = [run for path in requests for run in parse_message(path.read_text())]
    assert len(runs) > len(requests) >= 6
    for run in runs:
        write_inputs(tmp_path / "plates", run.job)
    folders = sorted(path.name for path in (tmp_path / "plates").iterdir())
    uploads = [f"--upload={tmp_path}/plates/{folder}={folder}" for folder in folders]
    ended = subprocess.run(
        ["cpb", "local", "run", *map(str, requests), *uploads],
        env={**os.environ, "CELLPROFILER": str(cellprofiler.command)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    bucket = FolderStorage(tmp_path / "cpb-data" / "bucket")
    for run in runs:
        is_folder = isinstance(run.job, RunCellProfiler) and run.job.is_plain_folder
        is_one = is_folder or isinstance(run.job, MakeProfiles | MakeReport)
        assert read_ledger(bucket, run.run_id).counts["done"] == (1 if is_one else len(IMAGE_SETS))
        assert (bucket.root / run.job.output / result_of(run.job)).exists()


def test_shipped_configuration_is_done(tmp_path: Path) -> None:
    """In the folders that profiling-recipe has, but for its load data's columns."""
    batch, plates = "2021_04_26_Batch1", ("BR00117035", "BR00117036")
    root = tmp_path / "workspace" / "software" / "example"
    (root / "config_files").mkdir(parents=True)
    shutil.copy(REPOSITORY / "examples" / "profiling_config.yml", root / "config_files")
    metadata = FolderStorage(root / "metadata")
    metadata.write(f"platemaps/{batch}/barcode_platemap.csv", barcodes_text(*plates))
    metadata.write(f"platemaps/{batch}/platemap/map.txt", platemap_text())
    metadata.write("external_metadata/JUMP-Target-1_compound_metadata.tsv", external_text())
    rows = [f"{'AB'.index(well[0]) + 1},{int(well[1:])},1,a.tif" for well in WELLS]
    load_data = "\n".join(["Metadata_Row,Metadata_Col,Metadata_Site,FileName_OrigDNA", *rows])
    for plate in plates:
        write_backend(tmp_path / "workspace" / "backend", plate, batch)
        compressed = gzip.compress(load_data.encode())
        FolderStorage(root).write(f"load_data_csv/{batch}/{plate}/load_data.csv.gz", compressed)
    command = ["cpb", "profile", "config_files/profiling_config.yml"]
    ended = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "of 2 plates, 0 not made" in ended.stdout
    for plate in plates:
        made = root / "profiles" / batch / plate / f"{plate}_normalized_feature_select_negcon_batch"
        assert all(made.with_name(f"{made.name}.{end}").is_file() for end in ("parquet", "csv.gz", "h5ad"))
    assert list((root / "consensus" / batch).rglob("*_consensus.parquet"))
    assert "12" in (root / "quality_control" / "summary" / "summary.tsv").read_text()
