"""Kernels as a job finds them: compiled ahead of time (`compile.py`), for any processor of this kind of machine.

Numba is needed to compile them, not to call them: importing it would cost each process a second and 100 MiB. A
compiled function takes the arrays that it is given for what it was compiled for, so types are checked here.
"""

from __future__ import annotations

import functools
import hashlib
import importlib.machinery
import importlib.util
import inspect
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

SOURCES = Path(__file__).parent / "kernels"
# Belongs to the interpreter, as compiled kernels do. In an image it is read-only.
FOLDER = Path(sys.prefix) / "share" / "cell-painting-kernels"
ARRAY = re.compile(r"(\w+)\[([:1, ]+)\]")

Function = TypeVar("Function", bound=Callable[..., Any])
Array = np.ndarray[Any, Any]


class KernelsNotCompiled(Exception):
    """There is no compiled library of the kernels as their source is now."""


def library(source: Path) -> Path:
    """The compiled library of a file of kernels, named for the state of all that it is made from.

    Kernels may be made of parts (`part_of_kernels`) of files whose names begin with an underscore, and of no others.
    """
    text = hashlib.sha256()
    for path in (source, Path(__file__).with_name("compile.py"), *sorted(SOURCES.glob("_*.py"))):
        text.update(path.read_bytes())
    suffix = importlib.machinery.EXTENSION_SUFFIXES[0]
    return FOLDER / f"{source.stem}_{text.hexdigest()[:16]}{suffix}"


def kernel(signature: str) -> Callable[[Function], Function]:
    """Put the compiled function in place of a function of a file of kernels.

    `signature` is Numba's: `result(argument, ...)`. A call with arrays of other types or layouts raises `TypeError`.

    Raises
    ------
    KernelsNotCompiled
        If that has not been done.
    """
    arrays = array_types(signature)

    def taken(function: Function) -> Function:
        compiled = getattr(_load(library(Path(inspect.getfile(function)))), function.__name__)

        @functools.wraps(function)
        def call(*arguments: Any) -> Any:
            for argument, needed in zip(arguments, arrays):
                if needed is not None:
                    needed.require(argument)
            return compiled(*arguments)

        return call  # type: ignore[return-value]

    return taken


def part_of_kernels(function: Function) -> Function:
    """Leave a function as it is that is compiled as a part of kernels, and called by nobody else."""
    return function


class ArrayType:
    """A type, a number of dimensions, and whether the last one has to be contiguous (and so all others)."""

    def __init__(self, dtype: str, dimensions: int, *, is_contiguous: bool) -> None:
        self._dtype, self._dimensions, self._is_contiguous = np.dtype(dtype), dimensions, is_contiguous

    def require(self, array: Any) -> None:
        """Raise TypeError for anything else."""
        if (
            not isinstance(array, np.ndarray)
            or array.dtype != self._dtype
            or array.ndim != self._dimensions
            or (self._is_contiguous and not array.flags.c_contiguous)
        ):
            found = f"{array.dtype} {array.shape} {array.strides}" if isinstance(array, np.ndarray) else type(array)
            raise TypeError(f"a kernel needs {self._dtype} in {self._dimensions} dimensions, and got {found}")


def array_types(signature: str) -> list[ArrayType | None]:
    """What each argument of a kernel has to be, None for those that are no arrays."""
    arguments = signature[signature.rindex("(") + 1 : signature.rindex(")")]
    types: list[ArrayType | None] = []
    for argument in re.split(r", (?![:1])", arguments):
        found = ARRAY.fullmatch(argument)
        types.append(
            ArrayType(
                {"boolean": "bool"}.get(found[1], found[1]),
                found[2].count(":") - found[2].count("::"),
                is_contiguous="1" in found[2],
            )
            if found
            else None
        )
    return types


@functools.cache
def _load(path: Path) -> Any:
    if not path.is_file():
        raise KernelsNotCompiled(f"{path} is missing; run 'make setup'")
    name = path.name.split(".")[0]
    loader = importlib.machinery.ExtensionFileLoader(name, str(path))
    spec = importlib.util.spec_from_file_location(name, path, loader=loader)
    if spec is None:
        raise KernelsNotCompiled(f"{path} cannot be loaded")
    module = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    return module
