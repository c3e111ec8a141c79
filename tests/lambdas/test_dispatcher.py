"""A run is submitted once, whatever is delivered twice or dies half-way: its record in the bucket decides."""

import json
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest

from cellpainting.dispatch.batch_jobs import BatchJobs
from cellpainting.dispatch.submission import CLAIM_EXPIRES_S, ClaimedByAnother, Submission, read_submission, record
from cellpainting.errors import InvalidField, InvalidRequest, MissingInput
from cellpainting.jobs import RunRecord
from cellpainting.ledger import Cause, GroupResult, ImageSet, Manifest, Outcome, State, StoredFile, write_plan
from cellpainting.planning import Group, ShardPlan
from tests.conftest import measuring
from tests.lambdas.conftest import VERSION, Cloud, backend_of, load_data_of, page_of, plate_of, profiles_of, run_of


def do_shard(cloud: Cloud, run: RunRecord, number: int, cause: Cause | None = None) -> None:
    """Leave what a worker leaves: a manifest of what is there."""
    plan = ShardPlan.from_json(cloud.storage.read(run.keys.shard_plan(number)))
    manifest = Manifest(
        shard=number,
        groups=tuple(_group_result(cloud, run, plan, group, cause) for group in plan.groups),
        pipeline=StoredFile.of(cloud.storage.stat(measuring(run.job).pipeline)),
        pipeline_sha256="",
        plugins=(),
        cellprofiler_version=VERSION,
        image_digest="",
        seconds=1.0,
        peak_memory_mib=1.0,
    )
    cloud.storage.write(run.keys.shard(number), manifest.to_json())


def _group_result(cloud: Cloud, run: RunRecord, plan: ShardPlan, group: Group, cause: Cause | None) -> GroupResult:
    keys = [image for row in group.rows for image in plan.table(group).images(row)]
    folder = measuring(run.job).input or ""
    stored = [cloud.storage.stat(key) for key in keys] if group.rows else cloud.storage.list(folder)
    state = State.QUARANTINED if cause else State.DONE
    return GroupResult(
        folder=group.folder,
        outcomes=tuple(Outcome(one, state, "", cause) for one in plan.image_sets(group))
        or (Outcome(ImageSet(plan.number, 1), state, "", cause),),
        inputs=tuple(map(StoredFile.of, stored)),
        outputs=(),
        rows={},
        seconds=1.0,
        peak_memory_mib=1.0,
        fingerprint=plan.fingerprint(group) if group.rows else "",
    )


def put_images(cloud: Cloud, count: int) -> None:
    for number in range(count):
        cloud.storage.write(f"p/images/{number}.tif", b"image")


def leave_claim(cloud: Cloud, run: RunRecord, origin: str, *, age_s: float = 0.0) -> None:
    """Make the run's last submission look as if its dispatch had died before it recorded any job."""
    done = read_submission(run.keys, 0, cloud.storage)
    parts = tuple(replace(part, job_id="") for part in done.parts)
    left = replace(done, origin=origin, parts=parts, is_closed=False, claimed_at=time.time() - age_s)
    record(run.keys, left, cloud.storage)


class TestSubmitting:
    def test_submitted_job_names_the_request_in_the_bucket_and_what_it_asks_of_batch(self, cloud: Cloud) -> None:
        run = run_of(job_memory="8192", job_vcpu="2", timeout_s=100)
        cloud.dispatch(run, "m1")
        (job,) = cloud.jobs
        assert job["jobName"] == f"{run.run_id}-0-0"
        assert job["parameters"] == {
            "request": f"s3://data/runs/{run.run_id}/request.json",
            "shard": "0",
            "submission": "0",
        }
        assert job["timeout"] == {"attemptDurationSeconds": 700}
        overrides = cloud.overrides(job["jobId"])
        assert overrides["resourceRequirements"] == [
            {"type": "MEMORY", "value": "8192"},
            {"type": "VCPU", "value": "2"},
        ]
        assert {"name": "CPB_MEMORY_MIB", "value": "8192"} in overrides["environment"]
        assert {"name": "CPB_VCPUS", "value": "2"} in overrides["environment"]
        assert json.loads(cloud.storage.read(run.keys.request)) == dict(run.document)

    def test_one_shard_is_a_plain_job_with_what_its_definition_gives(self, cloud: Cloud) -> None:
        cloud.dispatch(plate_of(), "m1")
        (job,) = cloud.jobs
        assert "arrayProperties" not in job
        assert cloud.overrides(job["jobId"]) == {}

    def test_plate_of_load_data_is_one_array_job_with_a_plan_for_each_child(self, cloud: Cloud) -> None:
        cloud.storage.write("p/load_data.csv", load_data_of(30))
        run = plate_of()
        cloud.dispatch(run, "m1")
        (job,) = cloud.jobs
        assert job["arrayProperties"]["size"] == 3
        assert read_submission(run.keys, 0, cloud.storage).shard_numbers == (0, 1, 2)
        plans = [ShardPlan.from_json(cloud.storage.read(run.keys.shard_plan(number))) for number in range(3)]
        assert [plan.image_set_count for plan in plans] == [12, 12, 6]
        assert cloud.storage.read(run.keys.plan).count(b"\n") == 31

    def test_time_of_a_job_grows_with_the_groups_of_its_largest_shard_and_shrinks_with_vcpus(
        self, cloud: Cloud
    ) -> None:
        cloud.storage.write("p/load_data.csv", load_data_of(7))
        cloud.dispatch(plate_of(timeout_s=100, image_sets_per_shard=5, job_vcpu=2), "m1")
        assert cloud.jobs[0]["timeout"] == {"attemptDurationSeconds": 300 + 600}

    def test_25_000_shards_are_three_jobs_whose_children_find_their_shard(self, cloud: Cloud) -> None:
        submitter, run = cloud.dispatcher.submitter, plate_of()
        place = cloud.dispatcher.settings.place(run.job)
        work = cloud.dispatcher.measuring(run.job, "m1", tuple(range(5, 25_005)), 1)
        submission = submitter.submit(run.keys, 0, work, place)
        jobs = cloud.jobs
        assert [job["arrayProperties"]["size"] for job in jobs] == [10_000, 10_000, 5_000]
        offset = int(jobs[2]["parameters"]["shard"])
        assert submission.shard_numbers[offset + 4_999] == 25_004
        assert json.loads(cloud.storage.read(run.keys.submission(0)))["shards"] == "5-25004"

    def test_request_that_could_not_succeed_is_refused_before_anything_is_written(self, cloud: Cloud) -> None:
        for run, error in (
            (plate_of(load_data="p/nowhere.csv"), MissingInput),
            (run_of(pipeline="p/nowhere.cppipe"), MissingInput),
            (plate_of(group_by=["Metadata_Donor"]), InvalidRequest),
        ):
            with pytest.raises(error):
                cloud.dispatch(run, "m1")
        assert cloud.jobs == []
        assert list(cloud.storage.list("runs")) == []

    def test_groups_without_image_sets_are_named(self, cloud: Cloud) -> None:
        groups = [{"Metadata_Well": "W00001"}, {"Metadata_Well": "Z99"}]
        assert "no image sets for Z99" in cloud.dispatch(plate_of(groups=groups), "m1")


class TestOnce:
    def test_redelivered_message_submits_nothing_again(self, cloud: Cloud) -> None:
        run = run_of()
        assert cloud.dispatch(run, "m1").startswith("submitted")
        assert "was dispatched before" in cloud.dispatch(run, "m1")
        assert "was dispatched before" in cloud.dispatch(run_of(force=True), "m1")
        assert len(cloud.jobs) == 1

    def test_message_that_comes_again_after_a_later_one_submits_nothing_again(self, cloud: Cloud) -> None:
        run = run_of()
        for message_id in ("m1", "m2"):
            assert cloud.dispatch(run, message_id).startswith("submitted")
        assert "was dispatched before" in cloud.dispatch(run, "m1")
        assert len(cloud.jobs) == 2

    def test_message_delivered_twice_at_once_is_submitted_once(self, cloud: Cloud) -> None:
        def dispatch(_: int) -> str:
            try:
                return cloud.dispatch(run_of(), "m1")
            except ClaimedByAnother:
                return "claimed"

        with ThreadPoolExecutor(8) as dispatchers:
            outcomes = list(dispatchers.map(dispatch, range(8)))
        assert len(cloud.jobs) == 1, outcomes

    def test_same_request_in_another_message_submits_nothing_while_the_run_is_under_way(self, cloud: Cloud) -> None:
        run = run_of()
        cloud.dispatch(run, "m1")
        cloud.set_status(cloud.jobs[0]["jobId"], "RUNNABLE")
        assert "under way" in cloud.dispatch(run, "m2")
        assert len(cloud.jobs) == 1

    def test_same_request_resumes_a_run_that_ended_incomplete(self, cloud: Cloud) -> None:
        run = run_of()
        cloud.dispatch(run, "m1")
        assert cloud.dispatch(run, "m2").startswith("submitted")
        assert [job["jobName"] for job in cloud.jobs] == [f"{run.run_id}-0-0", f"{run.run_id}-1-0"]


class TestAgain:
    @pytest.fixture
    def run(self, cloud: Cloud) -> RunRecord:
        """A run of three shards that is done."""
        put_images(cloud, 3)
        run = plate_of(image_sets_per_shard=1)
        cloud.dispatch(run, "m1")
        for number in range(3):
            do_shard(cloud, run, number)
        return run

    def pending(self, cloud: Cloud, run: RunRecord, **fields: Any) -> tuple[int, ...]:
        """The shards that are submitted when the request is sent again."""
        job = replace(run.job, **fields)
        outcome = cloud.dispatch(replace(run, job=job), "m2")
        if "nothing was submitted" in outcome:
            return ()
        return read_submission(run.keys, 1, cloud.storage).shard_numbers

    def test_run_that_is_done_is_done_again_only_when_forced(self, cloud: Cloud, run: RunRecord) -> None:
        assert self.pending(cloud, run) == ()
        assert self.pending(cloud, run, force=True) == (0, 1, 2)

    def test_only_what_is_not_done_is_submitted(self, cloud: Cloud, run: RunRecord) -> None:
        cloud.storage.delete(run.keys.shard(1))
        do_shard(cloud, run, 2, Cause.TIMEOUT)
        assert self.pending(cloud, run) == (1, 2)

    def test_changed_input_is_measured_again(self, cloud: Cloud, run: RunRecord) -> None:
        cloud.storage.write("p/images/1.tif", b"another image")
        assert self.pending(cloud, run) == (1,)

    def test_changed_pipeline_does_all_again(self, cloud: Cloud, run: RunRecord) -> None:
        cloud.storage.write("p/plate.cppipe", cloud.storage.read("p/plate.cppipe") + b"\n")
        assert self.pending(cloud, run) == (0, 1, 2)

    def test_changed_rows_are_planned_and_done_again(self, cloud: Cloud, run: RunRecord) -> None:
        cloud.storage.write("p/load_data.csv", load_data_of(3).replace(b"W00002", b"W00007"))
        assert self.pending(cloud, run) == (2,)
        assert b"W00007" in cloud.storage.read(run.keys.shard_plan(2))

    def test_changed_metadata_of_an_image_set_does_it_again(self, cloud: Cloud, run: RunRecord) -> None:
        table = cloud.storage.read("p/load_data.csv").replace(b"Metadata_Site", b"Metadata_Site,Metadata_Compound")
        cloud.storage.write("p/load_data.csv", table.replace(b",1,s3", b",1,DMSO,s3"))
        assert self.pending(cloud, run) == (0, 1, 2)

    def test_file_that_two_shards_know_in_two_versions_is_looked_at_by_their_workers(
        self, cloud: Cloud, run: RunRecord
    ) -> None:
        key = run.keys.shard(1)
        shared = json.loads(cloud.storage.read(run.keys.shard(0)))["groups"][0]["inputs"][0]
        manifest = json.loads(cloud.storage.read(key))
        manifest["groups"][0]["inputs"].append({**shared, "checksum": "older"})
        cloud.storage.write(key, json.dumps(manifest).encode())
        assert self.pending(cloud, run) == (0, 1)

    def test_another_version_of_cellprofiler_does_all_again(self, cloud: Cloud, run: RunRecord) -> None:
        settings = cloud.dispatcher.settings
        newer = replace(settings.job_types["run_cellprofiler"], version="4.2.9")
        cloud.dispatcher.settings = replace(settings, job_types={"run_cellprofiler": newer})
        assert self.pending(cloud, run) == (0, 1, 2)

    def test_redrive_takes_only_shards_with_an_image_set_of_that_cause(self, cloud: Cloud, run: RunRecord) -> None:
        do_shard(cloud, run, 0, Cause.PIPELINE_ERROR)
        do_shard(cloud, run, 1, Cause.TIMEOUT)
        cloud.storage.delete(run.keys.shard(2))
        assert self.pending(cloud, run, redrive=("input_missing",)) == ()
        assert self.pending(cloud, run, redrive=("timeout", "not_run")) == (1, 2)

    @pytest.mark.parametrize("changed", ["p/x.cppipe", "p/images/1.tif", "p/images/2.tif"])
    def test_folder_is_done_again_when_pipeline_or_images_changed(self, cloud: Cloud, changed: str) -> None:
        run = run_of()
        cloud.dispatch(run, "m1")
        do_shard(cloud, run, 0)
        assert "is done" in cloud.dispatch(run, "m2")
        cloud.storage.write(changed, b"something else")
        assert cloud.dispatch(run, "m3").startswith("submitted")

    def test_unchanged_plan_is_not_written_again(self, cloud: Cloud, run: RunRecord) -> None:
        cloud.storage.delete(run.keys.shard_plan(0))
        self.pending(cloud, run, force=True)
        with pytest.raises(MissingInput):
            cloud.storage.read(run.keys.shard_plan(0))


def build(cloud: Cloud, run: RunRecord, cause: Cause | None = None) -> None:
    """Leave what the worker of a backend leaves: the plan that only it can make, and a manifest."""
    image_set = ImageSet(0, 1, plate="P1", well="A01", site="1")
    outcome = Outcome(image_set, State.FAILED if cause else State.DONE, "", cause)
    group = GroupResult("", (outcome,), (), (), {}, 1.0, 1.0)
    cloud.storage.write(run.keys.plan, write_plan([image_set]))
    cloud.storage.write(run.keys.shard(0), Manifest(0, (group,), None, "", (), "", "", 1.0, 1.0).to_json())


class TestBackend:
    def test_it_is_one_job_of_the_runtime_profiling_planned_without_a_look_at_the_csvs(self, cloud: Cloud) -> None:
        run = backend_of()
        assert cloud.dispatcher.planned_here([run]) == {run.run_id}
        assert cloud.dispatch(run, "m1").startswith("submitted")
        (job,) = cloud.jobs
        assert "profiling" in job["jobDefinition"]
        assert "arrayProperties" not in job
        assert job["timeout"] == {"attemptDurationSeconds": 4 * 3600 + 600}
        assert ShardPlan.from_json(cloud.storage.read(run.keys.shard_plan(0))) == ShardPlan(0, (Group(""),))
        with pytest.raises(MissingInput):
            cloud.storage.stat(run.keys.plan)

    def test_sent_again_its_worker_looks_at_what_is_there_and_keeps_its_own_plan(self, cloud: Cloud) -> None:
        run = backend_of()
        cloud.dispatch(run, "m1")
        build(cloud, run)
        planned = cloud.storage.read(run.keys.plan)
        assert cloud.dispatch(run, "m2").startswith("submitted")
        assert read_submission(run.keys, 1, cloud.storage).shard_numbers == (0,)
        assert cloud.storage.read(run.keys.plan) == planned

    @pytest.mark.parametrize(("asked", "is_sent"), [("timeout", True), ("input_missing", False)])
    def test_redrive_sends_it_for_its_own_cause_only(self, cloud: Cloud, asked: str, is_sent: bool) -> None:
        run = backend_of()
        cloud.dispatch(run, "m1")
        build(cloud, run, Cause.TIMEOUT)
        assert cloud.dispatch(backend_of(redrive=[asked]), "m2").startswith("submitted") is is_sent

    def test_redrive_sends_one_that_was_lost_before_it_had_a_plan(self, cloud: Cloud) -> None:
        cloud.dispatch(backend_of(), "m1")
        assert cloud.dispatch(backend_of(redrive=["not_run"]), "m2").startswith("submitted")

    def test_without_the_ingest_configuration_that_it_names_it_is_refused(self, cloud: Cloud) -> None:
        with pytest.raises(MissingInput):
            cloud.dispatch(backend_of(ingest_config="p/nowhere.ini"), "m1")
        assert cloud.jobs == []


class TestProfiles:
    @pytest.fixture
    def run(self, cloud: Cloud) -> RunRecord:
        """A request whose configuration is there; nobody reads it here."""
        run = profiles_of()
        cloud.storage.write("p/config_files/plates.yml", b"no YAML: [")
        return run

    def test_they_are_one_job_of_the_runtime_profiling(self, cloud: Cloud, run: RunRecord) -> None:
        assert cloud.dispatcher.planned_here([run]) == {run.run_id}
        assert cloud.dispatch(run, "m1").startswith("submitted")
        (job,) = cloud.jobs
        assert "profiling" in job["jobDefinition"]
        assert "arrayProperties" not in job
        assert job["timeout"] == {"attemptDurationSeconds": 8 * 3600 + 600}
        assert ShardPlan.from_json(cloud.storage.read(run.keys.shard_plan(0))) == ShardPlan(0, (Group(""),))

    def test_sent_again_its_worker_looks_at_what_is_there(self, cloud: Cloud, run: RunRecord) -> None:
        cloud.dispatch(run, "m1")
        build(cloud, run)
        assert cloud.dispatch(run, "m2").startswith("submitted")
        assert read_submission(run.keys, 1, cloud.storage).shard_numbers == (0,)

    @pytest.mark.parametrize(("asked", "is_sent"), [("input_missing", True), ("timeout", False)])
    def test_redrive_sends_them_for_their_own_cause_only(
        self, cloud: Cloud, run: RunRecord, asked: str, is_sent: bool
    ) -> None:
        cloud.dispatch(run, "m1")
        build(cloud, run, Cause.INPUT_MISSING)
        assert cloud.dispatch(profiles_of(redrive=[asked]), "m2").startswith("submitted") is is_sent

    def test_without_the_configuration_that_is_named_they_are_refused(self, cloud: Cloud) -> None:
        with pytest.raises(MissingInput):
            cloud.dispatch(profiles_of(config="p/nowhere.yml"), "m1")
        assert cloud.jobs == []


class TestPage:
    def test_it_is_one_job_of_the_runtime_profiling_whatever_is_there(self, cloud: Cloud) -> None:
        run = page_of()
        assert cloud.dispatcher.planned_here([run]) == {run.run_id}
        assert cloud.dispatch(run, "m1").startswith("submitted")
        (job,) = cloud.jobs
        assert "profiling" in job["jobDefinition"]
        assert "arrayProperties" not in job
        assert job["timeout"] == {"attemptDurationSeconds": 3600 + 600}
        assert ShardPlan.from_json(cloud.storage.read(run.keys.shard_plan(0))) == ShardPlan(0, (Group(""),))

    def test_sent_again_it_is_made_again_of_what_is_there_now(self, cloud: Cloud) -> None:
        run = page_of()
        cloud.dispatch(run, "m1")
        build(cloud, run)
        assert cloud.dispatch(run, "m2").startswith("submitted")
        assert read_submission(run.keys, 1, cloud.storage).shard_numbers == (0,)


class TestDeadDispatch:
    def test_its_own_redelivery_waits_until_it_must_have_ended(self, cloud: Cloud) -> None:
        run = run_of()
        cloud.dispatch(run, "m1")
        leave_claim(cloud, run, "m1")
        for message_id in ("m1", "m2"):
            with pytest.raises(ClaimedByAnother):
                cloud.dispatch(run, message_id)

    def test_after_submitting_it_is_found_again_by_its_name(self, cloud: Cloud) -> None:
        run = run_of()
        cloud.dispatch(run, "m1")
        leave_claim(cloud, run, "m1", age_s=CLAIM_EXPIRES_S + 1)
        assert "was dispatched before" in cloud.dispatch(run, "m1")
        assert len(cloud.jobs) == 1
        assert read_submission(run.keys, 0, cloud.storage).job_ids == (cloud.jobs[0]["jobId"],)

    def test_before_submitting_its_run_is_not_blocked_for_ever(self, cloud: Cloud) -> None:
        run = run_of()
        claim = Submission(0, "m1", time.time() - CLAIM_EXPIRES_S - 1, "0", 1, 4096, 700)
        cloud.storage.create(run.keys.submission(0), replace(claim, parts=()).to_json())
        assert cloud.dispatch(run, "m2").startswith("submitted")
        assert [job["jobName"] for job in cloud.jobs] == [f"{run.run_id}-1-0"]

    def test_between_two_jobs_the_next_message_submits_the_rest(
        self, cloud: Cloud, monkeypatch: pytest.MonkeyPatch, small_arrays: None
    ) -> None:
        run = plate_of(image_sets_per_shard=1)
        submit = BatchJobs.submit
        calls = iter([submit])

        def die(*arguments: Any) -> Any:
            return next(calls, lambda *_: 1 / 0)(*arguments)

        with monkeypatch.context() as patched:
            patched.setattr(BatchJobs, "submit", die)
            with pytest.raises(ZeroDivisionError):
                cloud.dispatch(run, "m1")
        cloud.set_status(cloud.jobs[0]["jobId"] + ":1", "RUNNING")
        cloud.set_status(cloud.jobs[0]["jobId"], "PENDING")
        assert cloud.dispatch(run, "m1").startswith("submitted")
        first, second = (read_submission(run.keys, number, cloud.storage) for number in (0, 1))
        assert (first.unsent, second.shard_numbers) == ((2,), (2,))
        assert len(cloud.jobs) == 2
        assert "was dispatched before" in cloud.dispatch(run, "m1")


@pytest.fixture
def small_arrays(monkeypatch: pytest.MonkeyPatch) -> None:
    """Array jobs of at most two children."""
    monkeypatch.setattr("cellpainting.dispatch.submission.LARGEST_ARRAY", 2)


class TestPlanningJob:
    def test_folder_that_is_to_be_grouped_is_planned_in_the_worker_s_image(self, cloud: Cloud) -> None:
        run = run_of(group_by=["Metadata_Plate"], timeout_s=100)
        assert cloud.dispatcher.planned_here([run]) == frozenset()
        cloud.dispatch(run, "m1", is_planned_here=False)
        (job,) = cloud.jobs
        assert job["jobName"] == f"{run.run_id}-0-plan"
        uri = f"s3://data/runs/{run.run_id}/request.json"
        assert cloud.overrides(job["jobId"])["command"] == ["run", "--request", uri, "--plan"]

    def test_more_load_data_than_one_message_may_ask_for_is_planned_there_too(
        self, cloud: Cloud, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        size = cloud.storage.stat("p/load_data.csv").size
        monkeypatch.setattr("dispatcher.MOST_LOAD_DATA", size + 1)
        runs = [plate_of(), plate_of(output="elsewhere/"), run_of()]
        assert cloud.dispatcher.planned_here(runs) == {runs[0].run_id, runs[2].run_id}

    def test_run_with_too_many_inputs_to_ask_for_is_planned_there_too(
        self, cloud: Cloud, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        put_images(cloud, 3)
        run = plate_of()
        cloud.dispatch(run, "m1")
        do_shard(cloud, run, 0)
        monkeypatch.setattr("dispatcher.MOST_INPUTS", 2)
        cloud.dispatch(run, "m2")
        assert cloud.jobs[1]["jobName"] == f"{run.run_id}-1-plan"


def test_name_of_a_run_that_did_something_else_is_refused(cloud: Cloud) -> None:
    cloud.dispatch(run_of(run="screen-1"), "m1")
    cloud.dispatcher.check(run_of(run="screen-1", force=True, job_memory=16_384))
    with pytest.raises(InvalidField, match="screen-1"):
        cloud.dispatcher.check(run_of(run="screen-1", output="elsewhere/"))


def test_queue_and_definition_are_taken_by_name_or_arn_but_only_those_listed(cloud: Cloud) -> None:
    settings = cloud.dispatcher.settings
    queue, definition = settings.job_queues[0], settings.job_types["run_cellprofiler"].definition
    for name in (queue, "work"):
        assert settings.place(run_of(job_queue=name).job).queue == queue
    for name in (definition, definition.rpartition(":")[0], "cellprofiler", "cellprofiler:1"):
        assert settings.place(run_of(job_definition=name).job).definition == definition
    for field in ("job_queue", "job_definition"):
        with pytest.raises(InvalidField, match=f"'{field}'.*lists only"):
            cloud.dispatcher.check(run_of(**{field: "somebody-elses"}))
