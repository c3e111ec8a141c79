"""From a run's record to its ledger: plan.csv against the manifests, the progress and the losses of its shards."""

from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import PurePosixPath
from typing import Any, TypeVar

from cellpainting.errors import MissingInput
from cellpainting.jobs.run_record import RunKeys
from cellpainting.ledger.held import HeldShards, read_held
from cellpainting.ledger.image_set import Cause, ImageSet, Outcome, State
from cellpainting.ledger.ledger import Ledger, ShardState
from cellpainting.ledger.lost_shard import LostShard
from cellpainting.ledger.manifest import Manifest
from cellpainting.ledger.plan_table import read_plan
from cellpainting.ledger.shard_result import ShardResult
from cellpainting.ledger.stage_record import read_stage_record
from cellpainting.ledger.staged_ledger import StagedLedger
from cellpainting.storage import Storage, StoredObject

Record = TypeVar("Record", ShardResult, LostShard)

READERS = 32  # requests on their way at once, as many as S3Storage keeps connections
WAITING = "its shard has left nothing: the job has not run, or was stopped before it could say how it ended"
AT_WORK = "its shard is at work, or was stopped before it came to this one"
REPLANNED = "it was planned anew since its shard was done: the load data or the request has changed"
LEFT_OUT = "the manifest of its shard does not tell of it"


def read_ledger(storage: Storage, run_id: str) -> Ledger:
    """Count a run's manifests against its plan.

    Raises
    ------
    StorageUnavailable
        If the storage cannot be read.
    """
    return LedgerReader(storage, run_id).read()


class LedgerReader:
    """Reads the ledger of a run, again and again if asked to; of one that has stages, with theirs."""

    def __init__(self, storage: Storage, run_id: str) -> None:
        self._storage = storage
        self._run_id = run_id
        self._own = RunReader(storage, run_id)
        self._stages: dict[str, RunReader] = {}

    def read(self) -> Ledger:
        """Count what the record holds now.

        Raises
        ------
        StorageUnavailable
            If the storage cannot be read.
        """
        record = read_stage_record(RunKeys(self._run_id), self._storage)
        own = self._own.read()
        if record is None:
            return own
        for stage in record.stages:
            self._stages.setdefault(stage.run_id, RunReader(self._storage, stage.run_id))
        ledgers = {stage.run_id: self._stages[stage.run_id].read() for stage in record.stages}
        return StagedLedger.of(self._run_id, record, ledgers, own.planning_failure)


class RunReader:
    """Reads the ledger of one run by its own record. What has not changed since is not fetched again.

    An image set that a shard's `progress/` tells of is done although the shard is still at work: its group's results
    are published, and are kept when the shard is done again. A manifest says all there is to say of its shard.
    """

    def __init__(self, storage: Storage, run_id: str) -> None:
        self._storage = storage
        self._run_id = run_id
        self._keys = RunKeys(run_id)
        self._plan_etag: str | None = None
        self._planned: dict[tuple[int, int], ImageSet] = {}
        self._known: dict[str, tuple[str, Any]] = {}

    def read(self) -> Ledger:
        """Count what the record holds now.

        Raises
        ------
        StorageUnavailable
            If the storage cannot be read.
        """
        self._read_plan()
        # In this order: a shard that ends meanwhile is seen twice, not missed.
        progress = self._read_all(self._keys.progresses, self._result)
        losses = self._read_all(self._keys.losses, LostShard.from_json)
        manifests = self._read_all(self._keys.shards, self._result)
        blocked = self._text(self._keys.blocked)
        held = read_held(self._keys, self._storage)
        shards = self._shard_states(progress, losses, manifests, held, is_blocked=bool(blocked))
        results = {**progress, **manifests}
        outcomes = tuple(
            _outcome(
                planned,
                shards[planned.shard],
                results.get(planned.shard),
                losses.get(planned.shard),
                held.reason if shards[planned.shard] == ShardState.HELD else blocked,
            )
            for planned in self._planned.values()
        )
        return Ledger(
            run_id=self._run_id,
            outcomes=outcomes,
            shards=shards,
            failed_shards=_failed_shards(outcomes, shards, results, losses, held),
            seconds=sum(result.seconds for result in results.values()),
            planning_failure=self._text(self._keys.planning_failure),
            blocked=blocked,
        )

    def _read_plan(self) -> None:
        try:
            etag = self._storage.stat(self._keys.plan).etag
            if etag != self._plan_etag:
                self._planned = {
                    (planned.shard, planned.number): planned
                    for planned in read_plan(self._storage.read(self._keys.plan))
                }
                self._known = {}  # what counts depends on the plan
                self._plan_etag = etag
        except MissingInput:
            self._planned, self._plan_etag = {}, None  # not planned yet, or that failed

    def _text(self, key: str) -> str:
        try:
            return self._storage.read(key).decode()
        except MissingInput:
            return ""

    def _result(self, content: bytes) -> ShardResult:
        return ShardResult.of(Manifest.from_json(content), self._planned)

    def _read_all(self, folder: str, parse: Callable[[bytes], Record]) -> dict[int, Record]:
        stored = list(self._storage.list(folder))
        with ThreadPoolExecutor(READERS) as readers:
            parsed = list(readers.map(lambda item: self._read(item, parse), stored))
        numbers = [int(PurePosixPath(item.key).stem) for item in stored]
        return {number: record for number, record in zip(numbers, parsed, strict=True) if record is not None}

    def _read(self, item: StoredObject, parse: Callable[[bytes], Record]) -> Record | None:
        if item.key in self._known and self._known[item.key][0] == item.etag:
            known: Record = self._known[item.key][1]
            return known
        try:
            record = parse(self._storage.read(item.key))
        except MissingInput:
            return None  # its shard has ended, or begun again, since the folder was listed
        self._known[item.key] = (item.etag, record)
        return record

    def _shard_states(
        self,
        progress: Iterable[int],
        losses: Iterable[int],
        manifests: Iterable[int],
        held: HeldShards,
        *,
        is_blocked: bool,
    ) -> dict[int, ShardState]:
        waiting = ShardState.BLOCKED if is_blocked else ShardState.WAITING
        states = dict.fromkeys((shard for shard, _ in self._planned), waiting)
        states |= dict.fromkeys(held.shards if held.reason else (), ShardState.HELD)
        states |= dict.fromkeys(progress, ShardState.BLOCKED if is_blocked else ShardState.AT_WORK)
        states |= dict.fromkeys(losses, ShardState.LOST)
        states |= dict.fromkeys(manifests, ShardState.WITH_MANIFEST)  # written last, it says more than the others
        return dict(sorted(states.items()))


def _outcome(
    planned: ImageSet, shard: ShardState, result: ShardResult | None, loss: LostShard | None, kept: str
) -> Outcome:
    """What became of an image set; `kept` is why nothing of its shard was run, where something keeps it."""
    if result and planned.number in result.outcomes:
        return result.outcomes[planned.number]
    if shard in (ShardState.BLOCKED, ShardState.HELD):
        cause = Cause.BLOCKED if shard == ShardState.BLOCKED else Cause.BUDGET
        return Outcome(planned, State.NOT_RUN, kept, cause)
    if shard == ShardState.LOST and loss:
        state = State.NOT_RUN if loss.cause == Cause.NOT_RUN else State.FAILED
        return Outcome(planned, state, loss.reason, loss.cause)
    if result and result.replanned:
        return Outcome(planned, State.NOT_RUN, REPLANNED, Cause.NOT_RUN)
    if shard == ShardState.WITH_MANIFEST and result and result.reason:
        return Outcome(planned, State.FAILED, result.reason, Cause.PIPELINE_ERROR)
    if shard == ShardState.WITH_MANIFEST:
        return Outcome(planned, State.NOT_RUN, LEFT_OUT, Cause.NOT_RUN)
    return Outcome(planned, State.NOT_RUN, AT_WORK if result else WAITING, Cause.NOT_RUN)


def _failed_shards(
    outcomes: tuple[Outcome, ...],
    shards: Mapping[int, ShardState],
    results: Mapping[int, ShardResult],
    losses: Mapping[int, LostShard],
    held: HeldShards,
) -> dict[int, str]:
    """Why shards failed as a whole. One that was lost after its last group was published has nothing left to do; one
    that the budget lets wait is told of where its image sets are not known.
    """
    planned = {outcome.image_set.shard for outcome in outcomes}
    unfinished = {outcome.image_set.shard for outcome in outcomes if not outcome.state.is_success}
    reasons = {}
    for shard, state in shards.items():
        reason = losses[shard].reason if state == ShardState.LOST else results[shard].reason if shard in results else ""
        if state == ShardState.HELD and shard not in planned:
            reason = held.reason
        if reason and (shard in unfinished or shard not in planned):
            reasons[shard] = reason
    return reasons
