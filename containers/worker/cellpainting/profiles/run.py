"""A `make_profiles` job, from its plan to its manifest."""

import time
from contextlib import closing

from cellpainting.errors import InvalidRequest, MissingInput
from cellpainting.image_digest import image_digest
from cellpainting.job_output import print_at_once
from cellpainting.jobs import MakeProfiles, RunRecord
from cellpainting.ledger import Cause, GroupResult, ImageSet, Manifest, Outcome, State, write_plan
from cellpainting.ledger.source_digest import source_digest
from cellpainting.planning import ShardPlan
from cellpainting.profiles.make_profiles import Tell, make_profiles
from cellpainting.profiles.profile_report import MakingReport
from cellpainting.profiles.request import open_request
from cellpainting.profiles.shelf import peak_memory_mib
from cellpainting.scratch import scratch_folder
from cellpainting.shard_log import ShardLog, Show
from cellpainting.storage import Storage


def run(
    record: RunRecord,
    job: MakeProfiles,
    plan: ShardPlan,
    *,
    bucket: Storage,
    show: Show = print_at_once,
) -> Manifest:
    """Make the profiles of a request; leaves them, their reports, log and manifest in the bucket.

    What the ledger counts are plates: plan.csv has a row for each.

    Raises
    ------
    StorageUnavailable
        If the bucket fails; the job may be tried again, and goes on after the last profile that it had made.
    """
    started = time.monotonic()
    with scratch_folder() as scratch, closing(ShardLog(scratch / "shard.log", show)) as log:
        report, reason = None, ""
        made_from = source_digest(job, bucket)  # before it is read: what changes in between is seen as changed
        try:
            config, places = open_request(job.wanted, bucket)
            report = make_profiles(config, places, Tell(say=log.tell), force=job.force)
        except (InvalidRequest, MissingInput) as error:
            reason = str(error)
            log.complain(f"failed: {reason}")
        log.close()
        bucket.upload(log.path, record.keys.log(plan.number))
        groups = (_group(report, made_from),) if report else ()
        manifest = _manifest(plan, groups, reason, time.monotonic() - started)
        if report:
            bucket.write(record.keys.plan, write_plan(outcome.image_set for outcome in manifest.outcomes))
        bucket.write(record.keys.shard(plan.number), manifest.to_json())
        return manifest


def _manifest(plan: ShardPlan, groups: tuple[GroupResult, ...], reason: str, seconds: float) -> Manifest:
    return Manifest(
        shard=plan.number,
        groups=groups,
        pipeline=None,
        pipeline_sha256="",
        plugins=(),
        cellprofiler_version="",
        image_digest=image_digest(),
        seconds=round(seconds, 3),
        peak_memory_mib=peak_memory_mib(),
        reason=reason,
    )


def _group(report: MakingReport, made_from: str) -> GroupResult:
    return GroupResult(
        folder="",
        outcomes=tuple(_outcome(report, number, *named) for number, named in enumerate(report.plates, start=1)),
        inputs=(),
        outputs=(),
        rows={},
        seconds=report.seconds,
        peak_memory_mib=report.peak_memory_mib,
        fingerprint=made_from,
    )


def _outcome(report: MakingReport, number: int, batch: str, plate: str) -> Outcome:
    """A plate as the ledger has image sets. What several plates have in common is a problem of each of them."""
    image_set = ImageSet(shard=0, number=number, batch=batch, plate=plate)
    problems = [one for one in report.problems if one.batch in ("", batch) and one.plate in ("", plate)]
    if not problems:
        return Outcome(image_set, State.DONE)
    reason = "; ".join(f"{one.step}: {one.reason}" for one in problems)
    if any(one.is_missing_input for one in problems):
        return Outcome(image_set, State.INPUT_MISSING, reason, Cause.INPUT_MISSING)
    return Outcome(image_set, State.INPUT_DAMAGED, reason, Cause.INPUT_DAMAGED)
