"""A run is submitted once, whatever is delivered twice or dies half-way: its record in the bucket decides."""

import json
import time
from typing import Any

import pytest
from moto.batch.models import batch_backends

from cellpainting.errors import InvalidField
from cellpainting.jobs import RunRecord, parse_message
from cellpainting.ledger import ImageSet, Manifest, Outcome, State, list_images, stat_pipeline
from submission import CLAIM_EXPIRES_S, ClaimedByAnother, Dispatcher, Submission

REQUEST = {"pipeline": "p/x.cppipe", "input": "p/images/", "output": "p/results/"}
ACCOUNT, REGION = "123456789012", "us-east-1"


def run_of(**fields: Any) -> RunRecord:
    return parse_message(json.dumps({**REQUEST, **fields}))[0]


def jobs(dispatcher: Dispatcher) -> list[dict[str, Any]]:
    """All jobs that Batch was given."""
    ids = list(batch_backends[ACCOUNT][REGION]._jobs)
    return list(dispatcher._batch.describe_jobs(jobs=ids)["jobs"]) if ids else []  # type: ignore[arg-type]


def set_status(job_id: str, status: str) -> None:
    batch_backends[ACCOUNT][REGION]._jobs[job_id].status = status


def test_submitted_job_names_the_request_in_the_bucket_and_what_it_asks_of_batch(dispatcher: Dispatcher) -> None:
    run = run_of(job_memory="8192", job_vcpu="2", timeout_s=100)
    dispatcher.dispatch(run, "m1")
    (job,) = jobs(dispatcher)
    assert job["jobName"] == f"{run.run_id}-0"
    assert job["parameters"]["request"] == f"s3://data/runs/{run.run_id}/request.json"
    assert job["timeout"] == {"attemptDurationSeconds": 700}
    overrides = batch_backends[ACCOUNT][REGION]._jobs[job["jobId"]].container_overrides
    assert overrides["resourceRequirements"] == [
        {"type": "MEMORY", "value": "8192"},
        {"type": "VCPU", "value": "2"},
    ]
    assert json.loads(dispatcher.storage.read(run.keys.request)) == dict(run.document)


def test_redelivered_message_submits_nothing_again(dispatcher: Dispatcher) -> None:
    run = run_of()
    assert dispatcher.dispatch(run, "m1").startswith("submitted")
    assert "was dispatched before" in dispatcher.dispatch(run, "m1")
    assert "was dispatched before" in dispatcher.dispatch(run_of(force=True), "m1")
    assert len(jobs(dispatcher)) == 1


def test_message_that_comes_again_after_a_later_one_submits_nothing_again(dispatcher: Dispatcher) -> None:
    run = run_of()
    for message_id in ("m1", "m2"):
        assert dispatcher.dispatch(run, message_id).startswith("submitted")
    assert "was dispatched before" in dispatcher.dispatch(run, "m1")
    assert len(jobs(dispatcher)) == 2


def test_same_request_in_another_message_submits_nothing_while_the_run_is_under_way(dispatcher: Dispatcher) -> None:
    run = run_of()
    dispatcher.dispatch(run, "m1")
    set_status(jobs(dispatcher)[0]["jobId"], "RUNNABLE")
    assert "under way" in dispatcher.dispatch(run, "m2")
    assert len(jobs(dispatcher)) == 1


def test_same_request_resumes_a_run_that_ended_incomplete(dispatcher: Dispatcher) -> None:
    run = run_of()
    dispatcher.dispatch(run, "m1")
    assert dispatcher.dispatch(run, "m2").startswith("submitted")
    assert [job["jobName"] for job in jobs(dispatcher)] == [f"{run.run_id}-0", f"{run.run_id}-1"]


def do_work_of(dispatcher: Dispatcher, run: RunRecord) -> None:
    """Leave what a worker leaves: a manifest of what was there."""
    dispatcher.storage.write("p/x.cppipe", b"pipeline")
    dispatcher.storage.write("p/images/1.tif", b"image")
    manifest = Manifest(
        shard=0,
        outcomes=(Outcome(ImageSet(0, 1), State.DONE),),
        pipeline=stat_pipeline(dispatcher.storage, "p/x.cppipe"),
        pipeline_sha256="",
        inputs=list_images(dispatcher.storage, "p/images"),
        outputs=(),
        cellprofiler_version="",
        image_digest="",
        rows={},
        seconds=1.0,
        peak_memory_mib=1.0,
    )
    dispatcher.storage.write(run.keys.shard(0), manifest.to_json())


def test_run_that_is_done_is_done_again_only_when_forced(dispatcher: Dispatcher) -> None:
    run = run_of()
    dispatcher.dispatch(run, "m1")
    do_work_of(dispatcher, run)
    assert "is done" in dispatcher.dispatch(run, "m2")
    assert dispatcher.dispatch(run_of(force=True), "m3").startswith("submitted")
    assert len(jobs(dispatcher)) == 2


@pytest.mark.parametrize("changed", ["p/x.cppipe", "p/images/1.tif", "p/images/2.tif"])
def test_same_request_is_submitted_again_when_pipeline_or_images_changed(dispatcher: Dispatcher, changed: str) -> None:
    run = run_of()
    dispatcher.dispatch(run, "m1")
    do_work_of(dispatcher, run)
    dispatcher.storage.write(changed, b"something else")
    assert dispatcher.dispatch(run, "m2").startswith("submitted")


def test_dispatch_that_died_before_submitting_is_taken_up_by_its_own_redelivery(dispatcher: Dispatcher) -> None:
    run = run_of()
    dispatcher.storage.create(run.keys.submission(0), Submission(0, "m1", time.time()).to_json())
    with pytest.raises(ClaimedByAnother):
        dispatcher.dispatch(run, "m2")
    assert dispatcher.dispatch(run, "m1").startswith("submitted")
    assert len(jobs(dispatcher)) == 1


def test_claim_of_a_message_that_went_to_the_dead_letters_does_not_block_its_run_for_ever(
    dispatcher: Dispatcher,
) -> None:
    run = run_of()
    long_ago = time.time() - CLAIM_EXPIRES_S - 1
    dispatcher.storage.create(run.keys.submission(0), Submission(0, "m1", long_ago).to_json())
    assert dispatcher.dispatch(run, "m2").startswith("submitted")
    assert [job["jobName"] for job in jobs(dispatcher)] == [f"{run.run_id}-1"]


def test_dispatch_that_died_after_submitting_finds_its_job_again(dispatcher: Dispatcher) -> None:
    run = run_of()
    dispatcher.dispatch(run, "m1")
    (job,) = jobs(dispatcher)
    dispatcher.storage.write(run.keys.submission(0), Submission(0, "m1", time.time()).to_json())
    assert dispatcher.dispatch(run, "m1") == f"submitted as job {job['jobId']}"
    assert len(jobs(dispatcher)) == 1


def test_name_of_a_run_that_did_something_else_is_refused(dispatcher: Dispatcher) -> None:
    dispatcher.dispatch(run_of(run="screen-1"), "m1")
    dispatcher.check(run_of(run="screen-1", force=True, job_memory=16_384))
    with pytest.raises(InvalidField, match="screen-1"):
        dispatcher.check(run_of(run="screen-1", output="elsewhere/"))


def test_queue_and_definition_are_taken_by_name_or_arn_but_only_those_listed(dispatcher: Dispatcher) -> None:
    settings = dispatcher.settings
    queue, definition = settings.job_queues[0], settings.job_definitions["cellprofiler"]
    for name in (queue, "work"):
        assert settings.queue(name) == queue
    for name in (definition, definition.rpartition(":")[0], "cellprofiler", "cellprofiler:1"):
        assert settings.definition(name, "cellprofiler") == definition
    for field in ("job_queue", "job_definition"):
        with pytest.raises(InvalidField, match=f"'{field}'.*lists only"):
            dispatcher.check(run_of(**{field: "somebody-elses"}))
