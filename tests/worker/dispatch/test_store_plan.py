"""A stored plan is whole, or is not taken for one."""

from pathlib import Path

import pytest

from cellpainting.dispatch.store_plan import read_plan_record, store_plan
from cellpainting.errors import StorageUnavailable
from cellpainting.jobs.run_record import RunKeys
from cellpainting.ledger import read_plan
from cellpainting.planning import Group, ShardPlan
from cellpainting.planning.run_plan import RunPlan
from cellpainting.storage import FolderStorage
from tests.worker.planning.conftest import plate_of

KEYS = RunKeys("run-1")


class FullFolder(FolderStorage):
    """A folder that takes no plan of shard 1."""

    def write(self, key: str, content: bytes) -> None:
        if key == KEYS.shard_plan(1):
            raise StorageUnavailable("no room")
        super().write(key, content)


def plan_of(wells: int) -> RunPlan:
    table = plate_of(wells, 1)
    shards = (ShardPlan(number, (Group(row[1], (row,)),), table.columns) for number, row in enumerate(table.rows))
    return RunPlan(tuple(shards), ())


def test_plan_table_has_a_row_per_image_set_and_the_record_says_how_many(tmp_path: Path) -> None:
    storage = FolderStorage(tmp_path)
    record = store_plan(KEYS, plan_of(3), (0, 2), storage)
    assert (record.shard_count, record.image_set_count, record.largest_shard_groups) == (3, 3, 1)
    assert record.pending == "0,2"
    assert [one.well for one in read_plan(storage.read(KEYS.plan))] == ["A01", "A02", "A03"]
    assert read_plan_record(KEYS, storage) == record


def test_plan_that_could_not_be_written_whole_is_written_again(tmp_path: Path) -> None:
    storage = FolderStorage(tmp_path)
    store_plan(KEYS, plan_of(1), (0,), storage)
    with pytest.raises(StorageUnavailable):
        store_plan(KEYS, plan_of(3), (0, 1, 2), FullFolder(tmp_path))
    (tmp_path / KEYS.shard_plan(0)).write_bytes(b"of the other plan")
    store_plan(KEYS, plan_of(1), (0,), storage)
    assert ShardPlan.from_json(storage.read(KEYS.shard_plan(0))) == plan_of(1).shards[0]


def test_folder_whose_image_sets_are_not_known_yet_keeps_the_table_that_its_worker_wrote(tmp_path: Path) -> None:
    storage = FolderStorage(tmp_path)
    storage.write(KEYS.plan, b"by the worker")
    store_plan(KEYS, RunPlan((ShardPlan(0, (Group(""),)),), ()), (0,), storage)
    assert storage.read(KEYS.plan) == b"by the worker"
