"""Measurements: a temporary file of measurements is held in memory, and written when somebody asks for the file.

CellProfiler's store, `HDF5Dict`, makes two compressed HDF5 datasets for each of thousands of features, opens them
anew for each value, and reads them back for the export. A store of the same interface holds the values here. It takes
numbers and ASCII text as they are measured; for all else, and for whoever reaches into the file, it writes what it
holds and is an ordinary `HDF5Dict` from then on. Relationships and lists of files are in the file at all times.
"""

from __future__ import annotations

import logging
import mmap
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from cellprofiler_core.constants.measurement import RELATIONSHIP
from cellprofiler_core.measurement import Measurements, _measurements
from cellprofiler_core.utilities.hdf5_dict import HDF5Dict

from .held_values import (
    EMPTY,
    TEXT,
    all_or_none,
    as_utf8,
    common_type,
    converted_exactly,
    given_type,
    held_bytes,
    is_hdf5_name,
    is_held,
    is_wider,
    rows_of,
    split_rows,
)
from .kernel import Array
from .replacing import replace_method

logger = logging.getLogger(__name__)
HELD_MIB = 256  # about 15 image sets of 500 objects and 4,000 features; then their numbers go to a file without a name
ALIGNMENT = 8  # bytes of the largest numbers


def install() -> None:
    """Let CellProfiler make this store for what has no file of its own."""
    _measurements.HDF5Dict = store
    replace_method(Measurements, "get_relationship_hdf5_group", relationship_group)


def store(filename: str | None, *, is_temporary: bool = False, copy: Any = None, mode: str = "w", **named: Any) -> Any:
    """The store that `Measurements` makes for itself."""
    is_new = is_temporary and copy is None and mode == "w"
    made = MeasurementsInMemory if is_new else HDF5Dict
    return made(filename, is_temporary=is_temporary, copy=copy, mode=mode, **named)


def relationship_group(self: Any, module_number: int, relationship: str, first: str, second: str) -> Any:
    """The group of the file that holds a relationship between objects, without writing the rest to the file."""
    if not isinstance(self.hdf5_dict, MeasurementsInMemory):
        return NotImplemented
    group = self.hdf5_dict.file_group
    for name in (RELATIONSHIP, str(module_number), relationship, first, second):
        group = group.require_group(name)
    return group


@dataclass
class Feature:
    """One feature of one kind of objects.

    Attributes
    ----------
    dtype : data type
        What HDF5 would hold.
    is_blank : bool
        Whether no value was ever stored, for which `HDF5Dict` gives another answer than for one that is gone.
    values : dict of (n,) arrays by image number
        In the order in which image numbers came; text as UTF-8 in arrays of objects, as h5py gives it back.
    was_deleted_from : bool
        Whether there is a gap in the index.
    """

    dtype: Any
    is_blank: bool
    values: dict[int, Array] = field(default_factory=dict)
    was_deleted_from: bool = False

    def converted(self, dtype: Any) -> list[Array] | None:
        """All values in another type, None where HDF5 might round in its own way."""
        if dtype is TEXT:
            return all_or_none(as_utf8(map(str, values)) for values in self.values.values())
        return all_or_none(converted_exactly(values, dtype) for values in self.values.values())


class MeasurementsInMemory(HDF5Dict):  # type: ignore[misc]
    """An `HDF5Dict` that has not been written yet."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        self._features: dict[str, dict[str, Feature]] = {}
        self.held_bytes = 0
        super().__init__(*arguments, **named)

    def write(self) -> None:
        """Write all features to the file, and be an ordinary `HDF5Dict` from now on."""
        logger.debug("Measurements are written to %s", self.filename)
        features = self._features
        del self._features
        self.__class__ = HDF5Dict
        for object_name, named in features.items():
            self.add_object(object_name)
            for name, feature in named.items():
                _write(self, object_name, name, feature)

    @property
    def file_group(self) -> Any:
        """The group of the file that all measurements are to be in."""
        return self.__dict__["top_group"]

    @property
    def top_group(self) -> Any:
        """The same for those who expect measurements in it."""
        if self._features:
            self.write()
        return self.__dict__["top_group"]

    @top_group.setter
    def top_group(self, group: Any) -> None:
        self.__dict__["top_group"] = group

    @top_group.deleter
    def top_group(self) -> None:
        del self.__dict__["top_group"]

    def __getitem__(self, key: Any) -> Any:
        object_name, name, number = key
        if np.isscalar(number):
            return self[object_name, name, [number]][0]
        self._require(object_name, name)
        with self.lock:
            feature = self._features[object_name][name]
            if feature.is_blank:
                return [np.array([]) for _ in number]
            found = [feature.values.get(one, EMPTY) for one in number]
            return [(v.astype(str) if feature.dtype is TEXT else v.copy()) if len(v) else None for v in found]

    def __setitem__(self, key: Any, values: Any) -> None:
        with self.lock:
            if not self._set(key, values):
                self.write()
                self[key] = values
            elif self.held_bytes > HELD_MIB * 1024**2:
                self._unload()

    def _set(self, key: Any, values: Any) -> bool:
        """Whether the values could be set."""
        object_name, name, numbers, *data_type = key
        rows = rows_of(numbers, values)
        if any(data_type_given is not None for data_type_given in data_type) or rows is None:
            return False
        numbers, values = rows
        dtype = common_type(values)
        feature = self._features.get(object_name, {}).get(name)
        if feature is None:
            return self._add(object_name, name, numbers, values, dtype)
        if dtype is None:
            self._put(feature, numbers, [EMPTY] * len(numbers))
            return True
        if not is_held(dtype):
            return False
        if feature.is_blank or is_wider(dtype, feature.dtype):
            converted = feature.converted(dtype)
            if converted is None:
                return False
            self._put(feature, list(feature.values), converted)
            feature.dtype = dtype
        arrays = split_rows(values, feature.dtype, is_exact=False)
        if arrays is None:
            return False
        feature.is_blank = False
        self._put(feature, numbers, arrays)
        return True

    def _add(self, object_name: str, name: str, numbers: list[int], values: list[Any], dtype: Any) -> bool:
        """Whether a feature could be made, in the place of one that there may be."""
        if not (is_hdf5_name(object_name) and is_hdf5_name(name)) or object_name == RELATIONSHIP:
            return False
        if dtype is None:
            feature, arrays = Feature(np.dtype(int), is_blank=True), [EMPTY] * len(numbers)
        else:
            split = split_rows(values, dtype, is_exact=True) if is_held(dtype) else None
            if split is None:
                return False
            arrays = split
            feature = Feature(dtype, is_blank=not any(map(len, arrays)))
        features = self._features.setdefault(object_name, {})
        self._forget(features.pop(name, None))
        features[name] = feature
        self._put(feature, numbers, arrays)
        return True

    def _put(self, feature: Feature, numbers: list[int], arrays: list[Array]) -> None:
        for number, array in zip(numbers, arrays):
            before = feature.values.get(number, EMPTY)
            self.held_bytes += held_bytes(array) - held_bytes(before)
            feature.values[number] = array

    def _forget(self, feature: Feature | None) -> None:
        if feature is not None:
            self.held_bytes -= sum(map(held_bytes, feature.values.values()))

    def _unload(self) -> None:
        """Move numbers to a file that is mapped into memory, and so takes none until they are asked for."""
        self.held_bytes = 0
        moved = [
            (feature.values, number)
            for features in self._features.values()
            for feature in features.values()
            if feature.dtype is not TEXT
            for number, array in feature.values.items()
            if held_bytes(array)
        ]
        with tempfile.TemporaryFile(dir=Path(self.filename).parent, buffering=1024**2) as file:
            offsets = []
            for values, number in moved:
                offsets.append(file.tell())
                file.write(values[number].data)
                file.write(bytes(-file.tell() % ALIGNMENT))
            file.flush()
            mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) if moved else b""
        for (values, number), offset in zip(moved, offsets):
            array = values[number]
            values[number] = np.frombuffer(mapped, array.dtype, len(array), offset)

    def __delitem__(self, key: Any) -> None:
        object_name, name = key[:2]
        if len(key) == 2:
            self._forget(self._features.get(object_name, {}).pop(name, None))
            return
        self._require(object_name, name)
        feature = self._features[object_name][name]
        removed = feature.values.pop(key[2], None)
        if removed is not None:
            self.held_bytes -= held_bytes(removed)
            feature.was_deleted_from = True

    def _require(self, object_name: str, name: str) -> None:
        if not self.has_feature(object_name, name):
            raise AssertionError(f"Feature {name} for {object_name} does not exist")

    def has_data(self, object_name: str, name: str, number: int) -> bool:
        """Whether an image number has an entry, be it empty."""
        return number in self.get_indices(object_name, name)

    def has_object(self, object_name: str) -> bool:
        """Whether there are such objects, or relationships."""
        return object_name in self._features or object_name in self.file_group

    def has_feature(self, object_name: str, name: str) -> bool:
        """Whether there is a feature, be it empty."""
        if object_name in self._features:
            return name in self._features[object_name]
        return object_name in self.file_group and name in self.file_group[object_name]

    def get_feature_dtype(self, object_name: str, name: str) -> Any:
        """The type that HDF5 would hold."""
        return self._features[object_name][name].dtype

    def get_indices(self, object_name: str, name: str) -> Any:
        """A dictionary by image number."""
        feature = self._features.get(object_name, {}).get(name)
        return {} if feature is None else feature.values

    def top_level_names(self) -> list[str]:
        """Names of objects, in HDF5's order."""
        return sorted({*self._features, *self.file_group})

    def second_level_names(self, object_name: str) -> list[str]:
        """Names of features, in HDF5's order."""
        return sorted(self._features[object_name] if object_name in self._features else self.file_group[object_name])

    def add_all(
        self, object_name: str, feature_name: str, values: Any, idxs: Any = None, data_type: Any = None
    ) -> None:
        """Set a feature for all image sets."""
        with self.lock:
            rows = rows_of(range(1, len(values) + 1) if idxs is None else idxs, values)
            if rows is not None:
                dtype = common_type(rows[1]) if data_type is None else given_type(data_type)
                if self._add(object_name, feature_name, *rows, dtype):
                    return
            self.write()
            self.add_all(object_name, feature_name, values, idxs, data_type)

    def reorder(self, object_name: str, feature_name: str, image_numbers: Array) -> None:
        """Give each image number the new one that stands in its place in an array."""
        feature = self._features.get(object_name, {}).get(feature_name)
        if feature is None or feature.was_deleted_from:
            self.write()
            self.reorder(object_name, feature_name, image_numbers)
            return
        renumbered = [(int(image_numbers[number]), values) for number, values in feature.values.items()]
        feature.values = dict(sorted(renumbered, key=lambda row: row[0]))


def _written_first(name: str) -> Callable[..., Any]:
    """A method for which everything has to be in the file."""

    def method(self: Any, *arguments: Any) -> Any:
        self.write()
        return getattr(self, name)(*arguments)

    return method


for _name in ("file_contents", "get_dataset", "add_object", "add_feature", "clear", "erase"):
    setattr(MeasurementsInMemory, _name, _written_first(_name))


def _write(file: Any, object_name: str, name: str, feature: Feature) -> None:
    numbers, arrays = list(feature.values), list(feature.values.values())
    if any(map(len, arrays)):
        if feature.dtype is TEXT:
            arrays = [np.array([text.decode() for text in array], object) for array in arrays]
        file.add_all(object_name, name, arrays, numbers, feature.dtype)
        return
    # Number 0 stands in for the values, if any, that are gone.
    file.add_all(object_name, name, [np.zeros(0 if feature.is_blank else 1)], [0], feature.dtype)
    del file[object_name, name, 0]
    if numbers:
        file[object_name, name, numbers] = [[] for _ in numbers]
