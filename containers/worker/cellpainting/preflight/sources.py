"""What tells the image sets of a request that has no load data: a file list, a folder."""

from collections.abc import Iterator

from cellpainting.errors import InvalidRequest
from cellpainting.jobs.run_cellprofiler import RunCellProfiler
from cellpainting.load_data.places import locate
from cellpainting.planning.plan_job import places_of
from cellpainting.preflight.files import Users
from cellpainting.preflight.finding import Finding, Severity
from cellpainting.storage.base import Storage


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
