"""CellProfiler made ready in this process, as its own command line does it for `-c -r`."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cellpainting.cellprofiler.inside.events import Events, LoggedErrors
    from cellpainting.cellprofiler.inside.jvm import start_when_needed
else:  # a script of a Python that does not have this package
    from events import Events, LoggedErrors
    from jvm import start_when_needed

MYSQL = "MySQL could not be loaded"  # said by each start-up, with a traceback; nothing here needs it


def start(pipeline: str, plugins: str, events: Events) -> Any:
    """Import CellProfiler, prepare Java, and return the options of a headless run that goes on after an error."""
    console = logging.StreamHandler()
    console.addFilter(lambda record: not record.getMessage().startswith(MYSQL))
    logging.root.addHandler(console)
    from cellprofiler import __main__ as command
    from cellprofiler_core import preferences
    from cellprofiler_core.pipeline import Pipeline
    from cellprofiler_core.utilities.java import start_java

    preferences.set_awt_headless(True)
    preferences.set_headless()
    options, _ = command.parse_args(["-c", "-r", "--always-continue", "-p", pipeline])
    options.run_pipeline = True
    command.set_log_level(options)
    preferences.set_always_continue(True, globally=False)
    if plugins:
        preferences.set_plugin_directory(plugins, globally=False)
    start_when_needed(start_java)
    logging.root.addHandler(LoggedErrors(events))
    take_all_modules(Pipeline)
    options.pipeline_filename = pipeline_file(pipeline, Path.cwd())
    return options


def take_all_modules(pipeline_class: Any) -> None:
    """Refuse a pipeline with a module that cannot be loaded, instead of leaving out that one and all that follow.

    CreateBatchFiles is switched off: left on, CellProfiler would write a batch file and measure nothing.
    """
    setup_modules = pipeline_class.setup_modules

    def setup_or_raise(self: Any, fd: Any, module_count: int, raise_on_error: bool) -> Any:
        modules = setup_modules(self, fd, module_count, True)
        for module in modules:
            if module.is_create_batch_module():
                module.turn_off_batch_mode()
                module.enabled = False
        return modules

    pipeline_class.setup_modules = setup_or_raise


def pipeline_file(path: str, folder: Path) -> str:
    """The pipeline as a file of text, which a Batch_data.h5 holds among its measurements."""
    import h5py

    if not h5py.is_hdf5(path):
        return path
    from cellprofiler_core.constants.pipeline import M_PIPELINE
    from cellprofiler_core.utilities.measurement import load_measurements

    batch = load_measurements(path)
    written = folder / "pipeline.cppipe"
    written.write_text(batch.get_experiment_measurement(M_PIPELINE), encoding="utf-8")
    batch.close()
    return str(written)
