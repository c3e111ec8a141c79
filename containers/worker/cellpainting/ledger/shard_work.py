"""What earlier attempts at a shard left, and what this one has done so far: `progress/<n>.json`.

A shard that was finished and is done again begins with its manifest as progress, so that the ledger does not count
what is half written over. A group there is one of three things: done in this attempt, or before and still current: it
has outcomes and is kept; or withdrawn: it has only outputs, which are deleted unless they are made again.
"""

import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace
from threading import Lock

from cellpainting.errors import MissingInput
from cellpainting.jobs import RunCellProfiler, RunRecord
from cellpainting.ledger.inputs import READERS, find_changed, list_images
from cellpainting.ledger.manifest import GroupResult, Manifest, StoredFile
from cellpainting.ledger.plan_table import read_plan
from cellpainting.planning import Group, ShardPlan
from cellpainting.storage import Sources, Storage

WRITING_SHARE = 0.02  # of the time, at most: the progress of a shard of thousands of groups is megabytes


@dataclass(frozen=True)
class MadeWith:
    """What all groups of a shard are measured with. `image_digest` does not tell results apart: the version does."""

    pipeline: StoredFile | None
    pipeline_sha256: str
    plugins: tuple[StoredFile, ...]
    cellprofiler_version: str
    image_digest: str

    def is_of(self, manifest: Manifest) -> bool:
        """Whether the results of a manifest were made with the same."""
        return (self.pipeline, self.plugins, self.cellprofiler_version) == (
            manifest.pipeline,
            manifest.plugins,
            manifest.cellprofiler_version,
        )


@dataclass(frozen=True)
class Checks:
    """What an earlier result has to stand up to. `sources` is where its inputs are now; `fingerprint` tells what a
    group's results are made from beside files; `is_intact` looks at the results themselves.
    """

    sources: Sources
    fingerprint: Callable[[Group], str]
    is_intact: Callable[[GroupResult], bool] = lambda result: True


Count = Callable[[GroupResult], None]


def count_nothing(result: GroupResult) -> None:
    """Where nobody watches."""


class ShardWork:
    """A shard's groups: which are done, and what is left to do. `count` hears of each that is done now."""

    def __init__(
        self,
        record: RunRecord,
        plan: ShardPlan,
        bucket: Storage,
        made_with: MadeWith,
        checks: Checks | None = None,
        *,
        count: Count = count_nothing,
    ) -> None:
        self._keys, self._plan, self._bucket, self._made_with = record.keys, plan, bucket, made_with
        self._checks = checks or Checks(Sources(bucket), plan.fingerprint)
        self._count = count
        self._started = time.monotonic()
        self._lock = Lock()
        self._written_at, self._writing_s = 0.0, 0.0
        self._finished = _manifest_at(record.keys.shard(plan.number), bucket)
        earlier = self._finished or _manifest_at(record.keys.progress(plan.number), bucket)
        self.is_continued = earlier is not None
        found = {group.folder: group for group in earlier.groups} if earlier else {}
        self._done = self._still_good(record, found, earlier) if earlier else {}
        self._withdrawn = {
            folder: _withdrawn(group) for folder, group in found.items() if folder not in self._done and group.outputs
        }
        if self._finished and not self.is_finished:
            self.write_progress()
            bucket.delete(record.keys.shard(plan.number))
            self._finished = None

    @property
    def is_finished(self) -> bool:
        """Whether an earlier attempt came to its end and left nothing to do."""
        return self._finished is not None and not (self._finished.reason or self.left or self._withdrawn)

    @property
    def left(self) -> list[Group]:
        """The groups that are to be done, in order."""
        return [group for group in self._plan.groups if group.folder not in self._done]

    @property
    def done(self) -> list[GroupResult]:
        """The groups that are done, in order."""
        return [self._done[group.folder] for group in self._plan.groups if group.folder in self._done]

    def record(self, result: GroupResult) -> None:
        """Take down one group, whose results are in the bucket, and delete what an earlier attempt left of it."""
        with self._lock:
            withdrawn = self._withdrawn.pop(result.folder, None)
            delete_stale(self._bucket, withdrawn.outputs if withdrawn else (), result.outputs)
            self._done[result.folder] = result
            if self.left and time.monotonic() - self._written_at >= self._writing_s / WRITING_SHARE:
                self._write_progress()
        self._count(result)

    def finish(self, reason: str = "") -> Manifest:
        """Write the manifest; what nobody plans any more is deleted first, then the progress."""
        if self._finished:
            return self._finished
        if not reason:
            self._forget_withdrawn()
        manifest = self._manifest([*self.done, *self._withdrawn.values()], reason)
        self._bucket.write(self._keys.shard(self._plan.number), manifest.to_json())
        self._bucket.delete(self._keys.progress(self._plan.number))
        return manifest

    def _forget_withdrawn(self) -> None:
        """Delete what no shard is to make any more; another one may have taken over a group since."""
        if self._withdrawn:
            planned: set[str] = set()
            with suppress(MissingInput):
                planned = {image_set.folder for image_set in read_plan(self._bucket.read(self._keys.plan))}
            made = [file for result in self.done for file in result.outputs]
            for folder, group in self._withdrawn.items():
                if folder not in planned:
                    delete_stale(self._bucket, group.outputs, made)
        self._withdrawn = {}

    def write_progress(self) -> None:
        """Take down now what is done, whatever that costs: the work begins, or is interrupted."""
        with self._lock:
            self._write_progress()

    def _write_progress(self) -> None:
        started = time.monotonic()
        progress = self._manifest([*self.done, *self._withdrawn.values()], "")
        self._bucket.write(self._keys.progress(self._plan.number), progress.to_json(indent=None))
        self._written_at = time.monotonic()
        self._writing_s = self._written_at - started

    def _manifest(self, groups: Iterable[GroupResult], reason: str) -> Manifest:
        results = tuple(groups)
        return Manifest(
            shard=self._plan.number,
            groups=results,
            pipeline=self._made_with.pipeline,
            pipeline_sha256=self._made_with.pipeline_sha256,
            plugins=self._made_with.plugins,
            cellprofiler_version=self._made_with.cellprofiler_version,
            image_digest=self._made_with.image_digest,
            seconds=round(time.monotonic() - self._started, 3),
            peak_memory_mib=max((result.peak_memory_mib for result in results), default=0.0),
            reason=reason,
        )

    def _still_good(
        self, record: RunRecord, found: Mapping[str, GroupResult], earlier: Manifest
    ) -> dict[str, GroupResult]:
        """The groups that are not to be done again: measured from just what is planned and stored now."""
        if not self._made_with.is_of(earlier) or (self._finished and record.job.force):
            return {}
        redrive = frozenset(record.job.redrive)
        candidates = {
            group.folder: result
            for group in self._plan.groups
            if (result := found.get(group.folder))
            and self._is_as_asked(result, record)
            and self._is_done(result, redrive)
            and self._is_planned(group, result)
        }
        job = record.job
        if isinstance(job, RunCellProfiler) and job.is_plain_folder:
            return {folder: one for folder, one in candidates.items() if self._is_folder_now(one, job.input)}
        changed = find_changed(self._checks.sources, (file for result in candidates.values() for file in result.inputs))
        current = {
            folder: result
            for folder, result in candidates.items()
            if not changed.intersection(file.key for file in result.inputs)
        }
        with ThreadPoolExecutor(READERS) as readers:
            intact = readers.map(self._checks.is_intact, current.values())
            return {folder: current[folder] for folder, is_intact in zip(current, intact, strict=True) if is_intact}

    @staticmethod
    def _is_as_asked(result: GroupResult, record: RunRecord) -> bool:
        """Who asks for CellProfiler's own means wants those; who does not is content with either."""
        job = record.job
        return not isinstance(job, RunCellProfiler) or job.accelerate or result.acceleration is None

    def _is_done(self, result: GroupResult, redrive: frozenset[str]) -> bool:
        """A request that is sent again does what was not measured; an attempt that goes on has done it already."""
        if not self._finished or result.is_success:
            return bool(result.outcomes)
        return bool(redrive and result.outcomes) and redrive.isdisjoint(
            outcome.cause.value for outcome in result.outcomes if outcome.cause
        )

    def _is_planned(self, group: Group, result: GroupResult) -> bool:
        if not group.rows:
            return True
        image_sets = tuple(outcome.image_set for outcome in result.outcomes)
        return result.fingerprint == self._checks.fingerprint(group) and image_sets == self._plan.image_sets(group)

    def _is_folder_now(self, result: GroupResult, prefix: str | None) -> bool:
        with suppress(MissingInput):
            return set(list_images(self._bucket, prefix or "")) == set(result.inputs)
        return False


def delete_stale(storage: Storage, earlier: Iterable[StoredFile], published: Iterable[StoredFile]) -> None:
    """Delete what an earlier attempt left and this one did not make."""
    kept = {file.key for file in published}
    for file in earlier:
        if file.key not in kept:
            storage.delete(file.key)


def _withdrawn(group: GroupResult) -> GroupResult:
    return replace(group, outcomes=(), inputs=(), rows={}, reason="")


def _manifest_at(key: str, bucket: Storage) -> Manifest | None:
    with suppress(MissingInput):
        return Manifest.from_json(bucket.read(key))
    return None
