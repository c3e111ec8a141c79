"""Values that the store of measurements can hold, in the types that `HDF5Dict` would give them.

Whatever HDF5 might round, cut off or encode in its own way is not held: these functions then say None or False.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import h5py
import numpy as np
from cellprofiler_core.utilities.hdf5_dict import infer_hdf5_type

from .kernel import Array

TEXT = h5py.string_dtype()
EMPTY: Array = np.array([])


def rows_of(numbers: Any, values: Any) -> tuple[list[int], list[Any]] | None:
    """Image numbers and a sequence of values for each, or None for what is left to `HDF5Dict`."""
    if isinstance(numbers, (int, np.integer)):
        row = [] if values is None else [values] if np.isscalar(values) else values
        return ([int(numbers)], [row]) if numbers >= 0 and _is_row(row) else None
    numbers = np.atleast_1d(numbers)
    if len(numbers) != len(values) or (len(numbers) and (numbers.dtype.kind not in "iu" or numbers.min() < 0)):
        return None
    if len(values) and (values[0] is None or np.isscalar(values[0])):
        values = [[] if value is None else [value] if np.isscalar(value) else value for value in values]
    return (numbers.tolist(), list(values)) if all(map(_is_row, values)) else None


def _is_row(row: Any) -> bool:
    return isinstance(row, (list, tuple)) or (type(row) is np.ndarray and row.ndim == 1)


def common_type(rows: list[Any]) -> Any:
    """The type of the HDF5 dataset for all, by `HDF5Dict`'s rule: the first type but whole, then floating numbers.

    None where there is nothing.
    """
    if len(rows) == 1 and type(rows[0]) is np.ndarray and rows[0].dtype.kind in "iuf" and len(rows[0]):
        return rows[0].dtype  # what nearly all measurements of objects are
    dtype: Any = None
    for row in rows:
        if len(row):
            found = infer_hdf5_type(row)
            if dtype is None or dtype == int or (dtype == float and found != int):  # noqa: E721 (np.dtype("int64") is equal to int)
                dtype = found
    if dtype is None:
        return None
    return TEXT if h5py.check_string_dtype(dtype) else np.dtype(dtype)


def given_type(data_type: Any) -> Any:
    """A type that somebody asks for, as a NumPy type if it is one of numbers."""
    return np.dtype(data_type) if isinstance(data_type, type) and np.issubdtype(data_type, np.number) else data_type


def held_bytes(array: Array) -> int:
    """What is mapped is read-only."""
    return array.nbytes if array.flags.writeable else 0


def is_held(dtype: Any) -> bool:
    """Whether values of a type can be held: text, and numbers that HDF5 stores as they are."""
    if dtype is TEXT:
        return True
    return isinstance(dtype, np.dtype) and dtype.isnative and dtype.kind in "iuf" and dtype.itemsize <= 8


def is_wider(dtype: Any, than: Any) -> bool:
    """Whether `HDF5Dict` makes a new dataset for values of this type."""
    if dtype is TEXT:
        return than is not TEXT
    return than is not TEXT and bool(dtype.kind == "f" and than.kind in "iu")


def split_rows(rows: list[Any], dtype: Any, *, is_exact: bool) -> list[Array] | None:
    """A new array of a type for each row. If `is_exact`, None where HDF5 might round in its own way."""
    if dtype is TEXT:
        return all_or_none(as_utf8(map(str, row)) for row in rows)
    if not rows:
        return None
    if len(rows) == 1 and type(rows[0]) is np.ndarray and rows[0].dtype == dtype:
        return [rows[0].copy()]
    whole = np.hstack([np.atleast_1d(row) for row in rows])
    if whole.ndim != 1 or whole.dtype.kind not in "iuf":
        return None
    converted = converted_exactly(whole, dtype) if is_exact else whole.astype(dtype)
    if converted is None or len(rows) == 1:
        return None if converted is None else [converted]
    return [part.copy() for part in np.split(converted, np.cumsum([len(row) for row in rows])[:-1])]


def converted_exactly(values: Array, dtype: Any) -> Array | None:
    """The values in a type, None if they cannot be had back from it."""
    converted = values.astype(dtype)
    if values.dtype == dtype:
        return converted
    is_same = np.array_equal(converted.astype(values.dtype), values, equal_nan=values.dtype.kind == "f")
    return converted if is_same else None


def as_utf8(texts: Iterable[str]) -> Array | None:
    """ASCII only, since `HDF5Dict` gives back bytes for all else."""
    listed = list(texts)
    if not all(text.isascii() and "\0" not in text for text in listed):
        return None
    array = np.empty(len(listed), object)
    array[:] = [text.encode() for text in listed]
    return array


def all_or_none(arrays: Iterable[Array | None]) -> list[Array] | None:
    """All arrays, None if one of them is."""
    listed = []
    for array in arrays:
        if array is None:
            return None
        listed.append(array)
    return listed


def is_hdf5_name(name: str) -> bool:
    """Whether HDF5 takes it for the name of one group."""
    return type(name) is str and name.isascii() and name not in ("", ".") and not {"/", "\0"} & set(name)
