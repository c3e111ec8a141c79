"""Small plates to look at: load data as CSV and as a table, a bucket on disk that has their files."""

import csv
import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from cellpainting.jobs import RunCellProfiler, RunRecord, parse_job
from cellpainting.load_data import LoadData
from cellpainting.load_data.places import Places
from cellpainting.load_data.read_csv import read_csv
from cellpainting.pipelines import Pipeline, parse_pipeline
from cellpainting.preflight import Finding
from cellpainting.preflight.check import check, choose_selection
from cellpainting.storage import FolderStorage
from tests.conftest import measuring
from tests.worker.pipelines.text import EXPORT, cppipe, load_data, measure

Row = dict[str, str]
MOUNT = "/home/ubuntu/bucket/"  # what load data made for Distributed-CellProfiler calls the bucket
REQUEST = {"pipeline": "p/analysis.cppipe", "load_data": "p/load_data.csv", "output": "results"}
PIPELINE = cppipe(load_data("Plate", "Well", "Site"), measure(["OrigDNA", "OrigER"]), EXPORT)


def image_set(plate: str, well: str, site: str, **other: str) -> Row:
    """One row, with two images and the illumination function of its plate."""
    stem = f"{MOUNT}p/images/{plate}_{well}_{site}"
    return {
        "Metadata_Plate": plate,
        "Metadata_Well": well,
        "Metadata_Site": site,
        "URL_OrigDNA": f"{stem}_DNA.tif",
        "URL_OrigER": f"{stem}_ER.tif",
        "URL_IllumDNA": f"{MOUNT}p/illum/{plate}.npy",
        **other,
    }


def sites(wells: Sequence[str], count: int = 2, plate: str = "P1") -> list[Row]:
    """Wells with so many sites each."""
    return [image_set(plate, well, str(site)) for well in wells for site in range(1, count + 1)]


def csv_of(rows: Sequence[Row]) -> bytes:
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]))
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


def table_of(rows: Sequence[Row]) -> LoadData:
    return read_csv(csv_of(rows), "load_data.csv", Places.of("s3://data/"))


def job_of(**fields: Any) -> RunCellProfiler:
    return measuring(parse_job({**REQUEST, **fields}))


def findings_of(
    rows: Sequence[Row], pipeline: bytes | Pipeline = PIPELINE, fields: Mapping[str, Any] | None = None
) -> list[Finding]:
    """What a look at these texts finds."""
    job, table = job_of(**(fields or {})), table_of(rows)
    parsed = parse_pipeline(pipeline, "p.cppipe") if isinstance(pipeline, bytes) else pipeline
    return check(job, parsed, table, choose_selection(job, parsed, table))


def about(findings: Sequence[Finding], problem: str) -> list[str]:
    """The subjects of the findings with such a problem."""
    return [finding.subject for finding in findings if problem in finding.problem]


def bucket_with(root: Path, rows: Sequence[Row], pipeline: bytes = PIPELINE) -> FolderStorage:
    """A bucket on disk with all files of these rows, 100 bytes each."""
    bucket = FolderStorage(root)
    bucket.write("p/analysis.cppipe", pipeline)
    bucket.write("p/load_data.csv", csv_of(rows))
    for key in {value for row in rows for name, value in row.items() if name.startswith("URL_") and value}:
        bucket.write(key.removeprefix(MOUNT), b"x" * 100)
    return bucket


def record_of(**fields: Any) -> RunRecord:
    document = {**REQUEST, **fields}
    return RunRecord.of(parse_job(document), document)


def write_request(path: Path, *documents: Mapping[str, Any]) -> Path:
    """A request file: an object, or a list of several."""
    path.write_text(json.dumps(documents[0] if len(documents) == 1 else documents))
    return path
