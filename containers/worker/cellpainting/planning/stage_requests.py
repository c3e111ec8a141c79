"""The stages that a request comes to, each a request of its own, in their order."""

from collections.abc import Collection, Iterator

from cellpainting.jobs import ProcessFovs, StagedJob
from cellpainting.jobs.run_record import RunRecord
from cellpainting.planning.plate_stages import PlateStages, ReadPipelines, StageRequest
from cellpainting.planning.request_plates import plate_sources, read_plates
from cellpainting.storage.base import Storage


def stage_requests(
    run: RunRecord, job: StagedJob, storage: Storage, *, leave_out: Collection[str] = ()
) -> Iterator[StageRequest]:
    """The stages of all plates, but for the plates `leave_out`; fields of view are of a plate without a name.

    Raises
    ------
    MissingInput, InvalidRequest
        If a table or a pipeline is not there or cannot be used, or what a stage needs is not what the one before makes.
    """
    if isinstance(job, ProcessFovs):
        if "" not in leave_out:
            yield from (StageRequest(job.decoding(run.run_id)), StageRequest(job.merging(run.run_id)))
        return
    pipelines = ReadPipelines.of(job, storage)
    plates = read_plates(job, plate_sources(job, storage), storage)
    for plate in plates:
        if plate.name not in leave_out:
            yield from PlateStages(run, job, plate, storage, is_only_plate=len(plates) == 1).requests(pipelines)
