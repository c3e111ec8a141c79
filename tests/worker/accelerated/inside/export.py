"""Writes tables of objects with CellProfiler's ExportToSpreadsheet and with ours, and writes as JSON which differ.

Under CellProfiler's Python: `python export.py`. The result is an object by settings; each holds the number of rows, and
whether the bytes of both files, or both errors, are the same.
"""

from __future__ import annotations

import json
import sys
import tempfile
import warnings
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from cellpainting.cellprofiler.inside.accelerated import export
else:  # a script of a Python that does not have this package
    sys.path.insert(0, str(Path(__file__).parents[4] / "containers/worker/cellpainting/cellprofiler/inside"))
    from accelerated import export

COUNTS = {1: (7, 7), 2: (0, 0), 3: (5, 3), 4: (4, None)}
SETTINGS: dict[str, dict[str, Any]] = {
    "one kind of objects": {},
    "two kinds beside each other": {"names": ["Cells", "Nuclei"]},
    "objects that were not measured": {"names": ["Cytoplasm"]},
    "an image set without a count": {"names": ["Nuclei"], "numbers": [4]},
    "with metadata": {"add_metadata": True},
    "with paths": {"add_filepath": True},
    "with both, by tabs": {"add_metadata": True, "add_filepath": True, "delimiter": "Tab"},
    "nothing in the place of NaN": {"nan_representation": "Null"},
    "text in the place of NaN": {"nan_representation": "Null", "add_metadata": True},
    "some columns": {"pick_columns": True},
    "one image set": {"numbers": [3]},
}


def measured() -> tuple[Any, list[tuple[str, str, str]]]:
    """Measurements of four image sets, and the columns that a pipeline would name."""
    from cellprofiler_core.measurement import Measurements

    rng, measurements = np.random.default_rng(0), Measurements()
    for number, (cells, nuclei) in COUNTS.items():
        for name, value in (("Metadata_Well", "A,1"), ("Metadata_Site", number), ("PathName_DNA", "/a b/\u00e9")):
            measurements.add_measurement("Image", name, value, number)
        measurements.add_measurement("Image", "Metadata_Dose", None if number == 1 else 0.1, number)
        measurements.add_measurement("Image", "Count_Cells", cells, number)
        measurements.add_measurement("Image", "Count_Nuclei", nuclei, number)
        for name, count in (("Cells", cells), ("Nuclei", nuclei or 0)):
            bits = rng.integers(0, 2**64, count, dtype=np.uint64)
            for feature, values in {
                "Bits": bits.view(np.float64),
                "Short": rng.normal(size=count).astype(np.float32),
                "Whole": rng.integers(-9, 9, count),
                "Few": rng.normal(size=count)[: count // 2],
                "Gaps": np.where(rng.uniform(size=count) < 0.5, np.nan, np.inf),
                "Text": np.array([f'"{one}"' for one in range(count)]),
            }.items():
                measurements.add_measurement(name, feature, values, number)
    columns = [
        (name, feature, "float")
        for name in measurements.get_object_names()
        for feature in measurements.get_feature_names(name)
    ]
    return measurements, [*columns, ("Cells", "Missing", "float"), ("Cytoplasm", "Missing", "float")]


def written(module: Any, workspace: Any, settings: dict[str, Any], path: Path) -> bytes | str:
    """The file that one table becomes, or the kind of error."""
    module.make_objects_file_name = lambda *_: str(path)
    names, numbers = settings.get("names", ["Cells"]), settings.get("numbers", [1, 2, 3])
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            module.make_object_file(names, numbers, workspace)
    except Exception as error:
        return type(error).__name__
    return path.read_bytes()


def main() -> None:
    """Compare all."""
    from cellprofiler.modules.exporttospreadsheet import NANS_AS_NULLS, ExportToSpreadsheet
    from cellprofiler_core import preferences

    preferences.set_headless()
    measurements, columns = measured()
    pipeline = SimpleNamespace(get_measurement_columns=lambda: columns)
    workspace, both = SimpleNamespace(measurements=measurements, pipeline=pipeline), {}
    stock: dict[str, bytes | str] = {}
    with tempfile.TemporaryDirectory() as folder:
        for is_ours in (False, True):
            if is_ours:
                export.install()
            for name, settings in SETTINGS.items():
                module = ExportToSpreadsheet()
                for setting in ("add_metadata", "add_filepath", "pick_columns"):
                    getattr(module, setting).value = settings.get(setting, False)
                if "nan_representation" in settings:
                    module.nan_representation.value = NANS_AS_NULLS
                if "delimiter" in settings:
                    module.delimiter.value = settings["delimiter"]
                module.columns.value = "Cells|Whole,Cells|Bits"
                made = written(module, workspace, settings, Path(folder, "table"))
                if is_ours:
                    is_same = stock[name] == made
                    both[name] = {"same": is_same, "size": len(made), "error": isinstance(made, str)}
                stock.setdefault(name, made)
    json.dump(both, sys.stdout)


if __name__ == "__main__":
    main()
