"""Compiles the kernels that are not compiled yet: `python compile.py`, at set-up and when an image is built.

With Numba's ahead-of-time compiler: what it makes needs no Numba to run. It will not be in releases after those for
CellProfiler's Python. Compiled for the processor at hand, a kernel would be of no use on another host, and its last
digits could differ from host to host; hence "generic".
"""

from __future__ import annotations

import importlib
import os
import sys
import tempfile
import warnings
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

INSIDE = Path(__file__).parents[1]


def flags() -> Any:
    """Division by zero gives infinity or NaN in exported functions too, as in NumPy."""
    from numba.core.compiler import Flags

    made = Flags()
    made.error_model = "numpy"
    return made


def compile_kernels(source: Path, destination: Path) -> None:
    """Compile one file of kernels into a library."""
    import numba

    from accelerated import kernel as taken

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", numba.NumbaPendingDeprecationWarning)
        import numba.pycc
        import numba.pycc.compiler

    numba.pycc.compiler.Flags = flags
    compiler = numba.pycc.CC(destination.name.split(".")[0], source_module=sys.modules[__name__])
    compiler.target_cpu = "generic"

    def kernel(signature: str) -> Callable[[Any], Any]:
        return lambda function: compiler.export(function.__name__, signature)(function)

    taken.kernel, taken.part_of_kernels = kernel, numba.njit(error_model="numpy")
    importlib.import_module(f"accelerated.kernels.{source.stem}")
    destination.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=destination.parent) as folder:
        compiler.output_dir = folder
        compiler.compile()
        os.replace(Path(folder, compiler.output_file), destination)  # noqa: PTH105 (atomic, whoever else compiles)


def main() -> None:
    """Compile each file in a process of its own, two at a time."""
    from accelerated.kernel import SOURCES, library

    missing = [path for path in sorted(SOURCES.glob("[!_]*.py")) if not library(path).is_file()]
    with ProcessPoolExecutor(2) as processes:
        for made in [processes.submit(compile_kernels, path, library(path)) for path in missing]:
            made.result()


if __name__ == "__main__":
    sys.path.insert(0, str(INSIDE))
    main()
