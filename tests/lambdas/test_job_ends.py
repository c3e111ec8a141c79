"""What follows when a job ends: losses have their cause, memory is doubled, a plan is submitted, the ledger written."""

import json
import time
from dataclasses import replace
from typing import Any

import pytest

from cellpainting.dispatch.batch_jobs import BatchJobs
from cellpainting.dispatch.planning_job import plan_run
from cellpainting.dispatch.submission import ClaimedByAnother, read_submission, record
from cellpainting.errors import MissingInput
from cellpainting.jobs import RunCellProfiler, RunRecord
from cellpainting.ledger import Cause, LostShard
from cellpainting.load_data.places import Places
from cellpainting.load_data.read_csv import read_csv
from cellpainting.planning.plan_job import ImageSetSource
from cellpainting.storage import Storage
from job_ends import JobEnds
from tests.conftest import measuring
from tests.lambdas.conftest import PIPELINE, VERSION, Cloud, backend_of, load_data_of, plate_of
from tests.lambdas.test_dispatcher import do_shard, put_images

KILLED = {"statusReason": "Essential container in task exited", "container": {"exitCode": 137}}


@pytest.fixture
def ends(cloud: Cloud) -> JobEnds:
    return JobEnds(cloud.dispatcher, BatchJobs(cloud.batch))


def lost(cloud: Cloud, run: RunRecord, shard: int) -> LostShard:
    return LostShard.from_json(cloud.storage.read(run.keys.lost(shard)))


def summary(cloud: Cloud, run: RunRecord) -> dict[str, Any]:
    return dict(json.loads(cloud.storage.read(run.keys.summary)))


class TestLosses:
    def test_child_without_a_manifest_is_lost_with_its_cause_and_the_others_are_done(
        self, cloud: Cloud, ends: JobEnds
    ) -> None:
        put_images(cloud, 3)
        run = plate_of(image_sets_per_shard=1)
        cloud.dispatch(run, "m1")
        (job,) = cloud.jobs
        for shard in (0, 2):
            do_shard(cloud, run, shard)
        cloud.set_status(f"{job['jobId']}:1", "FAILED", None, "Host EC2 (instance i-0) terminated.")
        assert "2 done" in ends.follow(cloud.detail(job, status="FAILED"))
        assert lost(cloud, run, 1).cause == Cause.MACHINE_LOST
        assert "Host EC2 (instance i-0) terminated." in lost(cloud, run, 1).reason
        counted = summary(cloud, run)
        assert (counted["states"]["done"], counted["states"]["failed"], counted["image_sets"]) == (2, 1, 3)
        with pytest.raises(MissingInput):
            lost(cloud, run, 0)

    def test_backend_that_was_killed_before_it_knew_its_image_sets_is_sent_with_more_memory(
        self, cloud: Cloud, ends: JobEnds
    ) -> None:
        run = backend_of()
        cloud.dispatch(run, "m1")
        (job,) = cloud.jobs
        killed = {"reason": "OutOfMemoryError: container killed", "exitCode": 137}
        assert "8192 MiB" in ends.follow(cloud.detail(job, status="FAILED", container=killed))
        assert lost(cloud, run, 0).cause == Cause.OUT_OF_MEMORY

    def test_shard_of_a_later_submission_is_found_in_its_list(self, cloud: Cloud, ends: JobEnds) -> None:
        put_images(cloud, 3)
        run = plate_of(image_sets_per_shard=1)
        cloud.dispatch(run, "m1")
        do_shard(cloud, run, 0)
        cloud.dispatch(run, "m2")
        second = cloud.jobs[1]
        cloud.set_status(f"{second['jobId']}:1", "FAILED", 75, "Essential container in task exited")
        ends.follow(cloud.detail(second, status="FAILED"))
        assert lost(cloud, run, 2).cause == Cause.STORAGE_UNAVAILABLE

    def test_nothing_is_written_while_another_job_of_the_run_is_alive(
        self, cloud: Cloud, ends: JobEnds, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("cellpainting.dispatch.submission.LARGEST_ARRAY", 1)
        run = plate_of(image_sets_per_shard=1)
        cloud.dispatch(run, "m1")
        jobs = cloud.jobs
        cloud.set_status(jobs[2]["jobId"], "RUNNING")
        assert "have not ended" in ends.follow(cloud.detail(jobs[0]))
        cloud.set_status(jobs[2]["jobId"], "SUCCEEDED")
        assert "nothing of this run is left" in ends.follow(cloud.detail(jobs[2]))

    def test_event_that_comes_while_its_run_is_being_dispatched_is_to_come_again(
        self, cloud: Cloud, ends: JobEnds
    ) -> None:
        run = plate_of()
        cloud.dispatch(run, "m1")
        done = read_submission(run.keys, 0, cloud.storage)
        record(run.keys, replace(done, is_closed=False, claimed_at=time.time()), cloud.storage)
        with pytest.raises(ClaimedByAnother):
            ends.follow(cloud.detail(cloud.jobs[0]))

    @pytest.mark.parametrize(
        "changed",
        [
            {"parameters": {}},
            {"parameters": {"request": "s3://data/runs/nowhere-1/request.json", "submission": "0"}},
            {"parameters": {"request": "s3://elsewhere/runs/x-1/request.json", "submission": ""}},
            {"jobName": "by-hand"},
        ],
    )
    def test_job_of_somebody_else_is_left_alone(self, cloud: Cloud, ends: JobEnds, changed: dict[str, Any]) -> None:
        cloud.dispatch(plate_of(), "m1")
        assert "somebody else" in ends.follow(cloud.detail(cloud.jobs[0], **changed))


class TestMemory:
    def test_shard_that_was_killed_for_memory_gets_twice_as_much_until_the_maximum(
        self, cloud: Cloud, ends: JobEnds
    ) -> None:
        run = plate_of()
        cloud.dispatch(run, "m1")
        for expected in (8192, 10_000):
            job = cloud.jobs[-1]
            assert f"with {expected} MiB" in ends.follow(cloud.detail(job, status="FAILED", **KILLED))
            again = cloud.overrides(cloud.jobs[-1]["jobId"])
            assert again["resourceRequirements"] == [{"type": "MEMORY", "value": str(expected)}]
            assert {"name": "CPB_MEMORY_MIB", "value": str(expected)} in again["environment"]
        assert "3 failed" in ends.follow(cloud.detail(cloud.jobs[-1], status="FAILED", **KILLED))
        assert len(cloud.jobs) == 3
        assert lost(cloud, run, 0).cause == Cause.OUT_OF_MEMORY

    def test_shard_whose_manifest_says_so_is_submitted_alone(self, cloud: Cloud, ends: JobEnds) -> None:
        put_images(cloud, 3)
        run = plate_of(image_sets_per_shard=1)
        cloud.dispatch(run, "m1")
        (job,) = cloud.jobs
        causes = [None, Cause.OUT_OF_MEMORY, Cause.PIPELINE_ERROR]
        for shard, cause in enumerate(causes):
            do_shard(cloud, run, shard, cause)
            cloud.set_status(f"{job['jobId']}:{shard}", "FAILED" if cause else "SUCCEEDED", 1 if cause else 0)
        for _ in range(2):  # the event comes twice
            ends.follow(cloud.detail(job, status="FAILED"))
        assert len(cloud.jobs) == 2
        again = read_submission(run.keys, 1, cloud.storage)
        assert (again.shard_numbers, again.memory_mib) == ((1,), 8192)

    def test_late_event_does_not_submit_what_the_request_sent_again_has(self, cloud: Cloud, ends: JobEnds) -> None:
        run = plate_of()
        cloud.dispatch(run, "m1")
        first = cloud.jobs[0]
        cloud.dispatch(run, "m2")
        ends.follow(cloud.detail(first, status="FAILED", **KILLED))
        assert len(cloud.jobs) == 2


class TestPlanning:
    @pytest.fixture
    def run(self, cloud: Cloud) -> RunRecord:
        """A run whose planning job was submitted."""
        run = plate_of(load_data="p/load_data.parquet", image_sets_per_shard=1)
        cloud.storage.write("p/load_data.parquet", b"columns")
        cloud.dispatch(run, "m1", is_planned_here=False)
        return run

    def do_plan(self, cloud: Cloud, run: RunRecord, image_sets: int = 3) -> None:
        """Do what the worker does, with a reader of its own."""

        def read(job: RunCellProfiler, storage: Storage) -> ImageSetSource:
            table = read_csv(load_data_of(image_sets), "load_data.csv", Places.of(storage.uri("")))
            return ImageSetSource(table, PIPELINE.encode())

        plan_run(run, cloud.storage, read, VERSION)

    def test_its_shards_are_submitted_when_it_has_ended_and_only_once(
        self, cloud: Cloud, ends: JobEnds, run: RunRecord
    ) -> None:
        self.do_plan(cloud, run)
        for _ in range(2):
            ends.follow(cloud.detail(cloud.jobs[0]))
        assert [job["jobName"] for job in cloud.jobs] == [f"{run.run_id}-0-plan", f"{run.run_id}-1-0"]
        assert cloud.jobs[1]["arrayProperties"]["size"] == 3

    def test_only_what_is_pending_is_submitted(self, cloud: Cloud, ends: JobEnds, run: RunRecord) -> None:
        put_images(cloud, 3)
        self.do_plan(cloud, run)
        for shard in range(3):
            do_shard(cloud, run, shard)
        cloud.storage.write("p/images/2.tif", b"another image")
        self.do_plan(cloud, run)
        ends.follow(cloud.detail(cloud.jobs[0]))
        assert read_submission(run.keys, 1, cloud.storage).shard_numbers == (2,)

    def test_run_that_turns_out_to_be_done_is_counted(self, cloud: Cloud, ends: JobEnds, run: RunRecord) -> None:
        put_images(cloud, 3)
        self.do_plan(cloud, run)
        for shard in range(3):
            do_shard(cloud, run, shard)
        self.do_plan(cloud, run)
        assert "3 done" in ends.follow(cloud.detail(cloud.jobs[0]))
        assert summary(cloud, run)["complete"]

    def test_plan_that_is_refused_is_in_the_summary_with_its_reason(
        self, cloud: Cloud, ends: JobEnds, run: RunRecord
    ) -> None:
        with pytest.raises(MissingInput):
            plan_run(
                replace(run, job=replace(measuring(run.job), pipeline="p/gone.cppipe")), cloud.storage, _never, VERSION
            )
        ends.follow(cloud.detail(cloud.jobs[0], status="FAILED", container={"exitCode": 1}))
        assert len(cloud.jobs) == 1
        assert "p/gone.cppipe" in summary(cloud, run)["planning_failure"]

    def test_planning_job_that_was_lost_is_in_the_summary_with_batch_s_reason(
        self, cloud: Cloud, ends: JobEnds, run: RunRecord
    ) -> None:
        reason = "Host EC2 (instance i-0) terminated."
        ends.follow(cloud.detail(cloud.jobs[0], status="FAILED", statusReason=reason, container={}))
        assert reason in summary(cloud, run)["planning_failure"]

    def test_planning_job_that_ran_out_of_memory_gets_twice_as_much(
        self, cloud: Cloud, ends: JobEnds, run: RunRecord
    ) -> None:
        for _ in range(2):
            ends.follow(cloud.detail(cloud.jobs[0], status="FAILED", **KILLED))
        assert [job["jobName"] for job in cloud.jobs] == [f"{run.run_id}-{number}-plan" for number in (0, 1)]
        assert read_submission(run.keys, 1, cloud.storage).memory_mib == 8192


def _never(job: RunCellProfiler, storage: Storage) -> ImageSetSource:
    raise AssertionError("nothing is read when the pipeline is not there")
