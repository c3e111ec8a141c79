"""One shard of a `download_images` job, from its plan to its manifest."""

from contextlib import closing
from pathlib import Path

from cellpainting.download.plate_files import write_plate_files
from cellpainting.download.plate_limits import plate_limits
from cellpainting.download.publish import Form, PngTree, TarFiles
from cellpainting.download.recipe import Recipe
from cellpainting.download.shard import Downloader, Shard, metadata_by_name
from cellpainting.download.tally import Tally, Tell
from cellpainting.errors import DamagedImage, InvalidRequest
from cellpainting.image_digest import image_digest
from cellpainting.job_output import print_at_once
from cellpainting.jobs import DownloadImages, RunRecord
from cellpainting.ledger import Manifest
from cellpainting.ledger.shard_work import Checks, Count, MadeWith, ShardWork, count_nothing
from cellpainting.load_data import LoadData
from cellpainting.planning import ShardPlan
from cellpainting.planning.plan_download import channel_positions
from cellpainting.scratch import scratch_folder
from cellpainting.shard_log import ShardLog, Show
from cellpainting.storage import Sources, Storage


def run(
    record: RunRecord,
    job: DownloadImages,
    plan: ShardPlan,
    *,
    bucket: Storage,
    sources: Sources,
    processors: int,
    show: Show = print_at_once,
    count: Count = count_nothing,
    tell: Tell = lambda done, total, fetched_bytes: None,
) -> Manifest:
    """Do one shard of a request; leaves images, index, log and manifest in the bucket, whether it succeeded or not.

    What an earlier attempt published is not fetched again if it is still what it was, its source is too, and the same
    would be made of it; with `force` it is. `show` takes the log's lines, `count` the groups that are
    done, `tell` hears how far it is.

    Raises
    ------
    StorageUnavailable
        If the bucket fails, or the storage of the images gives nothing; the shard may be tried again.
    StorageFull
        If the disk of the bucket is full; what was published before is whole, and is kept when it goes on.
    """
    if plan.part is None:
        raise InvalidRequest(f"shard {plan.number} was not planned for a download; send the request again")
    made_with = MadeWith(None, "", (), "", image_digest())
    with scratch_folder() as scratch, closing(ShardLog(scratch / "shard.log", show)) as log:
        try:
            shard = _open(record, job, plan, bucket, sources, scratch)
        except DamagedImage as error:
            return _finish(ShardWork(record, plan, bucket, made_with), record, plan, bucket, log, str(error))
        checks = Checks(sources, shard.fingerprint, shard.form.is_intact)
        work = ShardWork(record, plan, bucket, made_with, checks, count=count)
        _do_what_is_left(shard, work, log, tell, processors)
        channels = list(channel_positions(job, LoadData(plan.columns, ())))
        write_plate_files(bucket, job.output, plan.part, shard.form, metadata_by_name(plan), channels)
        return _finish(work, record, plan, bucket, log)


def _do_what_is_left(shard: Shard, work: ShardWork, log: ShardLog, tell: Tell, processors: int) -> None:
    if work.is_finished:
        log.tell(f"shard {shard.plan.number} is done: each of its files was looked at; 'force' does it again")
        return
    done = sum(len(result.outcomes) for result in work.done)
    tally = Tally(log, tell, done, shard.plan.image_set_count)
    Downloader(shard, work, tally).run(processors)
    tally.summarise()


def _open(
    record: RunRecord, job: DownloadImages, plan: ShardPlan, bucket: Storage, sources: Sources, scratch: Path
) -> Shard:
    recipe = Recipe(job)
    if plan.part and plan.part.sample:
        at = channel_positions(job, LoadData(plan.columns, ()))
        recipe = Recipe(job, plate_limits(record, plan.part, at, recipe, bucket=bucket, sources=sources))
    form: Form = (
        TarFiles(bucket, job.output, metadata_by_name(plan), scratch)
        if job.format == "webdataset"
        else PngTree(bucket, job.output)
    )
    return Shard(job, plan, sources, recipe, form)


def _finish(
    work: ShardWork, record: RunRecord, plan: ShardPlan, bucket: Storage, log: ShardLog, reason: str = ""
) -> Manifest:
    if reason:
        log.complain(f"failed: {reason}")
    log.close()
    bucket.upload(log.path, record.keys.log(plan.number))
    return work.finish(reason)
