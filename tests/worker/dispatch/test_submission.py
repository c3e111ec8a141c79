"""A submission is divided into as few jobs as Batch allows."""

from pathlib import Path

import pytest

from cellpainting.dispatch.submission import ClaimedByAnother, Work, claim
from cellpainting.jobs.run_record import RunKeys
from cellpainting.storage import FolderStorage

KEYS = RunKeys("run-1")


def work_of(shard_count: int) -> Work:
    return Work("m1", tuple(range(shard_count)), vcpus=1, memory_mib=4096, timeout_s=3600, queue="spot")


@pytest.mark.parametrize(
    ("shard_count", "sizes"),
    [(1, [1]), (2, [2]), (10_000, [10_000]), (10_001, [10_000, 1]), (25_000, [10_000, 10_000, 5_000])],
)
def test_array_has_at_most_10_000_children(tmp_path: Path, shard_count: int, sizes: list[int]) -> None:
    submission = claim(KEYS, 0, work_of(shard_count), FolderStorage(tmp_path))
    assert [part.size for part in submission.parts] == sizes


def test_a_million_shards_are_a_hundred_jobs_and_a_short_record(tmp_path: Path) -> None:
    storage = FolderStorage(tmp_path)
    submission = claim(KEYS, 0, work_of(1_000_000), storage)
    assert len(submission.parts) == 100
    assert storage.stat(KEYS.submission(0)).size < 10_000


def test_of_two_claims_on_one_submission_one_is_made(tmp_path: Path) -> None:
    storage = FolderStorage(tmp_path)
    claim(KEYS, 0, work_of(1), storage)
    with pytest.raises(ClaimedByAnother):
        claim(KEYS, 0, work_of(1), storage)
