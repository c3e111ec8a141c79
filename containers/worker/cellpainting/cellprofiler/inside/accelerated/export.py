"""ExportToSpreadsheet: tables of objects are written column by column.

For each value CellProfiler takes an element of an array, which makes an object of NumPy's. What is written is its
text; that of Python's own numbers is the same, but for those of less than 64 bits.
"""

from __future__ import annotations

import csv
from typing import Any

import numpy as np
from cellprofiler.modules.exporttospreadsheet import NANS_AS_NULLS, ExportToSpreadsheet
from cellprofiler_core.constants.measurement import IMAGE, IMAGE_NUMBER, OBJECT_NUMBER

from .replacing import replace_method


def install() -> None:
    """Replace the method that writes a table of objects."""
    replace_method(ExportToSpreadsheet, "make_object_file", make_object_file)


def make_object_file(
    self: Any, object_names: list[str], image_set_numbers: Any, workspace: Any, settings_group: Any = None
) -> None:
    """Write a row for each object of each image set; objects of several names beside each other."""
    measurements = workspace.measurements
    path = self.make_objects_file_name(object_names[0], workspace, image_set_numbers[0], settings_group)
    features = table_columns(self, object_names, workspace.pipeline)
    with open(path, "w", newline="") as file:  # noqa: PTH123 (a text of the pipeline's)
        writer = csv.writer(file, delimiter=self.delimiter_char)
        for level in (0, 1) if len(object_names) > 1 else (1,):
            writer.writerow([feature[level] for feature in features])
        for number in image_set_numbers:
            count = object_count(measurements, object_names, number)
            columns = [column(measurements, feature, number, count) for feature in features]
            lists = [cells(values, count) for values in columns]
            if self.nan_representation == NANS_AS_NULLS:
                lists = [list(map(without_nan, values)) for values in lists]
            writer.writerows(zip(*lists))


def table_columns(module: Any, object_names: list[str], pipeline: Any) -> list[tuple[str, str]]:
    """The object and the feature of each column."""
    measured = [found[:2] for found in pipeline.get_measurement_columns()]
    of_images = [name for owner, name in measured if owner == IMAGE]
    columns = [(IMAGE, IMAGE_NUMBER), (object_names[0], OBJECT_NUMBER)]
    if module.add_metadata.value:
        columns += sorted((IMAGE, name) for name in of_images if name.startswith("Metadata_"))
    if module.add_filepath.value:
        columns += sorted((IMAGE, name) for name in of_images if name.startswith(("PathName_", "FileName_")))
    for object_name in object_names:
        names = [name for owner, name in measured if owner == object_name]
        columns += sorted((object_name, name) for name in module.filter_columns(names, object_name))
    return columns


def object_count(measurements: Any, object_names: list[str], number: int) -> int:
    """The largest number of objects of an image set, by name."""
    counts = [measurements.get_measurement(IMAGE, f"Count_{name}", number) for name in object_names]
    try:
        count = np.max(counts)
    except TypeError:  # an image set without a count
        return 0
    return int(count) if count and not np.isnan(count) else 0


def column(measurements: Any, feature: tuple[str, str], number: int, count: int) -> Any:
    """The values of a feature in one image set, not always as many as there are objects; None where it has none."""
    object_name, name = feature
    if name == IMAGE_NUMBER:
        return np.repeat(number, count)
    if name == OBJECT_NUMBER:
        return np.arange(1, count + 1)
    if not measurements.has_feature(object_name, name):
        return None
    values = measurements.get_measurement(object_name, name, number)
    return np.repeat(values, count) if object_name == IMAGE else values


def cells(values: Any, count: int) -> list[Any]:
    """As many values as there are objects, NaN where there are too few."""
    if values is None:
        return [np.nan] * count
    values = values[:count]
    is_short = values.dtype.kind == "f" and values.dtype.itemsize < 8  # its text is of fewer digits
    made: list[Any] = list(values) if is_short else values.tolist()
    return made + [np.nan] * (count - len(made))


def without_nan(value: Any) -> Any:
    """Nothing for what is no number."""
    return "" if value is None or (np.isreal(value) and not np.isfinite(value)) else value
