"""People are told once of each end of a run, in a message that says how it ended and where to read more."""

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

from cellpainting.dispatch.batch_jobs import BatchJobs
from cellpainting.jobs import RunRecord
from cellpainting.ledger import Cause
from job_ends import JobEnds
from notices import Notices
from tests.lambdas.conftest import Cloud, page_of, plate_of
from tests.lambdas.test_dispatcher import build, do_shard, put_images
from tests.lambdas.test_stages import do_all, new_jobs, plates, request

__all__ = ["plates"]  # a fixture


class Inbox:
    """A queue that is subscribed to the topic."""

    def __init__(self, sqs: Any, sns: Any, topic: str) -> None:
        self._sqs = sqs
        self._url = sqs.create_queue(QueueName="inbox")["QueueUrl"]
        arn = sqs.get_queue_attributes(QueueUrl=self._url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)

    def read(self) -> list[dict[str, Any]]:
        """What has come since."""
        messages = self._sqs.receive_message(QueueUrl=self._url, MaxNumberOfMessages=10).get("Messages", [])
        return [json.loads(message["Body"]) for message in messages]


@pytest.fixture
def inbox(cloud: Cloud, session: Any) -> Inbox:
    return Inbox(session("sqs"), session("sns"), cloud.dispatcher.settings.runs_topic)


@pytest.fixture
def run(cloud: Cloud) -> RunRecord:
    """A run of three shards, of which one could not be measured."""
    put_images(cloud, 3)
    run = plate_of(image_sets_per_shard=1)
    cloud.dispatch(run, "m1")
    for number, cause in enumerate((None, None, Cause.PIPELINE_ERROR)):
        do_shard(cloud, run, number, cause)
    return run


def end(cloud: Cloud, number: int = -1) -> str:
    return cloud.ends.follow(cloud.detail(cloud.jobs[number]))


def test_notice_has_counts_causes_and_places(cloud: Cloud, run: RunRecord, inbox: Inbox) -> None:
    assert end(cloud).endswith("its notice was sent")
    (notice,) = inbox.read()
    assert notice["Subject"] == f"Run {run.run_id}: 2 of 3 image sets done"
    lines = notice["Message"].splitlines()
    assert lines[0] == f"Run {run.run_id} has come to an end: 2 of 3 image sets done."
    assert "States: 2 done, 1 quarantined" in lines
    assert "Causes: 1 pipeline_error" in lines
    assert f"Ledger: s3://data/runs/{run.run_id}/ledger.csv" in lines
    assert lines[-1].endswith(f"cpb redrive {run.run_id}")
    attributes = {name: attribute["Value"] for name, attribute in notice["MessageAttributes"].items()}
    assert attributes == {"run": run.run_id, "complete": "false"}


def test_end_that_is_told_twice_is_one_notice_and_the_next_end_another(
    cloud: Cloud, run: RunRecord, inbox: Inbox
) -> None:
    for _ in range(2):
        told = end(cloud)
    assert "was sent before" in told
    assert len(inbox.read()) == 1
    cloud.dispatch(run, "m2")
    do_shard(cloud, run, 2)
    end(cloud)
    (notice,) = inbox.read()
    assert notice["Subject"].endswith("3 of 3 image sets done")
    assert "cpb redrive" not in notice["Message"]
    end(cloud, 0)  # the event of the first job once more
    assert inbox.read() == []


def test_notice_that_cannot_be_sent_loses_no_ledger_and_is_tried_again_with_the_event(
    cloud: Cloud, run: RunRecord, inbox: Inbox, session: Any
) -> None:
    nowhere = Notices(cloud.storage, cloud.dispatcher.settings.runs_topic + "-gone", session("sns"))
    ends = JobEnds(cloud.dispatcher, BatchJobs(cloud.batch), nowhere)
    for _ in range(2):
        with pytest.raises(ClientError, match="NotFound"):
            ends.follow(cloud.detail(cloud.jobs[0]))
    assert json.loads(cloud.storage.read(run.keys.summary))["states"]["done"] == 2
    assert end(cloud).endswith("its notice was sent")
    assert end(cloud).endswith("its notice was sent before")
    assert len(inbox.read()) == 1


def test_run_with_a_long_name_has_a_subject_that_sns_takes(cloud: Cloud, inbox: Inbox) -> None:
    put_images(cloud, 3)
    run = plate_of(run="a" * 80)
    cloud.dispatch(run, "m1")
    do_shard(cloud, run, 0)
    end(cloud)
    (notice,) = inbox.read()
    assert len(notice["Subject"]) == 99
    assert notice["Subject"].endswith("aaa...: 3 of 3 image sets done")


def test_run_that_is_too_large_to_be_counted_here_is_told_of_once(
    cloud: Cloud, run: RunRecord, inbox: Inbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("job_ends.MOST_IN_LEDGER", 2)
    for _ in range(2):
        end(cloud)
    (notice,) = inbox.read()
    assert notice["Subject"] == f"Run {run.run_id}: all jobs of 3 image sets have ended"
    assert f"cpb status {run.run_id}" in notice["Message"]


def test_page_that_was_asked_for_is_named(cloud: Cloud, inbox: Inbox) -> None:
    run = page_of()
    cloud.dispatch(run, "m1")
    build(cloud, run)
    end(cloud)
    (notice,) = inbox.read()
    assert "Page: s3://data/p/P1.html" in notice["Message"].splitlines()


def test_stages_are_told_of_when_all_are_over_with_the_page(plates: Cloud, inbox: Inbox) -> None:
    plates.dispatch(request(), "m1")
    do_all(plates, plates.ends, new_jobs(plates))
    (notice,) = inbox.read()
    assert notice["Subject"] == "Run screen: 3 of 3 image sets done"
    assert "Page: s3://data/p/workspace/reports/B1/P1.html" in notice["Message"].splitlines()


def test_stage_that_is_kept_back_is_told_of_with_its_reason(plates: Cloud, inbox: Inbox) -> None:
    plates.dispatch(request(gate=True, leave_out=["backend", "profiles", "report"]), "m1")
    do_all(plates, plates.ends, new_jobs(plates))
    (notice,) = inbox.read()
    told = [line for line in notice["Message"].splitlines() if line.startswith("Stage ")]
    assert len(told) == 1
    assert told[0].startswith("Stage analysis of P1: blocked: ")
    assert "waits for approval" in told[0]
