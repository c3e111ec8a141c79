"""The image sets of a shard, fetched and made side by side, published and recorded one by one."""

import hashlib
import resource
from collections import defaultdict
from collections.abc import Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import suppress
from dataclasses import dataclass
from threading import BoundedSemaphore

from cellpainting.download.image_set import HOPELESS, Made, Maker, Supply, Task, nothing_earlier
from cellpainting.download.publish import Form
from cellpainting.download.recipe import Recipe
from cellpainting.download.tally import Tally
from cellpainting.errors import StorageFull, StorageUnavailable
from cellpainting.jobs import DownloadImages
from cellpainting.ledger import GroupResult
from cellpainting.ledger.shard_work import ShardWork
from cellpainting.planning import Group, ShardPlan
from cellpainting.planning.plan_download import channel_positions, image_set_name
from cellpainting.storage import Sources

# Image sets on their way per processor: S3 answers after some 50 ms and then sends an image in 30, while a processor
# makes one in 8. Each has one image in memory at a time, some 10 MB.
LANES_PER_PROCESSOR = 12


@dataclass(frozen=True)
class Shard:
    """A shard at work."""

    job: DownloadImages
    plan: ShardPlan
    sources: Sources
    recipe: Recipe
    form: Form

    def tasks(self, group: Group) -> list[Task]:
        """The image sets of a group."""
        table = self.plan.table(group)
        at = channel_positions(self.job, table)
        return [
            Task(image_set, image_set_name(table, row), {channel: row[at[channel]] for channel in at})
            for image_set, row in zip(self.plan.image_sets(group), group.rows, strict=True)
        ]

    def fingerprint(self, group: Group) -> str:
        """What the files of a group are made from, beside the images themselves."""
        told = f"{self.plan.fingerprint(group)} {self.recipe.text} {self.job.format}"
        return hashlib.sha256(told.encode()).hexdigest()


class Downloader:
    """Does what is left of a shard."""

    def __init__(self, shard: Shard, work: ShardWork, tally: Tally) -> None:
        self._shard, self._work, self._tally = shard, work, tally
        self._supply = Supply()
        self._running: dict[Future[Made], Group] = {}

    def run(self, processors: int) -> None:
        """Return when all that is left is recorded. What is interrupted goes on where it was.

        Raises
        ------
        StorageUnavailable
            If results cannot be published, or the storage of the images gives nothing any more.
        StorageFull
            If there is no room for results.
        """
        is_new = self._shard.job.force or not self._work.is_continued
        self._work.write_progress()  # from now on, files may be there that no record tells of
        maker = Maker(
            self._shard.recipe,
            self._shard.sources,
            BoundedSemaphore(processors),
            self._supply,
            nothing_earlier if is_new else self._shard.form.earlier,
        )
        lanes = ThreadPoolExecutor(processors * LANES_PER_PROCESSOR)
        try:
            self._do_all(lanes, maker, 2 * processors * LANES_PER_PROCESSOR)
        except BaseException:
            self._supply.stop()
            with suppress(StorageFull, StorageUnavailable):  # that it stops is told already
                self._work.write_progress()  # before lanes that wait for an answer are waited for
            lanes.shutdown(cancel_futures=True)
            raise
        lanes.shutdown()

    def _do_all(self, lanes: ThreadPoolExecutor, maker: Maker, most: int) -> None:
        waiting: dict[str, list[Made]] = defaultdict(list)
        for group, task in self._tasks_left():
            self._running[lanes.submit(self._do, maker, task)] = group
            if len(self._running) >= most:
                self._collect(waiting)
        while self._running:
            self._collect(waiting)

    def _tasks_left(self) -> Iterator[tuple[Group, Task]]:
        for group in self._work.left:
            for task in self._shard.tasks(group):
                yield group, task

    def _do(self, maker: Maker, task: Task) -> Made:
        made = maker.make(task)
        self._shard.form.put(made)
        return made

    def _collect(self, waiting: dict[str, list[Made]]) -> None:
        """Wait for image sets that are done, and record the groups that are whole with them."""
        for future in wait(self._running, return_when=FIRST_COMPLETED).done:
            group, made = self._running.pop(future), future.result()
            self._require_supply()
            self._tally.count(made)
            waiting[group.folder].append(made)
            if len(waiting[group.folder]) == len(group.rows):
                self._record(group, waiting.pop(group.folder))

    def _require_supply(self) -> None:
        if self._supply.failure:
            raise StorageUnavailable(
                f"the storage gave nothing of {HOPELESS} images in a row, at last {self._supply.failure}; "
                "do it again when it can be reached: it goes on where it was"
            )

    def _record(self, group: Group, members: list[Made]) -> None:
        members.sort(key=lambda made: made.task.image_set.number)
        outputs = self._shard.form.put_group(group.folder, members)
        result = GroupResult(
            folder=group.folder,
            outcomes=tuple(made.outcome for made in members),
            inputs=tuple(file for made in members for file in made.inputs),
            outputs=outputs,
            rows={},
            seconds=round(sum(made.seconds for made in members), 3),
            peak_memory_mib=round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1),
            fingerprint=self._shard.fingerprint(group),
        )
        self._work.record(result)


def metadata_by_name(plan: ShardPlan) -> Mapping[str, Mapping[str, str]]:
    """The metadata of each image set of a shard, in order, by its name."""
    return {
        image_set_name(table, row): table.metadata(row)
        for group in plan.groups
        for table in [plan.table(group)]
        for row in group.rows
    }
