"""Illumination functions are where they were said to be before any was made, and the analysis finds them there."""

import os
import subprocess

import numpy as np
import pytest

from cellpainting.cellprofiler.environment import CellProfiler
from cellpainting.ledger import State
from cellpainting.load_data import Places, read_csv, write_table
from cellpainting.pipelines import parse_pipeline
from cellpainting.planning.illumination import functions_made, functions_needed, with_illumination
from cellpainting.planning.plates import plates_of, rows_of_plate
from tests.conftest import DATA, LOAD_DATA_PIPELINE, Plate, write_site
from tests.worker.cellprofiler.conftest import rows

ILLUM_PIPELINE = DATA / "illum_load_data.cppipe"
IMAGE_SETS = [("0042", "A01", "1"), ("0042", "A02", "1"), ("0043", "A01", "1")]
FOLDER = "plate/images 1+1 #%23"


def cpb_run(plate: Plate, cellprofiler: CellProfiler) -> None:
    command = ["cpb", "run", "--request", plate.write_request(), "--shard", "0"]
    subprocess.run(
        command, check=True, capture_output=True, env={**os.environ, "CELLPROFILER": str(cellprofiler.command)}
    )


@pytest.mark.cellprofiler
def test_functions_lie_where_they_were_told_and_the_analysis_reads_them_there(
    plate: Plate, cellprofiler: CellProfiler
) -> None:
    bucket, uri = plate.bucket, plate.bucket.uri("")
    for name, well, site in IMAGE_SETS:
        write_site(plate.root / FOLDER, well, plate=name, site=site)
    text = "Metadata_Plate,Metadata_Well,Metadata_Site,URL_DNA\n" + "".join(
        f"{name},{well},{site},{FOLDER}/{name}_{well}_s{site}_DNA.tif\n" for name, well, site in IMAGE_SETS
    )
    table = read_csv(text.encode(), "load_data.csv", Places.of(uri))
    analysis = parse_pipeline(LOAD_DATA_PIPELINE.read_bytes(), "analysis.cppipe")
    illumination = parse_pipeline(ILLUM_PIPELINE.read_bytes(), "illum.cppipe")
    assert functions_needed(analysis, table) == ("Illum",)
    made = {
        name: functions_made(illumination, ("Illum", "Preview"), rows_of_plate(table, name), f"illum/{name}")
        for name in plates_of(table)
    }
    assert made["0042"] == {"Illum": "illum/0042/42_Illum.npy", "Preview": "illum/0042/previews/42/Preview.tiff"}

    bucket.write("load_data.csv", write_table(table, uri).encode())
    bucket.write("illum.cppipe", ILLUM_PIPELINE.read_bytes())
    cpb_run(
        Plate(plate.root, {"pipeline": "illum.cppipe", "load_data": "load_data.csv", "output": "illum/"}), cellprofiler
    )
    assert sorted(item.key for item in bucket.list("illum")) == sorted(
        key for functions in made.values() for key in functions.values()
    )
    assert np.load(plate.root / made["0042"]["Illum"]).shape == (64, 64)

    one = with_illumination(rows_of_plate(table, "0042"), {"Illum": made["0042"]["Illum"]})
    bucket.write("with_illum.csv", write_table(one, uri).encode())
    bucket.write("analysis.cppipe", LOAD_DATA_PIPELINE.read_bytes())
    measuring = Plate(plate.root, {"pipeline": "analysis.cppipe", "load_data": "with_illum.csv", "output": "analysis/"})
    cpb_run(measuring, cellprofiler)
    assert [outcome.state for outcome in measuring.ledger().outcomes] == [State.DONE] * 2
    (first, _) = [item.key for item in bucket.list("analysis") if item.key.endswith("Image.csv")]
    assert rows(bucket.read(first))[0]["FileName_Illum"] == "42_Illum.npy"
