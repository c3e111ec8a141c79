"""CellProfiler's own command line, observed from inside its process.

Runs under CellProfiler's Python (3.9), where the package `cellpainting` is not installed: standard library and
CellProfiler only. Usage: `python driver.py REPORT DAMAGED -- ARGUMENT...`, where the arguments are those of the
command `cellprofiler`, REPORT receives a JSON object per line, and DAMAGED lists files, a path per line, that
must not be measured.

What is measured and exported is CellProfiler's; added is what its exit status does not tell (docs/cellprofiler.md):
which image sets there are, which of them were measured, why one was not. A pipeline with a module that cannot be
loaded is refused, where CellProfiler would leave out that module and all that follow. An image set that was
skipped half-way is taken out of the measurements before they are exported.
"""

import importlib.metadata
import json
import logging
import os
import signal
import sys
import threading
import time
import traceback
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any, Dict, List, Set

IMAGE = "Image"
IMAGE_NUMBER = "ImageNumber"
DISPOSITION_SKIP = "Skip"


class DamagedImage(Exception):
    """An image of this set is damaged, so the set is not measured."""


class Report:
    """The report file: one JSON object per line, flushed, so that what was written survives a kill."""

    def __init__(self, path: str) -> None:
        self._file = open(path, "a", encoding="utf-8")  # noqa: SIM115 (open until the process ends)

    def write(self, event: str, **values: Any) -> None:
        """Append one event."""
        self._file.write(json.dumps({"event": event, **values}) + "\n")
        self._file.flush()


class LoggedErrors(logging.Handler):
    """Passes on what CellProfiler only logs: failures to prepare a run and to export."""

    def __init__(self, report: Report) -> None:
        super().__init__(level=logging.ERROR)
        self._report = report

    def emit(self, record: logging.LogRecord) -> None:
        """Report one error with its exception, if it has one."""
        reason = record.getMessage()
        if record.exc_info and record.exc_info[1] is not None:
            reason += f" ({describe(record.exc_info[1])})"
        self._report.write("logged_error", reason=reason)


class Observer:
    """Follows one run of a pipeline, image set by image set."""

    def __init__(self, report: Report, damaged: Set[str]) -> None:
        self._report = report
        self._damaged = damaged
        self._files: Dict[int, List[str]] = {}
        self._failed: Set[int] = set()
        self._started: Dict[int, float] = {}

    def prepared(self, pipeline: Any, measurements: Any) -> None:
        """Report every image set that the pipeline's own modules found, with files and metadata."""
        features = measurements.get_feature_names(IMAGE)
        numbers = [int(number) for number in measurements.get_image_numbers()]
        image_sets = []
        for number in numbers:
            metadata = {
                feature: text(measurements.get_measurement(IMAGE, feature, number))
                for feature in features
                if feature.startswith("Metadata_")
            }
            self._files[number] = image_files(measurements, features, number)
            image_sets.append({"number": number, "metadata": metadata, "files": self._files[number]})
        modules = [module.module_name for module in pipeline.modules()]
        self._report.write("image_sets", image_sets=image_sets, modules=modules)
        say(f"{len(numbers)} image sets to measure")

    def not_prepared(self, message: str) -> None:
        """Report why there is nothing to run, which CellProfiler tells its windows only."""
        self._report.write("logged_error", reason=" ".join(message.split()))

    def before(self, number: int) -> None:
        """Refuse an image set with a damaged file, at its first module."""
        if number in self._started:
            return
        self._started[number] = time.monotonic()
        for file in self._files.get(number, ()):
            if file in self._damaged:
                raise DamagedImage(file)

    def failed(self, number: int, module: Any, error: BaseException) -> None:
        """Report the reason why one image set could not be measured."""
        self._failed.add(number)
        self._report.write("failed", number=number, module=module.module_name, reason=describe(error))
        say(f"image set {number} failed in {module.module_name}: {describe(error)}")

    def after(self, number: int, module: Any, workspace: Any) -> None:
        """Report an image set whose last module has run, or which a module, such as FlagImage, said to skip."""
        is_skipped = workspace.disposition == DISPOSITION_SKIP
        if is_skipped:
            self._report.write("skipped", number=number, module=module.module_name)
        if is_skipped or module is workspace.pipeline.modules()[-1]:
            seconds = time.monotonic() - self._started[number]
            self._report.write("measured", number=number, seconds=seconds)
            done = len(self._started)
            say(f"image set {number} measured in {seconds:.1f} s ({done} of {len(self._files)})")

    def before_export(self, measurements: Any) -> None:
        """Take failed image sets out of what is exported: half a measurement is not one."""
        for number in sorted(self._failed):
            measurements.remove_measurement(IMAGE, IMAGE_NUMBER, number)


def say(line: str) -> None:
    """Print a line that stands out from CellProfiler's own, as the worker's lines do."""
    print("cpb: " + line, flush=True)


def describe(error: BaseException) -> str:
    """One line for an exception: its type and message."""
    return " ".join(f"{type(error).__name__}: {error}".split())


def text(value: Any) -> str:
    """A measurement as text; numpy's strings and byte strings included."""
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def image_files(measurements: Any, features: List[str], number: int) -> List[str]:
    """The local files of one image set, from the URL of each of its images."""
    urls = (text(measurements.get_measurement(IMAGE, name, number)) for name in features if name.startswith("URL_"))
    return sorted({urllib.request.url2pathname(urllib.parse.urlsplit(url).path) for url in urls})


def observe(pipeline_class: Any, observer: Observer) -> None:
    """Put the observer around the methods that a headless run goes through."""
    report_prepare_run_error = pipeline_class.report_prepare_run_error
    setup_modules, prepare_run = pipeline_class.setup_modules, pipeline_class.prepare_run
    run_module, post_run = pipeline_class.run_module, pipeline_class.post_run

    def prepare_run_error(self: Any, module: Any, message: str) -> None:
        observer.not_prepared(message)
        report_prepare_run_error(self, module, message)

    def setup_or_raise(self: Any, fd: Any, module_count: int, raise_on_error: bool) -> Any:
        return setup_modules(self, fd, module_count, True)

    def prepare_and_tell(self: Any, workspace: Any, *args: Any, **kwargs: Any) -> bool:
        is_prepared: bool = prepare_run(self, workspace, *args, **kwargs)
        if is_prepared:
            observer.prepared(self, workspace.measurements)
        return is_prepared

    def run_and_tell(module: Any, workspace: Any) -> None:
        number = int(workspace.measurements.image_set_number)
        try:
            observer.before(number)
            run_module(module, workspace)
        except Exception as error:
            observer.failed(number, module, error)
            raise
        observer.after(number, module, workspace)

    def export_without_failed(self: Any, workspace: Any) -> Any:
        observer.before_export(workspace.measurements)
        return post_run(self, workspace)

    pipeline_class.report_prepare_run_error = prepare_run_error
    pipeline_class.setup_modules = setup_or_raise
    pipeline_class.prepare_run = prepare_and_tell
    pipeline_class.run_module = staticmethod(run_and_tell)
    pipeline_class.post_run = export_without_failed


def end_with_parent() -> None:
    """Die with the worker: standard input is a pipe that it holds, and closes even when it is killed."""
    while os.read(0, 1):  # not sys.stdin, whose lock a daemon thread would still hold at exit
        pass
    os.kill(os.getpid(), signal.SIGKILL)


def main() -> int:
    """Run CellProfiler's command line with the arguments after `--`, and return its exit status."""
    report_path, damaged_path, separator, *arguments = sys.argv[1:]
    if separator != "--":
        raise SystemExit("usage: driver.py REPORT DAMAGED -- CELLPROFILER_ARGUMENT...")
    threading.Thread(target=end_with_parent, daemon=True).start()
    report = Report(report_path)
    report.write("started", version=importlib.metadata.version("cellprofiler"))
    try:
        console = logging.StreamHandler()
        console.addFilter(lambda record: not record.getMessage().startswith("MySQL could not be loaded"))
        logging.root.addHandler(console)
        logging.root.addHandler(LoggedErrors(report))
        import cellprofiler.__main__
        from cellprofiler_core.pipeline import Pipeline

        observe(Pipeline, Observer(report, set(Path(damaged_path).read_text(encoding="utf-8").splitlines())))
        return int(cellprofiler.__main__.main(["cellprofiler", *arguments]))
    except Exception as error:
        traceback.print_exc()
        report.write("crashed", reason=describe(error))
        return 1


if __name__ == "__main__":
    sys.exit(main())
