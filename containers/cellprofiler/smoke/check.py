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
TIMEOUT_S = 300  # a start takes 3 s; 30 s when nothing has been compiled to bytecode yet


def write_image(path: Path) -> None:
    """Write the image: 64 x 64 pixels, 8 bits."""
    y, x = np.ogrid[:64, :64]
    # Soft spots: a threshold cannot be chosen in an image of only two values.
    light = sum(np.exp(-((y - row) ** 2 + (x - column) ** 2) / 32) for row, column in SPOTS)
    tifffile.imwrite(path, (10 + 190 * light).astype(np.uint8))


def main() -> int:
    """Run the pipeline and judge its result; the end of the log is shown only when it is wrong."""
    program = Path(sys.executable).with_name("cellprofiler")
    pipeline = Path(__file__).with_name("smoke.cppipe")
    with tempfile.TemporaryDirectory(prefix="cellprofiler-check-") as folder:
        images, results, done = Path(folder, "images"), Path(folder, "results"), Path(folder, "done.txt")
        images.mkdir()
        results.mkdir()
        write_image(images / "spots.tif")
        command = [str(program), "-c", "-r", "-p", str(pipeline)]
        command += ["-i", str(images), "-o", str(results), "-d", str(done)]
        # Without JAVA_HOME: the environment has to know its Java by itself. With a home of its own: a user's
        # CellProfiler preferences have no say, and nothing is left behind.
        environment = {name: value for name, value in os.environ.items() if name != "JAVA_HOME"}
        environment["HOME"] = folder
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
            log, outcome = run.stdout, f"exit status {run.returncode}"
        except subprocess.TimeoutExpired as error:
            log, outcome = error.stdout or b"", f"no end after {TIMEOUT_S} s"
        table = results / "Image.csv"
        if table.exists():
            with table.open(newline="") as file:
                counts = [float(row["Count_Nuclei"]) for row in csv.DictReader(file)]
            outcome += f", spots counted: {counts}"
            if outcome == f"exit status 0, spots counted: [{len(SPOTS):.1f}]":
                print(f"CellProfiler works: {program}", file=sys.stderr)
                return 0
        else:
            outcome += ", no Image.csv"
    tail = "\n".join(log.decode(errors="replace").splitlines()[-30:])
    print(f"{tail}\nCellProfiler is installed but does not work: {outcome}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
