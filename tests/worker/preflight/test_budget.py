"""A budget that does not suffice for a single shard is told before anything is spent."""

from pathlib import Path
from typing import Any

import pytest

from cellpainting.cost.prices import shipped_prices
from cellpainting.preflight import Preflight, check_request
from cellpainting.storage import FolderStorage
from tests.worker.preflight.plates import bucket_with, record_of, sites

USD = shipped_prices().on_demand.of(5 + 96 * 10, 1, 4096)


@pytest.fixture
def bucket(tmp_path: Path) -> FolderStorage:
    return bucket_with(tmp_path, sites([f"A{column:02}" for column in range(1, 25)], count=4))


def check(bucket: FolderStorage, **fields: Any) -> Preflight:
    return check_request(record_of(accelerate=False, **fields), bucket)


def test_a_shard_that_would_pass_it_is_told_with_the_estimate_and_the_remedy(bucket: FolderStorage) -> None:
    looked = check(bucket, budget_usd=0.01, image_sets_per_shard=96)
    assert looked.exit_status == 2
    (finding,) = looked.findings
    assert finding.subject == "budget_usd"
    assert "got 0.01" in finding.problem
    assert f"a further shard is estimated at ${USD:.4f} (default: " in finding.problem
    assert finding.remedy == "give more, or make shards smaller"


def test_one_that_suffices_for_a_shard_is_no_error(bucket: FolderStorage) -> None:
    assert check(bucket, budget_usd=0.01).exit_status == 0
    assert check(bucket, image_sets_per_shard=96).exit_status == 0
