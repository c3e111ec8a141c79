"""The groups of a shard, measured side by side: a CellProfiler per lane, inputs fetched ahead, results sent behind."""

import shutil
from collections.abc import Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

from cellpainting.cellprofiler.conclude import conclude
from cellpainting.cellprofiler.driver import Driver, Setting
from cellpainting.cellprofiler.group import PlacedGroup
from cellpainting.cellprofiler.inputs import Inputs, require_visible
from cellpainting.cellprofiler.look_ahead import LookAhead
from cellpainting.cellprofiler.measure import GroupRun, Rules, measure
from cellpainting.cellprofiler.results import publish
from cellpainting.cellprofiler.tally import Tally
from cellpainting.jobs import RunCellProfiler, RunRecord
from cellpainting.ledger import GroupResult, ImageSet, list_images, write_plan
from cellpainting.ledger.shard_work import ShardWork
from cellpainting.planning import Group, ShardPlan
from cellpainting.shard_log import ShardLog
from cellpainting.storage import Storage


@dataclass(frozen=True)
class Shard:
    """A shard at work: what its lanes share."""

    record: RunRecord
    job: RunCellProfiler
    plan: ShardPlan
    bucket: Storage
    images_from: Storage
    scratch: Path
    log: ShardLog
    work: ShardWork

    @property
    def rules(self) -> Rules:
        """What the request says of bad image sets and of time."""
        return Rules(self.job.on_bad_image_set == "quarantine", self.job.timeout_s)


def measure_groups(shard: Shard, setting: Setting, processes: int) -> None:
    """Measure and publish all groups that are left, in order, by so many processes.

    Raises
    ------
    CellProfilerFailed
        If CellProfiler or its pipeline cannot start.
    StorageUnavailable
        If the storage fails. The groups that were recorded stay so.
    """
    left = shard.work.left
    lanes = Lanes(shard, left, setting, min(processes, len(left)))
    try:
        lanes.run()
    finally:
        lanes.close()


class Lanes:
    """Each lane is a thread with a CellProfiler of its own."""

    def __init__(self, shard: Shard, left: Sequence[Group], setting: Setting, count: int) -> None:
        self._shard = shard
        self._inputs = Inputs(shard.bucket, shard.images_from, shard.scratch, map(self._places, left))
        self._tally = Tally(shard.log, shard.plan.image_set_count)
        self._tally.keep(outcome.image_set for result in shard.work.done for outcome in result.outcomes)
        self._drivers = [
            Driver(setting, shard.scratch / f"process{number}", shard.log.of_process(number, count))
            for number in range(1, count + 1)
        ]
        self._groups = LookAhead(left, self._place, count)
        self._publishers = ThreadPoolExecutor(count)
        self._lanes = ThreadPoolExecutor(count)

    def run(self) -> None:
        """Return when all groups are published, or raise what the first lane fails of."""
        for lane in as_completed([self._lanes.submit(self._run_lane, driver) for driver in self._drivers]):
            lane.result()

    def close(self) -> None:
        """Stop what is at work; what is on its way to the bucket arrives."""
        for driver in self._drivers:
            driver.stop()
        self._lanes.shutdown(cancel_futures=True)
        self._groups.close()
        self._inputs.close()
        self._publishers.shutdown()

    def _run_lane(self, driver: Driver) -> None:
        driver.start()
        publishing: Future[None] | None = None
        while placed := self._groups.take():
            run = measure(placed, driver, self._shard.rules, self._tally, self._list)
            if publishing:
                publishing.result()  # no more than one is behind, so that scratch stays small
            publishing = self._publishers.submit(self._finish, run)
        driver.stop()
        if publishing:
            publishing.result()

    def _places(self, group: Group) -> Iterable[str]:
        table = self._shard.plan.table(group)
        return [place for row in group.rows for place in table.images(row)]

    def _place(self, group: Group) -> PlacedGroup:
        job, plan = self._shard.job, self._shard.plan
        known = {} if group.rows else {file.key: file for file in list_images(self._shard.bucket, job.input or "")}
        images = self._inputs.folder("" if group.rows else job.input or "")
        if not job.load_data:
            require_visible(images)
        inputs = self._inputs.fetch(self._places(group) or known, known)
        scratch = self._shard.scratch / "groups" / str(plan.groups.index(group))
        return PlacedGroup(plan.number, group, plan.table(group), plan.image_sets(group), inputs, images, scratch)

    def _list(self, image_sets: Sequence[ImageSet]) -> None:
        """Write plan.csv of a plain folder as soon as CellProfiler has listed it: before it is measured, not after."""
        self._shard.bucket.write(self._shard.record.keys.plan, write_plan(image_sets))
        self._tally.expect(len(image_sets))

    def _finish(self, run: GroupRun) -> None:
        """Judge a group, publish it, record it, and remove it from this machine."""
        shard, placed = self._shard, run.placed
        conclusion = conclude(run, shard.rules)
        folder = "/".join(filter(None, (shard.job.output, placed.group.folder)))
        result = GroupResult(
            folder=placed.group.folder,
            outcomes=conclusion.outcomes,
            inputs=placed.stored,
            outputs=publish(shard.bucket, run.output, folder) if conclusion.has_results and run.output else (),
            rows=conclusion.rows,
            seconds=round(run.seconds, 3),
            peak_memory_mib=round(run.peak_memory_mib, 1),
            reason=conclusion.reason,
            fingerprint=shard.plan.fingerprint(placed.group) if placed.group.rows else "",
            acceleration=run.acceleration,
        )
        shard.work.record(result)
        if conclusion.reason:
            shard.log.complain(f"failed: {placed.group.folder or 'all image sets'}: {conclusion.reason}")
        self._inputs.release(placed.inputs)
        shutil.rmtree(placed.scratch, ignore_errors=True)
