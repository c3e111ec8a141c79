"""Runs in CellProfiler's Python: LoadData's `prepare_run` on one CSV, and the measurements that it leaves, as JSON."""

import json
import sys
from pathlib import Path

import cellprofiler_core.preferences

cellprofiler_core.preferences.set_headless()

from cellprofiler_core.measurement import Measurements  # noqa: E402
from cellprofiler_core.modules.loaddata import LoadData  # noqa: E402
from cellprofiler_core.object import ObjectSet  # noqa: E402
from cellprofiler_core.pipeline import Pipeline  # noqa: E402
from cellprofiler_core.workspace import Workspace  # noqa: E402


def main(path: Path) -> None:
    pipeline, module, measurements = Pipeline(), LoadData(), Measurements()
    module.set_module_num(1)
    pipeline.add_module(module)
    module.csv_directory.dir_choice = "Elsewhere..."
    module.csv_directory.custom_path = str(path.parent)
    module.csv_file_name.value = path.name
    module.wants_images.value = True
    module.image_directory.dir_choice = "None"
    module.prepare_run(Workspace(pipeline, module, measurements, ObjectSet(), measurements, None))
    numbers = measurements.get_image_numbers()
    columns = {
        name: (type, [str(value) for value in measurements.get_measurement("Image", name, numbers)])
        for _, name, type, *_ in module.get_measurement_columns(pipeline)
        if measurements.has_feature("Image", name)
    }
    print(json.dumps(columns))


main(Path(sys.argv[1]))
