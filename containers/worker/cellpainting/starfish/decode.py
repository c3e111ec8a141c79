"""One shard of a `decode_fovs` job, from its plan to its manifest: one field of view."""

import hashlib
import time
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from cellpainting.errors import CellPaintingError, DamagedFieldOfView, InvalidRequest, MissingInput, StorageUnavailable
from cellpainting.image_digest import image_digest
from cellpainting.job_output import print_at_once
from cellpainting.jobs import DecodeFovs, RunRecord
from cellpainting.ledger import Cause, GroupResult, ImageSet, Manifest, Outcome, State, StoredFile
from cellpainting.ledger.shard_work import Count, MadeWith, ShardWork, count_nothing
from cellpainting.planning import Group, ShardPlan
from cellpainting.planning.plan_fovs import field_number, open_experiment
from cellpainting.scratch import scratch_folder
from cellpainting.shard_log import ShardLog, Show
from cellpainting.starfish.confined import Ended, Limits, run_confined
from cellpainting.starfish.environment import Starfish
from cellpainting.starfish.fetch_field import fetch_field
from cellpainting.starfish.judge import judge
from cellpainting.starfish.publish import publish, take_result
from cellpainting.starfish.recipe import Form, read_form
from cellpainting.storage import Sources, Storage

DECODED = "_decoded.nc"  # after the field's name, as published


@dataclass(frozen=True)
class Tools:
    """What a field is decoded with: the recipe in scratch, its form, and starfish."""

    recipe: Path
    form: Form
    starfish: Starfish


@dataclass(frozen=True)
class Field:
    """A field of view at work."""

    job: DecodeFovs
    plan: ShardPlan
    bucket: Storage
    scratch: Path
    limits: Limits
    log: ShardLog

    @property
    def group(self) -> Group:
        """The one of the shard; its name is the field's."""
        return self.plan.groups[0]

    @property
    def image_set(self) -> ImageSet:
        """The field as the ledger counts it."""
        return self.plan.image_sets(self.group)[0]


def run(
    record: RunRecord,
    job: DecodeFovs,
    plan: ShardPlan,
    *,
    bucket: Storage,
    starfish: Starfish,
    memory_mib: int,
    show: Show = print_at_once,
    count: Count = count_nothing,
) -> Manifest:
    """Decode one field of view; leaves the table, the log and the manifest in the bucket, whether it succeeded or not.

    What an earlier attempt decoded from the same files, with the same recipe and starfish, is not done again, unless
    `force` asks for it. `memory_mib` is the container's; `count` hears of the field when it is done.

    Raises
    ------
    StorageUnavailable
        If the bucket fails; no manifest is written and the shard may be tried again.
    """
    with scratch_folder() as scratch, closing(ShardLog(scratch / "shard.log", show)) as log:
        tools, made_with, reason = _take_tools(job, bucket, starfish, scratch / "recipe.py")
        work = ShardWork(record, plan, bucket, made_with, count=count)
        if work.is_finished:
            log.tell(f"shard {plan.number} is done, from what is there now; 'force' does it again")
            return work.finish()
        if tools and work.left:
            field = Field(job, plan, bucket, scratch, Limits(job.timeout_s, memory_mib), log)
            work.record(_decode(field, tools))
        if reason:
            log.complain(f"failed: {reason}")
        log.close()
        bucket.upload(log.path, record.keys.log(plan.number))
        return work.finish(reason)


def _take_tools(
    job: DecodeFovs, bucket: Storage, starfish: Starfish, recipe: Path
) -> tuple[Tools | None, MadeWith, str]:
    """Fetch the recipe; what there is, what that makes results with, and why it cannot be used."""
    made_with = MadeWith(None, "", (), "", image_digest())
    try:
        stored = StoredFile.of(bucket.download(job.recipe, recipe))
        text = recipe.read_bytes()
        made_with = replace(made_with, pipeline=stored, pipeline_sha256=hashlib.sha256(text).hexdigest())
        form = read_form(text, job.recipe)
        made_with = replace(made_with, cellprofiler_version=starfish.version)
    except StorageUnavailable:
        raise
    except CellPaintingError as error:
        return None, made_with, str(error)
    return Tools(recipe, form, starfish), made_with, ""


def _decode(field: Field, tools: Tools) -> GroupResult:
    started = time.monotonic()
    try:
        experiment, inputs = _fetch(field)
    except MissingInput as error:
        return _result(field, Outcome(field.image_set, State.INPUT_MISSING, str(error), Cause.INPUT_MISSING))
    except (InvalidRequest, DamagedFieldOfView) as error:
        return _result(field, Outcome(field.image_set, State.INPUT_DAMAGED, str(error), Cause.INPUT_DAMAGED))
    field.log.tell(f"{field.group.folder}: {len(inputs)} files fetched in {time.monotonic() - started:.1f} s")
    ended = run_confined(
        "decode.py",
        tools.starfish,
        field.scratch / "work",
        _task(field, tools, experiment),
        readable=(tools.recipe, field.scratch / "experiment"),
        limits=field.limits,
        on_line=field.log.relay,
    )
    result = _published(field, ended)
    return replace(result, inputs=inputs, seconds=round(time.monotonic() - started, 3))


def _fetch(field: Field) -> tuple[Path, tuple[StoredFile, ...]]:
    experiment, name = open_experiment(field.job, field.bucket), field.group.folder
    planned = field.plan.table(field.group).images(field.group.rows[0])
    if tuple(map(experiment.place, experiment.fields.get(name, {}).values())) != planned:
        raise InvalidRequest(f"{name} is not in the experiment as it was when it was planned; send the request again")
    return fetch_field(Sources(field.bucket), experiment, name, field.scratch / "experiment")


def _task(field: Field, tools: Tools, experiment: Path) -> dict[str, Any]:
    return {
        "recipe": str(tools.recipe),
        "form": tools.form.value,
        "experiment": str(experiment),
        "field": field.group.folder,
        "number": field_number(field.group.folder, field.plan.number),
    }


def _published(field: Field, ended: Ended) -> GroupResult:
    """What the recipe made, in the bucket if it is a result."""
    name = field.group.folder + DECODED
    outcome = _taken(judge(field.image_set, ended, field.limits, "the recipe"), field, name)
    outputs: tuple[StoredFile, ...] = ()
    if outcome.state.is_success:
        outputs = (publish(field.bucket, field.scratch / name, f"{field.job.output}/{name}"),)
    told = outcome.reason or f"{ended.report['spots']} spots"
    memory = f"{ended.seconds:.1f} s, peak memory {ended.peak_memory_mib:.0f} MiB"
    field.log.tell(f"{field.group.folder}: {outcome.state}: {told} ({memory})")
    return replace(
        _result(field, outcome),
        outputs=outputs,
        rows={name: ended.report["spots"]} if outputs else {},
        peak_memory_mib=round(ended.peak_memory_mib, 1),
    )


def _taken(outcome: Outcome, field: Field, name: str) -> Outcome:
    """The outcome, once the file that goes with it is there."""
    if outcome.state.is_success:
        try:
            take_result(field.scratch / "work" / "decoded.nc", field.scratch / name)
        except OSError as error:
            reason = f"the recipe's result cannot be taken ({error}); see the log"
            return Outcome(field.image_set, State.FAILED, reason, Cause.PIPELINE_ERROR)
    return outcome


def _result(field: Field, outcome: Outcome) -> GroupResult:
    return GroupResult(
        folder=field.group.folder,
        outcomes=(outcome,),
        inputs=(),
        outputs=(),
        rows={},
        seconds=0.0,
        peak_memory_mib=0.0,
        fingerprint=field.plan.fingerprint(field.group),
    )
