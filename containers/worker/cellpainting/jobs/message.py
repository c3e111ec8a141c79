"""The body of a queue message: JSON text in, validated jobs out, all of them or none."""

import json
from collections.abc import Iterator
from typing import Any, get_args

from cellpainting.errors import InvalidField, InvalidRequest
from cellpainting.jobs.build_backend import BuildBackend
from cellpainting.jobs.decode_fovs import DecodeFovs
from cellpainting.jobs.distributed_cellprofiler import is_distributed_cellprofiler, translate
from cellpainting.jobs.download_images import DownloadImages
from cellpainting.jobs.fields import Fields
from cellpainting.jobs.make_profiles import MakeProfiles
from cellpainting.jobs.make_report import MakeReport
from cellpainting.jobs.merge_fovs import MergeFovs
from cellpainting.jobs.process_fovs import ProcessFovs
from cellpainting.jobs.process_plate import ProcessPlate
from cellpainting.jobs.run_cellprofiler import RunCellProfiler
from cellpainting.jobs.run_record import RunRecord

WholeJob = BuildBackend | MakeProfiles | MakeReport | MergeFovs  # one shard, of which only its worker reads all
StagedJob = ProcessPlate | ProcessFovs  # no shards of its own, but stages
Job = RunCellProfiler | DownloadImages | DecodeFovs | WholeJob | StagedJob

# Requests. Each takes the dispatcher some 30 ms of a processor and one of 50 SubmitJobs a second, of the 120 s it has.
MOST_IN_MESSAGE = 2_000

JOB_TYPES: dict[str, type[Job]] = {job.job_type: job for job in get_args(Job)}


def parse_job(document: Any) -> Job:
    """Turn one decoded request into the job it asks for. Without `job_type` it is the published CellProfiler one, or
    one of Distributed-CellProfiler's.

    Raises
    ------
    InvalidRequest
        If the document is not an object, or a field is missing, unknown or of the wrong type.
    """
    fields = Fields(translate(document) if is_distributed_cellprofiler(document) else document)
    job_type = fields.resource("job_type") or RunCellProfiler.job_type
    if job_type not in JOB_TYPES:
        raise InvalidField("job_type", job_type, f"the job types are {', '.join(sorted(JOB_TYPES))}")
    job = JOB_TYPES[job_type].parse(fields)
    fields.refuse_unknown()
    if job.stage:
        job.stage.require_own_run(job.run)
    return job


def parse_message(body: str) -> tuple[RunRecord, ...]:
    """Read a message body, an object or a list of them, into one run record per request.

    Everything is validated before anything is returned, so a list is all or nothing.

    Raises
    ------
    InvalidRequest
        Naming the member of the list, the field, the value got and the remedy.
    """
    document = _read_json(body)
    if document == []:
        raise InvalidRequest("the message is an empty list; send at least one request")
    members = document if isinstance(document, list) else [document]
    if len(members) > MOST_IN_MESSAGE:
        raise InvalidRequest(
            f"the message is a list of {len(members)} requests; send at most {MOST_IN_MESSAGE} in each of several"
        )
    records: dict[str, RunRecord] = {}
    written = _Written()
    for number, member in enumerate(members, start=1):
        record = _parse_member(member, number, len(members))
        if record.run_id in records:
            raise InvalidRequest(
                f"request {number} of {len(members)} is the same run as an earlier one ({record.run_id}); "
                "leave it out, or give it a 'run' name and an 'output' of its own"
            )
        if not written.add(record.job):
            raise InvalidRequest(
                f"request {number} of {len(members)} has the output of an earlier one ({_results(record.job)!r}); "
                "give it one of its own: they would overwrite each other's results"
            )
        records[record.run_id] = record
    return tuple(records.values())


def _read_json(body: str) -> Any:
    try:
        return json.loads(body)
    except ValueError as error:
        raise InvalidRequest(
            f"the message is not JSON ({error}), got {body!r:.80}; send one object or a list"
        ) from error
    except RecursionError as error:
        raise InvalidRequest(f"the message is nested too deeply, got {body!r:.80}; requests are flat") from error


def is_same_run(earlier: Job, later: Job) -> bool:
    """Whether a request may go on with a run of its name: it asks for the same, or for more plates of it, or, of a run
    that has stages, for them to be done otherwise.
    """
    if isinstance(earlier, StagedJob) and isinstance(later, StagedJob):
        return (earlier.job_type, earlier.output) == (later.job_type, later.output)
    return earlier.work == later.work


class _Written:
    """What the requests of a message write to. Plates may share an output: a folder each is made below it."""

    def __init__(self) -> None:
        self._outputs: set[str | None] = set()
        self._plain: set[str | None] = set()  # outputs of plain folders, which are nobody else's
        self._own: set[tuple[str, str]] = set()

    def add(self, job: Job) -> bool:
        """Add a request; False if one before it writes the same files."""
        is_plain = isinstance(job, RunCellProfiler) and job.is_plain_folder
        own = set(_own_places(job))
        is_free = job.output not in (self._outputs if is_plain else self._plain) and own.isdisjoint(self._own)
        self._outputs.add(job.output)
        self._plain |= {job.output} if is_plain else set()
        self._own |= own
        return is_free


def _own_places(job: Job) -> Iterator[tuple[str, str]]:
    """What only one request may make, and where. What one decodes, another may merge."""
    if isinstance(job, BuildBackend):
        yield "backend", job.folder
    if isinstance(job, MakeProfiles):
        yield "profiles", job.results
    if isinstance(job, MakeReport):
        yield "page", job.output
    if isinstance(job, ProcessFovs | DecodeFovs):
        yield "decoded", job.output
    if isinstance(job, ProcessFovs | MergeFovs):
        yield "merged", job.output


def _results(job: Job) -> str:
    if isinstance(job, MakeProfiles):
        return job.results
    return job.folder if isinstance(job, BuildBackend) else job.output


def _parse_member(member: Any, number: int, count: int) -> RunRecord:
    try:
        return RunRecord.of(parse_job(member), member)
    except InvalidRequest as error:
        if count == 1:
            raise
        raise InvalidRequest(f"request {number} of {count}: {error}") from error
