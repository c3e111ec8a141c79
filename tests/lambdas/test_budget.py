"""A run stops where its budget does: what is submitted, what waits, what is left, and how it goes on."""

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest

from cellpainting.cost.job_size import JobSize
from cellpainting.cost.prices import shipped_prices
from cellpainting.dispatch.budget import open_budget
from cellpainting.dispatch.planning_job import plan_run
from cellpainting.dispatch.submission import Work, read_submission
from cellpainting.errors import InvalidField
from cellpainting.jobs import RunCellProfiler, RunRecord
from cellpainting.ledger import Cause, Manifest, ShardState, read_ledger
from cellpainting.ledger.held import read_held
from cellpainting.load_data.places import Places
from cellpainting.load_data.read_csv import read_csv
from cellpainting.planning.plan_job import ImageSetSource
from cellpainting.storage import Storage
from job_ends import JobEnds
from tests.lambdas.conftest import PIPELINE, VERSION, Cloud, load_data_of, plate_of
from tests.lambdas.test_dispatcher import do_shard, put_images

SHARDS = 100
USD_PER_S = shipped_prices().on_demand.usd / 3600
DEFAULT_S = 15  # of a shard of one image set by this pipeline, which finds no objects, without acceleration
SLOW_S = 60
BUDGET = 11.4 * SLOW_S * USD_PER_S
FIRST = 4  # a tenth of the budget is for 4.56


@pytest.fixture
def ends(cloud: Cloud) -> JobEnds:
    return cloud.ends


@pytest.fixture
def plate(cloud: Cloud) -> Cloud:
    """Load data of as many image sets as there are shards."""
    cloud.storage.write("p/load_data.csv", load_data_of(SHARDS))
    put_images(cloud, SHARDS)
    return cloud


def limited(**fields: Any) -> RunRecord:
    return plate_of(**{"image_sets_per_shard": 1, "budget_usd": BUDGET, "accelerate": False, **fields})


def do(cloud: Cloud, run: RunRecord, shard: int, seconds: float, cause: Cause | None = None) -> None:
    """Do a shard as if it had taken so long."""
    do_shard(cloud, run, shard, cause)
    manifest = Manifest.from_json(cloud.storage.read(run.keys.shard(shard)))
    groups = tuple(replace(group, seconds=seconds) for group in manifest.groups)
    cloud.storage.write(run.keys.shard(shard), replace(manifest, groups=groups, seconds=seconds).to_json())


def end_wave(cloud: Cloud, ends: JobEnds, run: RunRecord, number: int, seconds: float) -> tuple[int, ...]:
    """Do all shards of one submission and tell of its end; returns them."""
    shards = read_submission(run.keys, number, cloud.storage).shard_numbers
    for shard in shards:
        do(cloud, run, shard, seconds)
    ends.follow(cloud.detail(cloud.jobs[number]))
    return shards


def spend(cloud: Cloud, ends: JobEnds, run: RunRecord, seconds: float = SLOW_S) -> list[int]:
    """Go on until nothing more is submitted; returns the shards that were done."""
    done: list[int] = []
    number = 0
    while number < len(cloud.jobs):
        done += end_wave(cloud, ends, run, number, seconds)
        number += 1
    return done


class TestFirstWave:
    def test_as_long_as_a_default_tells_no_more_than_a_tenth_of_the_budget_is_on_its_way(self, plate: Cloud) -> None:
        run = limited()
        plate.dispatch(run, "m1")
        assert read_submission(run.keys, 0, plate.storage).shard_numbers == (0, 1, 2, 3)
        ledger = read_ledger(plate.storage, run.run_id)
        assert (len(ledger.outcomes), ledger.is_over) == (SHARDS, False)

    def test_a_budget_that_is_ample_is_not_felt(self, plate: Cloud) -> None:
        run = limited(budget_usd=1)
        plate.dispatch(run, "m1")
        assert len(read_submission(run.keys, 0, plate.storage).shard_numbers) == SHARDS
        assert read_held(run.keys, plate.storage).shards == ()

    def test_a_shard_that_alone_would_pass_the_budget_is_refused_with_the_estimate(self, plate: Cloud) -> None:
        with pytest.raises(InvalidField, match="budget_usd") as refused:
            plate.dispatch(limited(image_sets_per_shard=100), "m1")
        estimate = (5 + 100 * 10) * USD_PER_S
        assert f"a further shard is estimated at ${estimate:.4f} (default: assumed" in str(refused.value)
        assert plate.jobs == []

    def test_more_memory_makes_shards_dearer_so_that_fewer_fit(self, plate: Cloud) -> None:
        run = limited(job_memory=8192)
        plate.dispatch(run, "m1")
        assert len(read_submission(run.keys, 0, plate.storage).shard_numbers) == FIRST // 2


class TestWaves:
    def test_what_shards_really_take_decides_how_many_follow(self, plate: Cloud, ends: JobEnds) -> None:
        run = limited()
        plate.dispatch(run, "m1")
        end_wave(plate, ends, run, 0, SLOW_S)
        fitting = int((BUDGET - FIRST * SLOW_S * USD_PER_S) / (SLOW_S * USD_PER_S))
        assert len(read_submission(run.keys, 1, plate.storage).shard_numbers) == fitting == 7

    def test_an_event_that_comes_twice_submits_once(self, plate: Cloud, ends: JobEnds) -> None:
        run = limited()
        plate.dispatch(run, "m1")
        end_wave(plate, ends, run, 0, SLOW_S)
        plate.set_status(plate.jobs[1]["jobId"], "RUNNING")
        ends.follow(plate.detail(plate.jobs[0]))
        assert len(plate.jobs) == 2

    def test_run_stops_within_its_budget_and_what_is_left_is_accounted_for(self, plate: Cloud, ends: JobEnds) -> None:
        run = limited()
        plate.dispatch(run, "m1")
        done = spend(plate, ends, run)
        assert done == list(range(11))
        assert len(done) * SLOW_S * USD_PER_S <= BUDGET < (len(done) + 1) * SLOW_S * USD_PER_S
        summary = json.loads(plate.storage.read(run.keys.summary))
        assert (summary["states"]["done"], summary["causes"]) == (11, {"budget": 89})
        assert summary["shards"]["held"] == 89
        ledger = read_ledger(plate.storage, run.run_id)
        assert (ledger.is_over, ledger.is_complete) == (True, False)
        assert set(ledger.shards.values()) == {ShardState.WITH_MANIFEST, ShardState.HELD}
        assert f"of the budget of ${BUDGET:g}, ${11 * SLOW_S * USD_PER_S:.4f} were spent" in ledger.outcomes[-1].reason
        assert "send the request again with a larger budget_usd" in ledger.outcomes[-1].reason

    def test_quick_shards_are_all_done(self, plate: Cloud, ends: JobEnds) -> None:
        run = limited()
        plate.dispatch(run, "m1")
        assert sorted(spend(plate, ends, run, 1)) == list(range(SHARDS))
        assert json.loads(plate.storage.read(run.keys.summary))["complete"]

    def test_shards_that_were_lost_count_as_estimated(self, plate: Cloud, ends: JobEnds) -> None:
        run = limited()
        plate.dispatch(run, "m1")
        (job,) = plate.jobs
        for shard in range(FIRST):
            plate.set_status(f"{job['jobId']}:{shard}", "FAILED", None, "Host EC2 (instance i-0) terminated.")
        ends.follow(plate.detail(job, status="FAILED"))
        assert len(read_submission(run.keys, 1, plate.storage).shard_numbers) == 1  # a default still tells, and no more
        do(plate, run, FIRST, SLOW_S)
        ends.follow(plate.detail(plate.jobs[1]))
        left = BUDGET - FIRST * DEFAULT_S * USD_PER_S - SLOW_S * USD_PER_S
        assert len(read_submission(run.keys, 2, plate.storage).shard_numbers) == int(left / (SLOW_S * USD_PER_S))


class TestGoingOn:
    @pytest.fixture
    def stopped(self, plate: Cloud, ends: JobEnds) -> Cloud:
        """A run that has used up its budget."""
        run = limited()
        plate.dispatch(run, "m1")
        spend(plate, ends, run)
        return plate

    def test_another_budget_is_the_same_run_and_only_what_is_left_is_submitted(
        self, stopped: Cloud, ends: JobEnds
    ) -> None:
        larger = limited(budget_usd=1)
        before = len(stopped.jobs)
        stopped.dispatcher.check(larger)
        stopped.dispatch(larger, "m2")
        assert larger.run_id == limited().run_id
        assert read_submission(larger.keys, before, stopped.storage).shard_numbers == tuple(range(11, SHARDS))
        end_wave(stopped, ends, larger, before, SLOW_S)
        assert read_ledger(stopped.storage, larger.run_id).is_complete

    def test_what_was_spent_counts_against_the_larger_budget(self, stopped: Cloud) -> None:
        larger = limited(budget_usd=2 * BUDGET)
        before = len(stopped.jobs)
        stopped.dispatch(larger, "m2")
        assert len(read_submission(larger.keys, before, stopped.storage).shard_numbers) == 11

    def test_the_same_budget_again_is_refused(self, stopped: Cloud) -> None:
        with pytest.raises(InvalidField, match="were spent"):
            stopped.dispatch(limited(), "m2")

    def test_a_redrive_for_the_budget_alone_takes_what_it_let_wait(self, stopped: Cloud) -> None:
        before = len(stopped.jobs)
        run = limited(budget_usd=1, redrive=["budget"])
        stopped.dispatch(run, "m2")
        assert read_submission(run.keys, before, stopped.storage).shard_numbers == tuple(range(11, SHARDS))

    def test_without_a_budget_everything_is_submitted_and_nothing_waits(self, stopped: Cloud) -> None:
        run = plate_of(image_sets_per_shard=1)
        before = len(stopped.jobs)
        stopped.dispatch(run, "m2")
        assert len(read_submission(run.keys, before, stopped.storage).shard_numbers) == 89
        assert read_ledger(stopped.storage, run.run_id).causes == {"not_run": 89}


class TestReservations:
    def test_two_dispatches_at_the_same_time_do_not_take_the_same_money(self, plate: Cloud) -> None:
        run = limited()
        plate.dispatch(run, "m1")
        for shard in range(FIRST):
            do(plate, run, shard, SLOW_S)
        budgets = [open_budget(run, plate.storage, JobSize.of) for _ in range(4)]
        works = [Work("end", tuple(range(20 * n, 20 * n + 20)), 1, 4096, 60, "queue") for n in range(1, 5)]

        def admit(number: int) -> int:
            budget = budgets[number]
            assert budget
            work = budget.admit(run, number + 1, works[number])
            return len(work.shards) if work else 0

        with ThreadPoolExecutor(4) as dispatches:
            admitted = list(dispatches.map(admit, range(4)))
        assert sum(admitted) == 7

    def test_a_dispatch_that_is_made_again_does_not_reserve_twice(self, plate: Cloud) -> None:
        run = limited()
        plate.dispatch(run, "m1")
        for shard in range(FIRST):
            do(plate, run, shard, SLOW_S)
        work = Work("end", tuple(range(4, 8)), 1, 4096, 60, "queue")
        for _ in range(3):
            budget = open_budget(run, plate.storage, JobSize.of)
            assert budget
            assert budget.admit(run, 1, work) == work


def test_shards_of_a_planning_job_are_within_the_budget_too(plate: Cloud, ends: JobEnds) -> None:
    run = limited(load_data="p/load_data.parquet")
    plate.storage.write("p/load_data.parquet", b"columns")
    plate.dispatch(run, "m1", is_planned_here=False)

    def read(job: RunCellProfiler, storage: Storage) -> ImageSetSource:
        table = read_csv(load_data_of(SHARDS), "load_data.csv", Places.of(storage.uri("")))
        return ImageSetSource(table, PIPELINE.encode())

    plan_run(run, plate.storage, read, VERSION)
    ends.follow(plate.detail(plate.jobs[0]))
    assert len(read_submission(run.keys, 1, plate.storage).shard_numbers) == FIRST
