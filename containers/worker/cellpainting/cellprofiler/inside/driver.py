"""One CellProfiler that stays alive and runs group after group of image sets, each into its own folder.

Runs under CellProfiler's Python (3.9), where the package `cellpainting` is not installed: standard library and
CellProfiler only. Usage: `python driver.py EVENTS PIPELINE PLUGINS MEASUREMENTS`: EVENTS is the file descriptor that
events go to, PLUGINS a folder or empty, MEASUREMENTS "accelerated" or "original". Each line of standard input is a
group, a JSON object:

    output, temporary, images   folders: for results, for what is gone after the group, the default input folder
    load_data, types            the CSV for a LoadData pipeline, and what each of its columns is taken for
    file_list                   a text file with a path per line, for any other pipeline
                                (both are null where all of `images` is meant)
    damaged, left_out           files and image numbers that are not to be run
"""

from __future__ import annotations

import dataclasses
import importlib.metadata
import os
import resource
import sys
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cellpainting.cellprofiler.inside.accelerated.parts import accelerate
    from cellpainting.cellprofiler.inside.events import Events, describe, messages
    from cellpainting.cellprofiler.inside.load_data import ColumnTypes, require_all_rows
    from cellpainting.cellprofiler.inside.observer import Observer, observe
    from cellpainting.cellprofiler.inside.start import start
else:  # a script of a Python that does not have this package
    from accelerated.parts import accelerate
    from events import Events, describe, messages
    from load_data import ColumnTypes, require_all_rows
    from observer import Observer, observe
    from start import start

STATUS = Path("/proc/self/status")
CLEAR_REFS = Path("/proc/self/clear_refs")
ACCELERATED = "accelerated"
RESET_PEAK = "5"  # proc(5): the peak resident set becomes the present one


class Driver:
    """CellProfiler with one pipeline, which every run loads anew from its text: modules keep state."""

    def __init__(self, events: Events, pipeline: str, plugins: str, measurements: str) -> None:
        self._options = start(pipeline, plugins, events)
        from cellprofiler_core.modules import loaddata
        from cellprofiler_core.pipeline import Pipeline

        self._events, self._observer, self._types = events, Observer(events), ColumnTypes()
        observe(Pipeline, self._observer)
        self._types.impose(loaddata)
        self._header_cache = loaddata.header_cache
        first = Pipeline()
        first.load(self._options.pipeline_filename)
        require_all_rows(first)
        names = {module.module_name for module in first.modules()}
        self._reads_load_data = "LoadData" in names
        self.acceleration = accelerate(names) if measurements == ACCELERATED else None

    def run(self, group: dict[str, Any]) -> None:
        """Run one group with CellProfiler's own `run_pipeline_headless` and report how it ended."""
        from cellprofiler.__main__ import run_pipeline_headless

        reset_peak_memory()
        self._prepare(group)
        try:
            run_pipeline_headless(self._options, [])
        except Exception as error:
            traceback.print_exc()
            self._events.write("logged_error", reason=describe(error))
        done = Path(self._options.done_file)
        status = done.read_text().strip() if done.exists() else "absent"
        self._events.write("ended", status=status, **memory())

    def _prepare(self, group: dict[str, Any]) -> None:
        """What the command line does with the options that differ from group to group."""
        from cellprofiler_core import preferences

        self._observer.begin(damaged=group["damaged"], left_out=group["left_out"])
        self._types.use(group["types"])
        self._header_cache.clear()  # LoadData's, by file
        preferences.set_temporary_directory(group["temporary"], globally=False)
        preferences.set_default_output_directory(group["output"])
        preferences.set_default_image_directory(group["images"])
        preferences.set_data_file(group["load_data"] if self._reads_load_data else None)
        preferences.set_image_set_file(None if self._reads_load_data else group["file_list"])
        self._options.image_directory = None if group["file_list"] else group["images"]
        self._options.done_file = str(Path(group["temporary"], "done"))


def reset_peak_memory() -> None:
    """Let the kernel forget the peak of the group before, where it can."""
    if CLEAR_REFS.exists():
        CLEAR_REFS.write_text(RESET_PEAK)


def memory() -> dict[str, float]:
    """What is resident and the largest that was, in MiB; only the latter, of the process's whole life, on macOS."""
    if STATUS.exists():
        fields = dict(line.split(":", 1) for line in STATUS.read_text().splitlines() if ":" in line)
        kib = {name: int(fields[name].split()[0]) for name in ("VmRSS", "VmHWM")}
        return {"resident_mib": kib["VmRSS"] / 1024, "peak_memory_mib": kib["VmHWM"] / 1024}
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1024 * 1024)
    return {"resident_mib": peak, "peak_memory_mib": peak}


def main() -> int:
    """Start CellProfiler, then run groups until killed."""
    descriptor, pipeline, plugins, measurements = sys.argv[1:]
    groups = messages()
    events = Events(int(descriptor))
    try:
        driver = Driver(events, pipeline, plugins, measurements)
    except Exception as error:
        traceback.print_exc()
        events.write("refused", reason=describe(error))
        return 1
    acceleration = dataclasses.asdict(driver.acceleration) if driver.acceleration else None
    events.write("ready", version=importlib.metadata.version("cellprofiler"), acceleration=acceleration)
    while True:
        driver.run(groups.get())


if __name__ == "__main__":
    status = main()
    sys.stdout.flush()
    os._exit(status)  # not sys.exit, which would wait for the lock of the thread that reads standard input
