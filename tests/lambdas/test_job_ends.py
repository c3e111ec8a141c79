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

RECLAIMED = "Host EC2 (instance i-0) terminated."
# As the guide of AWS Batch has it.
NO_CAPACITY = "Canceled by JobStateTimeLimit action due to reason: CAPACITY:INSUFFICIENT_INSTANCE_CAPACITY"
KILLED = {"statusReason": "Essential container in task exited", "container": {"exitCode": 137}}


@pytest.fixture
def ends(cloud: Cloud) -> JobEnds:
    return cloud.ends


def lost(cloud: Cloud, run: RunRecord, shard: int) -> LostShard:
    return LostShard.from_json(cloud.storage.read(run.keys.lost(shard)))


def queue_of(job: dict[str, Any]) -> str:
    return str(job["jobQueue"]).rpartition("/")[2]


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
        cloud.set_status(f"{job['jobId']}:1", "FAILED", None, RECLAIMED)
        assert "on-demand" in ends.follow(cloud.detail(job, status="FAILED"))
        assert "2 done" in ends.follow(cloud.detail(cloud.jobs[1], status="FAILED", statusReason=RECLAIMED))
        assert lost(cloud, run, 1).cause == Cause.MACHINE_LOST
        assert RECLAIMED in lost(cloud, run, 1).reason
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


class TestOnDemand:
    @pytest.fixture
    def run(self, cloud: Cloud) -> RunRecord:
        """A run of three shards, each a child of one array job."""
        put_images(cloud, 3)
        run = plate_of(image_sets_per_shard=1)
        cloud.dispatch(run, "m1")
        return run

    def fail(self, cloud: Cloud, ends: JobEnds, endings: list[tuple[int | None, str]], **changed: Any) -> str:
        """End the children of the last job with an exit code and a reason each; the event comes twice."""
        job = cloud.jobs[-1]
        for index, (exit_code, reason) in enumerate(endings):
            cloud.set_status(f"{job['jobId']}:{index}", "SUCCEEDED" if exit_code == 0 else "FAILED", exit_code, reason)
        told = ends.follow(cloud.detail(job, status="FAILED", **changed))
        ends.follow(cloud.detail(job, status="FAILED", **changed))
        return told

    def test_what_was_reclaimed_to_the_last_attempt_or_found_no_host_is_sent_there_once(
        self, cloud: Cloud, ends: JobEnds, run: RunRecord
    ) -> None:
        do_shard(cloud, run, 0)
        assert "on-demand" in self.fail(cloud, ends, [(0, ""), (None, RECLAIMED), (None, NO_CAPACITY)])
        assert [queue_of(job) for job in cloud.jobs] == ["work", "on-demand"]
        again = read_submission(run.keys, 1, cloud.storage)
        assert (again.shard_numbers, again.queue.rpartition("/")[2]) == ((1, 2), "on-demand")
        assert "1 done" in self.fail(cloud, ends, [(None, RECLAIMED), (None, NO_CAPACITY)])
        assert len(cloud.jobs) == 2
        assert summary(cloud, run)["causes"] == {"machine_lost": 1, "not_run": 1}

    def test_shard_with_an_older_manifest_that_found_no_host_is_sent_there(
        self, cloud: Cloud, ends: JobEnds, run: RunRecord
    ) -> None:
        for number in range(3):
            do_shard(cloud, run, number, Cause.TIMEOUT)
        self.fail(cloud, ends, [(1, ""), (None, NO_CAPACITY), (1, "")])
        assert read_submission(run.keys, 1, cloud.storage).shard_numbers == (1,)

    def test_memory_is_doubled_on_the_queue_where_it_ran_out(self, cloud: Cloud, ends: JobEnds, run: RunRecord) -> None:
        self.fail(cloud, ends, [(137, "Essential container in task exited"), (None, RECLAIMED), (None, RECLAIMED)])
        submitted = [read_submission(run.keys, number, cloud.storage) for number in (1, 2)]
        assert [(one.shard_numbers, one.memory_mib) for one in submitted] == [((0,), 8192), ((1, 2), 4096)]
        assert [queue_of(job) for job in cloud.jobs] == ["work", "work", "on-demand"]
        self.fail(cloud, ends, [(137, ""), (137, "")])
        assert (queue_of(cloud.jobs[-1]), read_submission(run.keys, 3, cloud.storage).memory_mib) == ("on-demand", 8192)

    def test_dispatch_that_dies_between_the_two_is_completed_when_the_event_comes_again(
        self, cloud: Cloud, ends: JobEnds, run: RunRecord, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        submit, calls = BatchJobs.submit, iter([BatchJobs.submit])

        def die(*arguments: Any) -> Any:
            return next(calls, lambda *_: 1 / 0)(*arguments)

        endings: list[tuple[int | None, str]] = [(137, ""), (None, RECLAIMED), (None, RECLAIMED)]
        with monkeypatch.context() as patched:
            patched.setattr(BatchJobs, "submit", die)
            with pytest.raises(ZeroDivisionError):
                self.fail(cloud, ends, endings)
        assert BatchJobs.submit is submit
        ends.follow(cloud.detail(cloud.jobs[0], status="FAILED"))
        assert [(queue_of(job), job.get("arrayProperties", {}).get("size", 1)) for job in cloud.jobs[1:]] == [
            ("work", 1),
            ("on-demand", 2),
        ]

    def test_request_that_names_its_queue_is_left_on_it(self, cloud: Cloud, ends: JobEnds) -> None:
        run = plate_of(job_queue="work")
        cloud.dispatch(run, "m1")
        ends.follow(cloud.detail(cloud.jobs[0], status="FAILED", statusReason=RECLAIMED))
        assert len(cloud.jobs) == 1
        assert lost(cloud, run, 0).cause == Cause.MACHINE_LOST

    @pytest.mark.parametrize("ending", [(137, "by hand"), (143, "by hand")])
    def test_what_somebody_has_terminated_stays_so(
        self, cloud: Cloud, ends: JobEnds, run: RunRecord, ending: tuple[int, str]
    ) -> None:
        told = self.fail(cloud, ends, [ending] * 3, isTerminated=True)
        assert "nothing of this run is left" in told
        assert len(cloud.jobs) == 1

    def test_submission_of_before_there_were_two_queues_is_read(
        self, cloud: Cloud, ends: JobEnds, run: RunRecord
    ) -> None:
        document = json.loads(cloud.storage.read(run.keys.submission(0)))
        del document["queue"]
        old = {**document, "is_closed": False, "parts": [{**document["parts"][0], "job_id": ""}], "claimed_at": 0.0}
        cloud.storage.write(run.keys.submission(0), json.dumps(old).encode())
        self.fail(cloud, ends, [(None, RECLAIMED)] * 3)
        first, second = (read_submission(run.keys, number, cloud.storage) for number in (0, 1))
        assert first.job_ids == (cloud.jobs[0]["jobId"],)
        assert second.queue.endswith("on-demand")

    def test_open_claim_is_settled_on_the_queue_that_it_names(
        self, cloud: Cloud, ends: JobEnds, run: RunRecord
    ) -> None:
        self.fail(cloud, ends, [(None, RECLAIMED)] * 3)
        sent = read_submission(run.keys, 1, cloud.storage)
        parts = tuple(replace(part, job_id="") for part in sent.parts)
        record(run.keys, replace(sent, parts=parts, is_closed=False, claimed_at=0.0), cloud.storage)
        ends.follow(cloud.detail(cloud.jobs[0], status="FAILED"))
        assert len(cloud.jobs) == 2
        assert read_submission(run.keys, 1, cloud.storage) == replace(sent, claimed_at=0.0)


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
        for number in range(2):
            ends.follow(cloud.detail(cloud.jobs[number], status="FAILED", statusReason=RECLAIMED, container={}))
        assert [queue_of(job) for job in cloud.jobs] == ["work", "on-demand"]
        assert RECLAIMED in summary(cloud, run)["planning_failure"]

    def test_planning_job_that_ran_out_of_memory_gets_twice_as_much(
        self, cloud: Cloud, ends: JobEnds, run: RunRecord
    ) -> None:
        for _ in range(2):
            ends.follow(cloud.detail(cloud.jobs[0], status="FAILED", **KILLED))
        assert [job["jobName"] for job in cloud.jobs] == [f"{run.run_id}-{number}-plan" for number in (0, 1)]
        assert read_submission(run.keys, 1, cloud.storage).memory_mib == 8192


def _never(job: RunCellProfiler, storage: Storage) -> ImageSetSource:
    raise AssertionError("nothing is read when the pipeline is not there")
