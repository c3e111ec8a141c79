"""A `merge_fovs` job, from its plan to its manifest."""

import json
import time
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cellpainting.errors import CellPaintingError, DamagedFieldOfView, InvalidRequest, MissingInput
from cellpainting.image_digest import image_digest
from cellpainting.job_output import print_at_once
from cellpainting.jobs import MergeFovs, RunRecord
from cellpainting.ledger import Cause, GroupResult, ImageSet, Manifest, Outcome, State, StoredFile
from cellpainting.ledger.source_digest import source_digest
from cellpainting.planning import ShardPlan
from cellpainting.planning.plan_fovs import MERGED
from cellpainting.scratch import scratch_folder
from cellpainting.shard_log import ShardLog, Show
from cellpainting.starfish.confined import Ended, Limits, run_confined
from cellpainting.starfish.decoded_fields import DecodedFields, fetch_decoded, find_decoded
from cellpainting.starfish.environment import Starfish
from cellpainting.starfish.judge import judge
from cellpainting.starfish.publish import publish, take_result
from cellpainting.storage import Storage

TABLES = tuple(f"{MERGED}.{suffix}" for suffix in ("nc", "csv", "parquet"))
REPORT = "merge_report.json"
STATES = {MissingInput: State.INPUT_MISSING, DamagedFieldOfView: State.INPUT_DAMAGED}


@dataclass(frozen=True)
class Merge:
    """A merge at work."""

    job: MergeFovs
    image_set: ImageSet
    bucket: Storage
    starfish: Starfish
    scratch: Path
    limits: Limits
    log: ShardLog


@dataclass(frozen=True)
class Merged:
    """What a merge came to: how it ended, what it read, what it wrote and how many spots there are."""

    outcome: Outcome
    inputs: tuple[StoredFile, ...] = ()
    outputs: tuple[StoredFile, ...] = ()
    spots: int = 0
    peak_memory_mib: float = 0.0


def run(
    record: RunRecord,
    job: MergeFovs,
    plan: ShardPlan,
    *,
    bucket: Storage,
    starfish: Starfish,
    memory_mib: int,
    show: Show = print_at_once,
) -> Manifest:
    """Merge the fields of a run; leaves the tables, a report of them, the log and the manifest in the bucket.

    Raises
    ------
    StorageUnavailable
        If the bucket fails; no manifest is written and the job may be tried again.
    """
    started = time.monotonic()
    with scratch_folder() as scratch, closing(ShardLog(scratch / "shard.log", show)) as log:
        image_set = plan.image_sets(plan.groups[0])[0]
        merge = Merge(job, image_set, bucket, starfish, scratch, Limits(job.timeout_s, memory_mib), log)
        made_from = source_digest(job, bucket)  # before it is read: what changes in between is seen as changed
        merged = _merge(merge)
        log.tell(f"{MERGED}: {merged.outcome.state}: {merged.outcome.reason or f'{merged.spots} spots'}")
        log.close()
        bucket.upload(log.path, record.keys.log(plan.number))
        manifest = _manifest(plan, _result(merged, made_from, time.monotonic() - started), starfish.version)
        bucket.write(record.keys.shard(plan.number), manifest.to_json())
        return manifest


def _merge(merge: Merge) -> Merged:
    try:
        fields = find_decoded(merge.bucket, merge.job.decoding_run)
        fields.require_enough(merge.job.allow_missing)
        names = fetch_decoded(merge.bucket, fields, merge.scratch / "decoded")
    except (InvalidRequest, MissingInput, DamagedFieldOfView) as error:
        return Merged(_refused(merge.image_set, error))
    _tell(fields, merge.log)
    ended = run_confined(
        "merge.py",
        merge.starfish,
        merge.scratch / "work",
        {"folder": str(merge.scratch / "decoded"), "name": MERGED, "fields": names},
        readable=(merge.scratch / "decoded",),
        limits=merge.limits,
        on_line=merge.log.relay,
    )
    outcome = judge(merge.image_set, ended, merge.limits, "the merge")
    outputs = _published(merge, fields, ended) if outcome.state.is_success else ()
    return Merged(
        outcome, tuple(fields.files.values()), outputs, ended.report.get("spots", 0), round(ended.peak_memory_mib, 1)
    )


def _refused(image_set: ImageSet, error: CellPaintingError) -> Outcome:
    state = STATES.get(type(error), State.FAILED)
    cause = Cause.PIPELINE_ERROR if state == State.FAILED else Cause(state.value)
    return Outcome(image_set, state, str(error), cause)


def _tell(fields: DecodedFields, log: ShardLog) -> None:
    log.tell(f"{len(fields.files)} fields of view of run {fields.run_id} to merge")
    for field, reason in fields.missing.items():
        log.complain(f"{field} is missing: {reason}")
    for key in fields.stale:
        log.tell(f"{key} is not of this run: left out")


def _published(merge: Merge, fields: DecodedFields, ended: Ended) -> tuple[StoredFile, ...]:
    """The tables and, last, the report that tells what is in them."""
    for name in TABLES:
        take_result(merge.scratch / "work" / name, merge.scratch / name)
    report = json.dumps(report_of(fields, ended.report["spots_of_fields"]), indent=1)
    (merge.scratch / REPORT).write_text(report)
    output = merge.job.output
    return tuple(publish(merge.bucket, merge.scratch / name, f"{output}/{name}") for name in (*TABLES, REPORT))


def report_of(fields: DecodedFields, spots: dict[str, int]) -> dict[str, Any]:
    """The content of merge_report.json. A field without a spot is merged: there is nothing of it."""
    return {
        "run": fields.run_id,
        "fields": len(fields.files) + len(fields.missing),
        "merged": [field for field in fields.files if spots[field]],
        "empty": [field for field in fields.files if not spots[field]],
        "missing": dict(fields.missing),
        "stale": list(fields.stale),
        "spots": sum(spots.values()),
        "spots_of_fields": spots,
    }


def _result(merged: Merged, made_from: str, seconds: float) -> GroupResult:
    return GroupResult(
        folder="",
        outcomes=(merged.outcome,),
        inputs=merged.inputs,
        outputs=merged.outputs,
        rows={MERGED: merged.spots} if merged.outputs else {},
        seconds=round(seconds, 3),
        peak_memory_mib=merged.peak_memory_mib,
        fingerprint=made_from,
    )


def _manifest(plan: ShardPlan, result: GroupResult, version: str) -> Manifest:
    return Manifest(
        shard=plan.number,
        groups=(result,),
        pipeline=None,
        pipeline_sha256="",
        plugins=(),
        cellprofiler_version=version,
        image_digest=image_digest(),
        seconds=result.seconds,
        peak_memory_mib=result.peak_memory_mib,
    )
