"""The pipeline's modules against the request: what would make CellProfiler do nothing, or leave nothing behind."""

from collections.abc import Iterator

from cellpainting.jobs.run_cellprofiler import RunCellProfiler
from cellpainting.pipelines import Module, Pipeline
from cellpainting.preflight.finding import Finding, Severity

MEASURING = ("Measure", "Identify")
UNSUPPORTED_FORMATS = ("bmp", "mat")  # `modules/saveimages.py`, 4.2.8: such a module, and all after it, are not loaded
LABEL_OF_FORMAT = "Saved file format"


def check_modules(job: RunCellProfiler, pipeline: Pipeline) -> Iterator[Finding]:
    """What the modules alone tell."""
    yield from _image_set_source(job, pipeline)
    for module in pipeline.modules:  # disabled ones are loaded too
        yield from _format(module)
    if pipeline.writes_batch_files and not job.batch_data:
        yield Finding(
            Severity.WARNING,
            "CreateBatchFiles",
            "the module is left on: plain CellProfiler would write Batch_data.h5 and measure nothing",
            "none is needed, it is switched off for the run; disable it before running the pipeline elsewhere",
        )
    yield from _results(pipeline)


def _image_set_source(job: RunCellProfiler, pipeline: Pipeline) -> Iterator[Finding]:
    if job.load_data and not pipeline.reads_load_data:
        yield Finding(
            Severity.ERROR,
            "LoadData",
            f"the request names load data ({job.load_data}) and the pipeline has no such module enabled",
            "add or enable it, or give the images' folder in 'input' alone",
        )
    if pipeline.reads_load_data and not (job.load_data or job.batch_data):
        yield Finding(
            Severity.ERROR,
            "LoadData",
            "the pipeline reads load data and the request names none",
            "name the table in 'load_data', or use Images, Metadata, NamesAndTypes and Groups instead",
        )


def _format(module: Module) -> Iterator[Finding]:
    if module.name == "SaveImages" and module.says(LABEL_OF_FORMAT, *UNSUPPORTED_FORMATS):
        yield Finding(
            Severity.ERROR,
            f"SaveImages, module {module.number}: {module.value(LABEL_OF_FORMAT)}",
            "CellProfiler 4 does not write this format and loads neither this module nor any after it",
            "choose npy (tiff for pictures) and export the pipeline again",
        )


def _results(pipeline: Pipeline) -> Iterator[Finding]:
    if pipeline.exports_tables:
        return
    if not pipeline.enabled("SaveImages"):
        yield Finding(
            Severity.ERROR,
            "ExportToSpreadsheet",
            "the pipeline exports no tables and saves no images: nothing would be left of the run",
            "add or enable the module",
        )
    elif any(module.enabled and module.name.startswith(MEASURING) for module in pipeline.modules):
        yield Finding(
            Severity.WARNING,
            "ExportToSpreadsheet",
            "the pipeline measures and exports no tables: only the images that it saves would be left",
            "add or enable the module, unless the images are all that is wanted",
        )
