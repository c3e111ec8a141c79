"""CellProfiler's own list of image sets, of files that are not on this machine: by their names, or of a batch file.

Usage: `python list_image_sets.py EVENTS PIPELINE PLUGINS`, as for the driver. The one line of standard input is an
object with `files`, the paths where the images would lie; without any, PIPELINE is a Batch_data.h5, which has its list.
"""

from __future__ import annotations

import os
import sys
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cellpainting.cellprofiler.inside.events import Events, describe, messages
    from cellpainting.cellprofiler.inside.observer import IMAGE, LOCATIONS, text
    from cellpainting.cellprofiler.inside.start import start
else:  # a script of a Python that does not have this package
    from events import Events, describe, messages
    from observer import IMAGE, LOCATIONS, text
    from start import start


def list_files(pipeline_path: str, files: list[str]) -> Any:
    """The measurements of a run that has been prepared by the input modules, and goes no further."""
    from cellprofiler_core.image import ImageSetList
    from cellprofiler_core.measurement import Measurements
    from cellprofiler_core.pipeline import Pipeline
    from cellprofiler_core.workspace import Workspace

    pipeline, measurements = Pipeline(), Measurements()
    pipeline.load(pipeline_path)
    require_names_only(pipeline)
    pipeline.report_prepare_run_error = refuse
    pipeline.add_pathnames_to_file_list(files)
    workspace = Workspace(pipeline, None, None, None, measurements, ImageSetList())
    first = next((module for module in pipeline.modules() if not module.is_input_module()), None)
    if not pipeline.prepare_run(workspace, end_module=first):
        raise ValueError("an input module of the pipeline failed; see the log")
    return measurements


def require_names_only(pipeline: Any) -> None:
    """Refuse input modules that would have to open the images."""
    from cellprofiler_core.constants.modules.metadata import X_AUTOMATIC_EXTRACTION

    for module in pipeline.modules():
        methods = module.extraction_methods if module.module_name == "Metadata" and module.wants_metadata else ()
        if any(group.extraction_method.value == X_AUTOMATIC_EXTRACTION for group in methods):
            raise ValueError(f"Metadata has {X_AUTOMATIC_EXTRACTION!r}, for which all images would have to be read")


def refuse(module: Any, message: str) -> None:
    """Raise what CellProfiler tells its windows only."""
    raise ValueError(" ".join(message.split()))


def report(measurements: Any, events: Events, pipeline_path: str) -> None:
    """Send the columns, the rows and the text of the pipeline."""
    features = [name for name in measurements.get_feature_names(IMAGE) if name.startswith(("Metadata_", *LOCATIONS))]
    rows = [
        [measurements.get_measurement(IMAGE, name, number) for name in features]
        for number in measurements.get_image_numbers()
    ]
    events.write(
        "image_sets",
        columns=features,
        types=[type_of([row[at] for row in rows]) for at in range(len(features))],
        rows=[[text(value) for value in row] for row in rows],
        pipeline=Path(pipeline_path).read_bytes().decode("utf-8", "surrogateescape"),
    )


def type_of(values: list[Any]) -> str:
    """What CellProfiler took a column for."""
    kinds = {type(value).__name__.rstrip("0123456789_") for value in values}
    if kinds <= {"int"}:
        return "integer"
    return "float" if kinds <= {"int", "float"} else "text"


def main() -> int:
    """List the image sets of one message."""
    descriptor, pipeline, plugins = sys.argv[1:]
    files = messages().get()["files"]
    events = Events(int(descriptor))
    try:
        options = start(pipeline, plugins, events)
        from cellprofiler_core.utilities.measurement import load_measurements

        path = options.pipeline_filename
        report(list_files(path, files) if files else load_measurements(pipeline), events, path)
    except Exception as error:
        traceback.print_exc()
        events.write("refused", reason=describe(error))
        return 1
    return 0


if __name__ == "__main__":
    status = main()
    sys.stdout.flush()
    os._exit(status)  # not sys.exit, which would wait for Java and for the thread that reads standard input
