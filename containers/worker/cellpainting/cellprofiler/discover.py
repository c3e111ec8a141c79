"""The image sets of a request that only the worker's image can read: CellProfiler lists them, no image is fetched."""

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path, PurePosixPath
from urllib.parse import urlsplit
from urllib.request import url2pathname

from cellpainting.cellprofiler.environment import CellProfiler
from cellpainting.cellprofiler.inputs import local_path
from cellpainting.cellprofiler.process import DIED, Event, Process
from cellpainting.errors import CellProfilerFailed, InvalidRequest
from cellpainting.jobs import RunCellProfiler
from cellpainting.load_data import Column, LoadData, ValueType
from cellpainting.load_data.parquet import read_parquet
from cellpainting.load_data.places import locate
from cellpainting.planning.plan_job import ImageSetSource, ReadSource, can_plan_here, places_of, read_csv_source
from cellpainting.storage import Storage

SCRIPT = Path(__file__).parent / "inside" / "list_image_sets.py"
WHERE = Path("/images")  # where the images are said to lie: modules look at names only


def image_set_reader(cellprofiler: CellProfiler) -> ReadSource:
    """What `plan_job` reads image sets with, in the worker's image: every way in which a request can tell them."""

    def read(job: RunCellProfiler, storage: Storage) -> ImageSetSource:
        if can_plan_here(job):
            return read_csv_source(job, storage)
        if job.load_data:
            table = read_parquet(storage.read(job.load_data), job.load_data, places_of(job, storage))
            return ImageSetSource(table, storage.read(job.pipeline))
        return list_image_sets(job, storage, cellprofiler)

    return read


def list_image_sets(job: RunCellProfiler, storage: Storage, cellprofiler: CellProfiler) -> ImageSetSource:
    """CellProfiler's own list of the image sets of a folder, a file list or a Batch_data.h5, in its order.

    Raises
    ------
    InvalidRequest
        If there is none, a file of the list cannot be used, or image sets are planes of one file.
    CellProfilerFailed
        With CellProfiler's reason, if its input modules fail.
    """
    with tempfile.TemporaryDirectory(prefix="cpb-") as folder:
        scratch = Path(folder).resolve()
        source = job.batch_data or job.pipeline
        local = scratch / PurePosixPath(source).name
        storage.download(source, local)
        plugins_folder = job.plugins or ""
        for item in storage.list(plugins_folder) if plugins_folder else ():
            storage.download(item.key, scratch / "plugins" / item.key.removeprefix(plugins_folder + "/"))
        places = {str(local_path(WHERE, place)): place for place in _places(job, storage)}
        plugins = str(scratch / "plugins") if job.plugins else ""
        listed = _listed(cellprofiler, local, plugins, scratch, list(places), job.timeout_s)
    pipeline = storage.read(job.pipeline) if job.pipeline != job.batch_data else _bytes(listed["pipeline"])
    if job.batch_data:
        known = places_of(job, storage)
        return ImageSetSource(_table(listed, lambda url: locate(url, known), job.batch_data), pipeline)
    return ImageSetSource(_table(listed, lambda url: places[_path(url)], job.pipeline), pipeline)


def _places(job: RunCellProfiler, storage: Storage) -> list[str]:
    if job.batch_data:
        return []
    if job.file_list:
        known = places_of(job, storage)
        lines = storage.read(job.file_list).decode().splitlines()
        found = [locate(line.strip(), known) for line in lines if line.strip()]
    else:
        found = [item.key for item in storage.list(job.input or "")]
    if not found:
        raise InvalidRequest(f"{job.file_list or job.input!r} has no images; upload them there, or correct the request")
    return found


def _listed(
    cellprofiler: CellProfiler, pipeline: Path, plugins: str, scratch: Path, files: Sequence[str], timeout_s: float
) -> Event:
    lines: list[str] = []

    def arguments(descriptor: int) -> list[str]:
        return [str(cellprofiler.python), str(SCRIPT), str(descriptor), str(pipeline), plugins]

    process = Process(arguments, scratch, lines.append)
    process.send({"files": files})
    events = list(process.events(timeout_s))
    status = process.kill()
    for event in events:
        if event["event"] == "image_sets":
            return event
    reasons = [event["reason"] for event in events if "reason" in event]
    if not events or events[-1] is not DIED:
        reasons = [f"it was not done after timeout_s={timeout_s:g} seconds"]
    reason = reasons[0] if reasons else f"it ended with status {status} and said {lines[-1:]}"
    raise CellProfilerFailed(f"CellProfiler could not list the image sets: {reason}")


def _table(listed: Event, place: Callable[[str], str], name: str) -> LoadData:
    columns = tuple(
        Column(feature, ValueType(kind)) for feature, kind in zip(listed["columns"], listed["types"], strict=True)
    )
    rows = tuple(
        tuple(place(cell) if column.is_image and cell else cell for column, cell in zip(columns, row, strict=True))
        for row in listed["rows"]
    )
    table = LoadData(columns, rows)
    if not rows:
        raise InvalidRequest(
            f"CellProfiler finds no image sets with {name!r}; see its Images and NamesAndTypes modules"
        )
    if len({table.images(row) for row in rows}) < len(rows):
        raise InvalidRequest(
            f"with {name!r} several image sets are planes of one file, which cannot be divided; give the folder as "
            "'input', without group_by and image_sets_per_shard"
        )
    return table


def _path(url: str) -> str:
    return url2pathname(urlsplit(url).path)


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")
