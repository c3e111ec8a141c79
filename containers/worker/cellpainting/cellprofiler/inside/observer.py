"""Follows each run of the pipeline, image set by image set, from around the methods that a headless run goes through.

What is measured and exported is CellProfiler's; added is what its exit status does not tell (docs/cellprofiler.md):
which image sets there are, which of them were measured, why one was not. An image set that was skipped half-way is
taken out of the measurements before they are exported.
"""

from __future__ import annotations

import time
import urllib.parse
import urllib.request
from collections.abc import Collection
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cellpainting.cellprofiler.inside.events import Events, describe
else:  # a script of a Python that does not have this package
    from events import Events, describe

IMAGE = "Image"
IMAGE_NUMBER = "ImageNumber"
DISPOSITION_SKIP = "Skip"
LOCATIONS = ("URL_", "ObjectsURL_")


class Observer:
    """What is known of the run at work; `begin` starts anew for the next."""

    def __init__(self, events: Events) -> None:
        self._events = events
        self.begin()

    def begin(self, *, damaged: Collection[str] = (), left_out: Collection[int] = ()) -> None:
        """Forget the run before. Image sets with a damaged file, and those with the numbers left out, are not run."""
        self._damaged = set(damaged)
        self._left_out = set(left_out)
        self._failed: set[int] = set()
        self._started = 0.0
        self._at_work: int | None = None

    def prepared(self, pipeline: Any, measurements: Any) -> None:
        """Report every image set that the pipeline's own modules found; take out what is not to be run."""
        features = measurements.get_feature_names(IMAGE)
        image_sets = [
            describe_image_set(measurements, features, int(number)) for number in measurements.get_image_numbers()
        ]
        modules = [module.module_name for module in pipeline.modules()]
        self._events.write("image_sets", image_sets=image_sets, modules=modules)
        for item in image_sets:
            if item["number"] in self._left_out or self._damaged.intersection(item["files"]):
                measurements.remove_measurement(IMAGE, IMAGE_NUMBER, item["number"])  # as CellProfiler does for -f, -l

    def not_prepared(self, message: str) -> None:
        """Report why there is nothing to run, which CellProfiler tells its windows only."""
        self._events.write("logged_error", reason=" ".join(message.split()))

    def before(self, number: int) -> None:
        """Report which image set is at work: if the process dies now, that is what it died of."""
        if number != self._at_work:
            self._at_work, self._started = number, time.monotonic()
            self._events.write("begun", number=number)

    def failed(self, number: int, module: Any, error: BaseException) -> None:
        """Report the reason why one image set could not be measured."""
        self._failed.add(number)
        self._events.write("failed", number=number, module=module.module_name, reason=describe(error))

    def after(self, number: int, module: Any, workspace: Any) -> None:
        """Report an image set whose last module has run, or which a module, such as FlagImage, said to skip."""
        is_skipped = workspace.disposition == DISPOSITION_SKIP
        if is_skipped:
            self._events.write("skipped", number=number, module=module.module_name)
        if is_skipped or module is workspace.pipeline.modules()[-1]:
            self._events.write("measured", number=number, seconds=time.monotonic() - self._started)

    def before_export(self, measurements: Any) -> None:
        """Take failed image sets out of what is exported: half a measurement is not one."""
        for number in sorted(self._failed):
            measurements.remove_measurement(IMAGE, IMAGE_NUMBER, number)


def describe_image_set(measurements: Any, features: list[str], number: int) -> dict[str, Any]:
    """Number, metadata and local files of one image set, from the URL of each of its images."""
    values = {
        feature: text(measurements.get_measurement(IMAGE, feature, number))
        for feature in features
        if feature.startswith(("Metadata_", *LOCATIONS))
    }
    files = {local_path(value) for name, value in values.items() if name.startswith(LOCATIONS)}
    metadata = {name: value for name, value in values.items() if name.startswith("Metadata_")}
    return {"number": number, "metadata": metadata, "files": sorted(files - {""})}


def local_path(url: str) -> str:
    """The path of a file: URL; empty where a cell of the load data was empty."""
    return urllib.request.url2pathname(urllib.parse.urlsplit(url).path)


def text(value: Any) -> str:
    """A measurement as text; numpy's strings and byte strings included."""
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def observe(pipeline_class: Any, observer: Observer) -> None:
    """Put the observer around the methods of CellProfiler's pipeline class."""
    report_prepare_run_error = pipeline_class.report_prepare_run_error
    prepare_run, run_module, post_run = pipeline_class.prepare_run, pipeline_class.run_module, pipeline_class.post_run

    def prepare_run_error(self: Any, module: Any, message: str) -> None:
        observer.not_prepared(message)
        report_prepare_run_error(self, module, message)

    def prepare_and_tell(self: Any, workspace: Any, *args: Any, **kwargs: Any) -> bool:
        is_prepared: bool = prepare_run(self, workspace, *args, **kwargs)
        if is_prepared:
            observer.prepared(self, workspace.measurements)
        return is_prepared

    def run_and_tell(module: Any, workspace: Any) -> None:
        number = int(workspace.measurements.image_set_number)
        observer.before(number)
        try:
            run_module(module, workspace)
        except Exception as error:
            observer.failed(number, module, error)
            raise
        observer.after(number, module, workspace)

    def export_without_failed(self: Any, workspace: Any) -> Any:
        observer.before_export(workspace.measurements)
        return post_run(self, workspace)

    pipeline_class.report_prepare_run_error = prepare_run_error
    pipeline_class.prepare_run = prepare_and_tell
    pipeline_class.run_module = staticmethod(run_and_tell)
    pipeline_class.post_run = export_without_failed
