"""A request's plan: read what it names, group, divide into shards. Nothing is written and nothing is started."""

from collections.abc import Callable
from dataclasses import dataclass

from cellpainting.errors import InvalidField, InvalidRequest
from cellpainting.jobs import Job, StagedJob, WholeJob
from cellpainting.jobs.decode_fovs import DecodeFovs
from cellpainting.jobs.download_images import DownloadImages
from cellpainting.jobs.merge_fovs import MergeFovs
from cellpainting.jobs.process_fovs import ProcessFovs
from cellpainting.jobs.process_plate import ProcessPlate
from cellpainting.jobs.run_cellprofiler import DEFAULT_IMAGE_SETS_PER_VCPU, RunCellProfiler
from cellpainting.ledger.manifest import StoredFile
from cellpainting.load_data import LoadData
from cellpainting.load_data.places import Places
from cellpainting.load_data.read_csv import read_csv
from cellpainting.load_data.read_table import read_table
from cellpainting.pipelines import Pipeline, parse_pipeline
from cellpainting.planning.grouping import choose_grouping
from cellpainting.planning.plan_download import plan_download
from cellpainting.planning.plan_fovs import plan_decoding, plan_merging
from cellpainting.planning.run_plan import RunPlan
from cellpainting.planning.selection import Selection, select, select_all
from cellpainting.planning.shard_plan import Group, ShardPlan
from cellpainting.planning.shards import plan_shards
from cellpainting.storage.base import Storage

ROW_RANGE = "Process just a range of rows?"
CSV_SUFFIXES = (".csv", ".csv.gz")


@dataclass(frozen=True)
class ImageSetSource:
    """The image sets of a request and the text of the pipeline that is to measure them."""

    table: LoadData
    pipeline: bytes


ReadSource = Callable[[RunCellProfiler, Storage], ImageSetSource]


def can_plan_here(job: Job) -> bool:
    """Whether the standard library can read what tells the image sets. All else is planned in the worker's image."""
    if isinstance(job, WholeJob | ProcessFovs | DecodeFovs):
        return True  # there is nothing to read: only its worker does; or an experiment, which is JSON
    if isinstance(job, ProcessPlate):
        return job.plate_table is not None or all(key.endswith(CSV_SUFFIXES) for key in job.load_data_keys)
    is_plain_folder = isinstance(job, RunCellProfiler) and job.is_plain_folder
    return is_plain_folder or (job.load_data or "").endswith(CSV_SUFFIXES)


def places_of(job: RunCellProfiler | DownloadImages, storage: Storage) -> Places:
    """How the paths of a request's load data become keys of its bucket."""
    if isinstance(job, DownloadImages):
        return Places.of(storage.uri(""))
    return Places.of(storage.uri(""), remap=job.path_remap, base=job.input or "")


def read_csv_source(job: RunCellProfiler, storage: Storage) -> ImageSetSource:
    """Load data in CSV, with the pipeline of the request."""
    name = job.load_data or ""
    return ImageSetSource(read_csv(storage.read(name), name, places_of(job, storage)), storage.read(job.pipeline))


def plan_job(job: Job, storage: Storage, read_source: ReadSource = read_csv_source) -> RunPlan:
    """Plan a request; `read_source` tells the image sets that are to be measured.

    Raises
    ------
    InvalidRequest
        If pipeline or load data cannot be used, do not fit together, or nothing would be done.
    MissingInput
        If one of the files that the request names is not there.
    """
    if isinstance(job, DownloadImages):
        made_from = StoredFile.of(storage.stat(job.load_data))
        table = read_table(storage.read(job.load_data), job.load_data, places_of(job, storage))
        return RunPlan(plan_download(job, table), (made_from,))
    if isinstance(job, DecodeFovs):
        return plan_decoding(job, storage)
    if isinstance(job, MergeFovs):
        return plan_merging()
    if isinstance(job, WholeJob):
        return _plan_whole(job, storage)
    if isinstance(job, StagedJob):
        raise InvalidRequest(f"{job.job_type} has no shards of its own; its stages have")
    return _plan_measuring(job, storage, read_source)


def _plan_whole(job: WholeJob, storage: Storage) -> RunPlan:
    """One shard: what a backend or a page is made of, or which plates a configuration names, only its worker reads."""
    return RunPlan((ShardPlan(0, (Group(""),)),), tuple(StoredFile.of(storage.stat(key)) for key in job.named_files))


def _plan_measuring(job: RunCellProfiler, storage: Storage, read_source: ReadSource) -> RunPlan:
    plugins = _plugin_keys(job, storage)
    if job.is_plain_folder:
        shard = ShardPlan(0, (Group(""),), plugins=plugins)
        return RunPlan((shard,), (StoredFile.of(storage.stat(job.pipeline)),))
    # Before they are read: what changes in between is seen as changed when the request is sent again.
    named = (job.pipeline, job.load_data, job.batch_data, job.file_list)
    made_from = tuple(StoredFile.of(storage.stat(key)) for key in dict.fromkeys(named) if key)
    source = read_source(job, storage)
    pipeline = parse_pipeline(source.pipeline, job.pipeline)
    _require_fitting(job, pipeline)
    grouping = choose_grouping(job, pipeline, source.table)
    selection = _selection(job, source.table, grouping.group_by)
    shards = plan_shards(
        source.table,
        grouping,
        selection,
        image_sets_per_shard=job.image_sets_per_shard or DEFAULT_IMAGE_SETS_PER_VCPU * (job.resources.vcpus or 1),
        plugins=plugins,
    )
    return RunPlan(shards, made_from, tuple(map(_label, selection.unmatched)))


def _selection(job: RunCellProfiler, table: LoadData, group_by: tuple[str, ...]) -> Selection:
    selection = select(table, group_by, job.groups) if job.groups else select_all(table, group_by)
    if not selection.rows:
        first = table.metadata(table.rows[0])
        raise InvalidRequest(
            f"none of the {len(job.groups)} groups has an image set: the first is {_label(selection.unmatched[0])!r}, "
            f"the load data begins with {_label(tuple(first[name] for name in group_by))!r} ({', '.join(group_by)}); "
            "'cpb preflight' tells why"
        )
    return selection


def _require_fitting(job: RunCellProfiler, pipeline: Pipeline) -> None:
    is_table = job.load_data is not None or job.batch_data is not None
    if job.load_data and not pipeline.reads_load_data:
        raise InvalidField(
            "load_data", job.load_data, f"the pipeline {job.pipeline!r} has no LoadData module; give 'input' or add one"
        )
    if pipeline.reads_load_data and not is_table:
        raise InvalidField("pipeline", job.pipeline, "it reads load data (LoadData); name the table in 'load_data'")
    if any(module.says(ROW_RANGE, "Yes") for module in pipeline.enabled("LoadData")):
        raise InvalidField(
            "pipeline", job.pipeline, f"LoadData has {ROW_RANGE!r} switched on; switch it off and name 'groups' instead"
        )


def _plugin_keys(job: RunCellProfiler, storage: Storage) -> tuple[str, ...]:
    if job.plugins is None:
        return ()
    keys = tuple(item.key for item in storage.list(job.plugins))
    if not keys:
        raise InvalidField("plugins", job.plugins, "the folder is empty; upload the plugins there, or leave it out")
    return keys


def _label(values: tuple[str, ...]) -> str:
    return "-".join(values)
