"""What tells the image sets of a request: load data in any form, a file list, a folder."""

from collections.abc import Iterator

from cellpainting.errors import InvalidRequest
from cellpainting.jobs.run_cellprofiler import RunCellProfiler
from cellpainting.load_data import LoadData
from cellpainting.load_data.places import locate
from cellpainting.load_data.read_csv import read_csv
from cellpainting.planning.plan_job import places_of
from cellpainting.preflight.files import Users
from cellpainting.preflight.finding import Finding, Severity
from cellpainting.storage.base import Storage

PARQUET_SUFFIX = ".parquet"


def read_table(job: RunCellProfiler, storage: Storage) -> LoadData:
    """The load data of a request.

    Raises
    ------
    InvalidRequest
        If it cannot be used.
    MissingInput
        If it is not there.
    """
    name = job.load_data or ""
    content, places = storage.read(name), places_of(job, storage)
    if name.endswith(PARQUET_SUFFIX):
        from cellpainting.load_data.parquet import read_parquet  # pyarrow takes its time to be imported

        return read_parquet(content, name, places)
    return read_csv(content, name, places)


def read_file_list(job: RunCellProfiler, storage: Storage) -> dict[str, Users]:
    """The files that a file list names; which image sets they are of, only CellProfiler can tell.

    Raises
    ------
    InvalidRequest
        If the list is empty, or a line names no file of the bucket.
    MissingInput
        If it is not there.
    """
    name = job.file_list or ""
    places = places_of(job, storage)
    lines = [line.strip() for line in storage.read(name).decode(errors="replace").splitlines()]
    users = {locate(line, places): Users("", ()) for line in lines if line}
    if not users:
        raise InvalidRequest(f"the file list {name!r} is empty; write a path or URL per line")
    return users


def check_folder(prefix: str, storage: Storage) -> Iterator[Finding]:
    """Whether there is anything at all in a folder."""
    if next(iter(storage.list(prefix)), None) is None:
        yield Finding(
            Severity.ERROR, storage.uri(prefix), "the input folder is empty", "upload images there, or correct 'input'"
        )
