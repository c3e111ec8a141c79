"""Run a tiny pipeline on a tiny image with the CellProfiler of this interpreter's environment.

Three bright spots on a dark ground have to be counted as three. On the way everything that can be missing
in a fresh environment is used: the program, Java (image sets and Bio-Formats), SciPy, scikit-image, the export.
"""

import csv
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import tifffile

SPOTS = ((20, 20), (20, 44), (44, 32))  # row, column
PROGRAM = Path(sys.executable).with_name("cellprofiler")
PIPELINE = Path(__file__).with_name("smoke.cppipe")
TIMEOUT_S = 300  # a start takes 3 s; 30 s when nothing has been compiled to bytecode yet


def write_image(path: Path) -> None:
    """Write the image: 64 x 64 pixels, 8 bits."""
    y, x = np.ogrid[:64, :64]
    # Soft spots: a threshold cannot be chosen in an image of only two values.
    light = sum(np.exp(-((y - row) ** 2 + (x - column) ** 2) / 32) for row, column in SPOTS)
    tifffile.imwrite(path, (10 + 190 * light).astype(np.uint8))


def run_pipeline(folder: Path) -> tuple[str, str]:
    """Run the pipeline on one image; returns what came of it, in words, and what CellProfiler printed."""
    images, results, done = folder / "images", folder / "results", folder / "done.txt"
    images.mkdir()
    results.mkdir()
    write_image(images / "spots.tif")
    command = [str(PROGRAM), "-c", "-r", "-p", str(PIPELINE), "-i", str(images), "-o", str(results), "-d", str(done)]
    # Without JAVA_HOME: the environment has to know its Java by itself.
    environment = {name: value for name, value in os.environ.items() if name != "JAVA_HOME"}
    try:
        run = subprocess.run(
            command,
            check=False,
            cwd=folder,  # not the caller's: in "/" Bio-Formats cannot read an image
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=TIMEOUT_S,
        )
    except subprocess.TimeoutExpired as error:
        return f"no end after {TIMEOUT_S} s", (error.stdout or b"").decode(errors="replace")
    outcome = f"exit status {run.returncode}, spots counted: {counted_spots(results / 'Image.csv')}"
    return outcome, run.stdout.decode(errors="replace")


def counted_spots(table: Path) -> list[float]:
    """The number of spots in each image, from CellProfiler's table; empty when there is none."""
    if not table.exists():
        return []
    with table.open(newline="") as file:
        return [float(row["Count_Nuclei"]) for row in csv.DictReader(file)]


def main() -> int:
    """Say whether CellProfiler works, with the end of its log if it does not."""
    with tempfile.TemporaryDirectory(prefix="cellprofiler-check-") as folder:
        outcome, log = run_pipeline(Path(folder))
    if outcome == f"exit status 0, spots counted: [{len(SPOTS):.1f}]":
        print(f"CellProfiler works: {PROGRAM}", file=sys.stderr)
        return 0
    tail = "\n".join(log.splitlines()[-30:])
    print(f"{tail}\nCellProfiler is installed but does not work: {outcome}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
