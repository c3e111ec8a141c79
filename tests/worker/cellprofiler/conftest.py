"""Pipelines that misbehave at chosen wells, a plain CellProfiler to compare with, and what the tests ask of results."""

import csv
import io
import os
import subprocess
from collections.abc import Iterable
from pathlib import Path

from cellpainting.cellprofiler.environment import CellProfiler
from cellpainting.cellprofiler.process import ONE_THREAD, SAME_COLUMNS
from cellpainting.ledger import Manifest, State
from tests.conftest import DATA, LOAD_DATA_PIPELINE, Plate

# Where the files lay and how long it took; the numbers that image sets have within their run.
NOT_COMPARED = ("PathName_", "URL_", "ExecutionTime_", "ImageSet_", "Group_", "ImageNumber")
MISBEHAVE = """Misbehave:[module_num:5|svn_version:'Unknown'|variable_revision_number:1|show_window:False|notes:[]|\
batch_state:array([], dtype=uint8)|enabled:True|wants_pause:False]
    What happens at which well:{what}

ExportToSpreadsheet:[module_num:6|"""

ILLUM_OF_ALL = """CorrectIlluminationCalculate:[module_num:3|svn_version:'Unknown'|variable_revision_number:2|\
show_window:False|notes:[]|batch_state:array([], dtype=uint8)|enabled:True|wants_pause:False]
    Select the input image:DNA
    Name the output image:MeanDNA
    Select how the illumination function is calculated:Regular
    Dilate objects in the final averaged image?:No
    Dilation radius:1
    Block size:60
    Rescale the illumination function?:No
    Calculate function for each image individually, or based on all images?:All: First cycle
    Smoothing method:No smoothing
    Method to calculate smoothing filter size:Manually
    Approximate object diameter:10
    Smoothing filter size:20
    Retain the averaged image?:No
    Name the averaged image:IllumBlueAvg
    Retain the dilated image?:No
    Name the dilated image:IllumBlueDilated
    Automatically calculate spline parameters?:Yes
    Background mode:auto
    Number of spline points:5
    Background threshold:2
    Image resampling factor:2
    Maximum number of iterations:40
    Residual value for convergence:0.001

ExportToSpreadsheet:[module_num:4|"""


def averaging(plate: Plate, what: str) -> Plate:
    """The plate, with a pipeline that averages all images of a group before it measures, and misbehaves so."""
    asked = misbehaving(plate, what)
    text = asked.bucket.read("plate/misbehaving.cppipe").decode()
    load_data = text[: text.index("CorrectIlluminationApply:")].replace(
        "Group images by metadata?:Yes", "Group images by metadata?:No"
    )
    misbehave = text[text.index("Misbehave:") : text.index("ExportToSpreadsheet:")].replace(
        "module_num:5|", "module_num:2|"
    )
    export = text[text.index("ExportToSpreadsheet:") :].replace("ExportToSpreadsheet:[module_num:6|", ILLUM_OF_ALL)
    text = (load_data + misbehave + export).replace("ModuleCount:6", "ModuleCount:4")
    plate.bucket.write("plate/misbehaving.cppipe", text.encode())
    return asked


def misbehaving(plate: Plate, what: str) -> Plate:
    """The plate, with a pipeline that does this, `A02=hang` say."""
    text = LOAD_DATA_PIPELINE.read_text().replace("ModuleCount:5", "ModuleCount:6")
    text = text.replace("ExportToSpreadsheet:[module_num:5|", MISBEHAVE.format(what=what))
    plate.bucket.write("plate/misbehaving.cppipe", text.encode())
    plate.bucket.write("plate/plugins/misbehave.py", (DATA / "plugins" / "misbehave.py").read_bytes())
    return plate.asking(pipeline="plate/misbehaving.cppipe", plugins="plate/plugins")


def wells(names: Iterable[str], plate: str = "P1") -> list[tuple[str, str, str]]:
    """One site of each well."""
    return [(plate, well, "1") for well in names]


def states(manifest: Manifest) -> dict[str, State]:
    return {outcome.image_set.well: outcome.state for outcome in manifest.outcomes}


def reasons(manifest: Manifest) -> dict[str, str]:
    return {outcome.image_set.well: outcome.reason for outcome in manifest.outcomes}


def rows(content: bytes) -> list[dict[str, str]]:
    """The rows of a table, without what differs from run to run anyway."""
    table = csv.DictReader(io.StringIO(content.decode(), newline=""))
    return [{name: cell for name, cell in row.items() if not name.startswith(NOT_COMPARED)} for row in table]


def published_rows(plate: Plate, manifest: Manifest, table: str) -> list[dict[str, str]]:
    """The rows of one table of all groups, in order."""
    keys = [file.key for file in manifest.outputs if file.key.endswith("/" + table)]
    return [row for key in keys for row in rows(plate.bucket.read(key))]


def run_plainly(plate: Plate, output: Path, cellprofiler: CellProfiler, *options: str) -> None:
    """`cellprofiler -c -r` typed by hand."""
    command = [str(cellprofiler.command), "-c", "-r", "-p", str(plate.root / plate.document["pipeline"])]
    subprocess.run(
        [*command, "-o", str(output), *options],
        check=True,
        env={**os.environ, **ONE_THREAD, **SAME_COLUMNS},
        capture_output=True,
    )
