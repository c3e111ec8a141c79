"""The body of a queue message: JSON text in, validated jobs out, all of them or none."""

import json
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

JOB_TYPES: dict[str, type[Job]] = {job.job_type: job for job in get_args(Job)}
FIELDS_OF_VIEW = (ProcessFovs, DecodeFovs, MergeFovs)


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
    try:
        document = json.loads(body)
    except ValueError as error:
        raise InvalidRequest(
            f"the message is not JSON ({error}), got {body!r:.80}; send one object or a list"
        ) from error
    if document == []:
        raise InvalidRequest("the message is an empty list; send at least one request")
    members = document if isinstance(document, list) else [document]
    records: dict[str, RunRecord] = {}
    for number, member in enumerate(members, start=1):
        record = _parse_member(member, number, len(members))
        if record.run_id in records:
            raise InvalidRequest(
                f"request {number} of {len(members)} is the same run as an earlier one ({record.run_id}); "
                "leave it out, or give it a 'run' name and an 'output' of its own"
            )
        if any(_overwrite(record.job, other.job) for other in records.values()):
            raise InvalidRequest(
                f"request {number} of {len(members)} has the output of an earlier one ({_results(record.job)!r}); "
                "give it one of its own: they would overwrite each other's results"
            )
        records[record.run_id] = record
    return tuple(records.values())


def is_same_run(earlier: Job, later: Job) -> bool:
    """Whether a request may go on with a run of its name: it asks for the same, or for more plates of it, or, of a run
    that has stages, for them to be done otherwise.
    """
    if isinstance(earlier, StagedJob) and isinstance(later, StagedJob):
        return (earlier.job_type, earlier.output) == (later.job_type, later.output)
    return earlier.work == later.work


def _overwrite(one: Job, other: Job) -> bool:
    """Whether two requests write the same files. Plates may share an output: a folder each is made below it."""
    if isinstance(one, BuildBackend) and isinstance(other, BuildBackend):
        return one.folder == other.folder
    if isinstance(one, MakeProfiles) and isinstance(other, MakeProfiles):
        return one.results == other.results
    if isinstance(one, MakeReport) and isinstance(other, MakeReport):
        return one.output == other.output
    if isinstance(one, FIELDS_OF_VIEW) and isinstance(other, FIELDS_OF_VIEW):
        is_pair = {type(one), type(other)} == {DecodeFovs, MergeFovs}  # what one run decodes, another merges
        return one.output == other.output and not is_pair
    return one.output == other.output and any(
        isinstance(job, RunCellProfiler) and job.is_plain_folder for job in (one, other)
    )


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
