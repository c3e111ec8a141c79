"""Messages sent to a local cloud from outside: each ends with a clear reason in one place, and nothing else is lost."""

import csv
import io
import json
import os
import shutil
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest

from cellpainting.cellprofiler.compare_tables import compare_tables
from cellpainting.cellprofiler.environment import CellProfiler
from cellpainting.jobs import parse_message
from tests.conftest import LOAD_DATA_PIPELINE, REPOSITORY, SPOTS_PIPELINE, write_load_data, write_site
from tests.embedded_metrics import figures
from tests.local.conftest import LocalUp, wait_until

pytestmark = pytest.mark.cellprofiler

WATCHED = {"load_data": "watched/load_data.csv", "output": "watched/results/"}
PUBLISHED_EXAMPLES = REPOSITORY.parent / "shared" / "data" / "cellprofiler_examples"
# Columns that tell when and where, not what was measured.
NOT_MEASURED = ("ExecutionTime_", "PathName_", "URL_", "ImageSet_ImageSet", "Metadata_FileLocation", "Metadata_Folder")


def request(name: str, **fields: Any) -> dict[str, Any]:
    """A request over a folder of its own."""
    return {"pipeline": "spots.cppipe", "input": f"{name}/images/", "output": f"{name}/results/", **fields}


def run_id(message: dict[str, Any]) -> str:
    return parse_message(json.dumps(message))[0].run_id


def put_plate(cloud: LocalUp, folder: Path, name: str, wells: int = 2) -> None:
    """Upload a plate of spots below a prefix, with the pipeline."""
    for number in range(1, wells + 1):
        write_site(folder / name, f"A{number:02d}")
    s3 = cloud.client("s3")
    s3.upload_file(str(SPOTS_PIPELINE), cloud.bucket, "spots.cppipe")
    for path in (folder / name).iterdir():
        s3.upload_file(str(path), cloud.bucket, f"{name}/images/{path.name}")


def tables(folder: Path) -> dict[str, list[dict[str, str]]]:
    """All CSVs of a folder but the experiment's, without the columns that tell when and where."""
    return {
        path.name: [
            {name: value for name, value in row.items() if not name.startswith(NOT_MEASURED)}
            for row in csv.DictReader(io.StringIO(path.read_text(), newline=""))
        ]
        for path in folder.glob("*.csv")
        if path.name != "Experiment.csv"
    }


def processes_of(run: str) -> list[int]:
    """The pids of this machine's workers of a run."""
    pids = []
    for entry in Path("/proc").iterdir():
        try:
            command = (entry / "cmdline").read_bytes().decode(errors="replace").split("\0")
        except OSError:
            continue
        if "run" in command and any(f"/runs/{run}/" in word for word in command):
            pids.append(int(entry.name))
    return pids


def children_of(pid: int) -> list[int]:
    """The pids of what any thread of a process has started."""
    return [
        int(child) for thread in Path(f"/proc/{pid}/task").glob("*/children") for child in thread.read_text().split()
    ]


def log_lines(cloud: LocalUp, output: str) -> list[str]:
    """The lines of a log group that the stack names in an output."""
    stack = cloud.client("cloudformation").describe_stacks(StackName="batch-cpb")["Stacks"][0]
    (group,) = [item["OutputValue"] for item in stack["Outputs"] if item["OutputKey"] == output]
    pages = cloud.client("logs").get_paginator("filter_log_events").paginate(logGroupName=group)
    return [event["message"] for page in pages for event in page["events"]]


@pytest.mark.parametrize("example", ["ExampleHuman", "ExampleVitraImages"])
def test_aws_command_gives_the_same_tables_as_cellprofiler_by_hand(
    cloud: LocalUp, cellprofiler: CellProfiler, tmp_path: Path, example: str
) -> None:
    if not PUBLISHED_EXAMPLES.is_dir():
        pytest.skip(f"CellProfiler's example images are not at {PUBLISHED_EXAMPLES}")
    folder = PUBLISHED_EXAMPLES / example
    (pipeline,) = folder.glob("*.cppipe")
    message = {
        "pipeline": f"examples/{example}/{pipeline.name}",
        "input": f"examples/{example}/images/",
        "output": f"examples/{example}/output0/",
    }
    aws = ["aws", "--endpoint-url", cloud.variables["AWS_ENDPOINT_URL"]]
    for command in (
        ["s3", "cp", str(folder), f"s3://{cloud.bucket}/examples/{example}/", "--recursive", "--quiet"],
        ["sqs", "send-message", "--queue-url", cloud.variables["SQS_URL"], "--message-body", json.dumps(message)],
    ):
        subprocess.run([*aws, *command], check=True, env=cloud.environment, capture_output=True)
    by_hand = tmp_path / "by_hand"
    subprocess.run(
        [cellprofiler.command, "-c", "-r", "-p", pipeline, "-i", folder / "images", "-o", by_hand, "-d", by_hand / "d"],
        check=True,
        env={**os.environ, "PYTHONHASHSEED": "0"},
        capture_output=True,
    )
    assert cloud.summary(run_id(message))["complete"]
    compared = compare_tables(by_hand, cloud.folder / "examples" / example / "output0")
    assert max(item.count for item in compared if item.table == "Cells.csv") > 100
    assert not [item for item in compared if not item.is_equal and not item.column.startswith(NOT_MEASURED)]


def test_log_of_a_job_is_found_with_the_aws_command(cloud: LocalUp, tmp_path: Path) -> None:
    put_plate(cloud, tmp_path, "logged")
    message = request("logged")
    cloud.send(message)
    cloud.summary(run_id(message))
    groups = [group["logGroupName"] for group in cloud.client("logs").describe_log_groups()["logGroups"]]
    events = ""
    for group in groups:
        events += subprocess.run(
            ["aws", "logs", "filter-log-events", "--log-group-name", group, "--query", "events[].message"],
            check=True,
            env=cloud.environment,
            capture_output=True,
            text=True,
        ).stdout
    assert f"run {run_id(message)} ended" in events
    assert f"{run_id(message)}" in events
    assert "submitted as job" in events


def test_log_group_holds_json_lines_with_run_plate_and_well_and_metrics(cloud: LocalUp, tmp_path: Path) -> None:
    put_plate(cloud, tmp_path, "watched")
    write_load_data(tmp_path / "load_data.csv", Path("watched/images"), [("P1", "A01", "1"), ("P1", "A02", "1")])
    s3 = cloud.client("s3")
    s3.upload_file(str(tmp_path / "load_data.csv"), cloud.bucket, "watched/load_data.csv")
    s3.upload_file(str(LOAD_DATA_PIPELINE), cloud.bucket, "watched/spots.cppipe")
    cloud.send({"run": "watched", "pipeline": "watched/spots.cppipe", **WATCHED})
    assert cloud.summary("watched")["complete"]
    lines = [line for line in log_lines(cloud, "JobLogGroup") if json.loads(line).get("run") == "watched"]
    about = [json.loads(line) for line in lines]
    assert {line["plate"] for line in about} == {"P1"}
    assert {line["well"] for line in about if " measured in " in line.get("message", "")} == {"A01", "A02"}
    assert sum(told["ImageSetsDone"] for told in figures(lines)) == 2
    assert [line for line in log_lines(cloud, "DispatcherLogGroup") if json.loads(line).get("run") == "watched"]


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("not json", "not JSON"),
        (json.dumps([request("never"), request("never", output="../x")]), "request 2 of 2: field 'output'"),
        (json.dumps(request("never", pipleine="x")), "unknown field"),
        (json.dumps({"pipeline": "spots.cppipe", "input": "never/"}), "field 'output'"),
        (json.dumps(request("never", job_memory=[1])), "field 'job_memory'"),
        (json.dumps(request("never", input="/never/")), "leading '/'"),
        (json.dumps(request("never", job_queue="not-ours")), "lists only"),
        (json.dumps(request("never", pipeline="nowhere.cppipe")), "nowhere.cppipe is not there"),
    ],
)
def test_invalid_message_reaches_the_dead_letter_queue_with_its_reason_and_nothing_is_submitted(
    cloud: LocalUp, body: str, reason: str
) -> None:
    message_id = cloud.send(body)
    sqs = cloud.client("sqs")
    attributes = sqs.get_queue_attributes(QueueUrl=cloud.variables["SQS_URL"], AttributeNames=["RedrivePolicy"])
    dead_letters = json.loads(attributes["Attributes"]["RedrivePolicy"])["deadLetterTargetArn"].rpartition(":")[2]
    url = sqs.get_queue_url(QueueName=dead_letters)["QueueUrl"]

    def dead_letter() -> Any:
        messages = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, VisibilityTimeout=0).get("Messages", [])
        return next((message for message in messages if message["MessageId"] == message_id), None)

    assert wait_until(dead_letter, "the message is in the dead-letter queue")["Body"] == body
    rejected = json.loads((cloud.folder / "runs" / "rejected" / f"{message_id}.json").read_text())
    assert reason in rejected["reason"]
    assert rejected["body"] == body
    assert not any("never" in path.read_text() for path in cloud.folder.glob("runs/*/request.json"))


def test_same_message_twice_is_done_once(cloud: LocalUp, tmp_path: Path) -> None:
    put_plate(cloud, tmp_path, "twice")
    message = request("twice")
    cloud.send(message)
    cloud.send(message)
    assert cloud.summary(run_id(message))["complete"]
    cloud.send(message)
    wait_until(lambda: queue_is_empty(cloud), "the third message was received")
    assert len(cloud.jobs(run_id(message))) == 1


def queue_is_empty(cloud: LocalUp) -> bool:
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    counts = cloud.client("sqs").get_queue_attributes(QueueUrl=cloud.variables["SQS_URL"], AttributeNames=names)
    return all(count == "0" for count in counts["Attributes"].values())


def test_failure_that_would_repeat_is_not_tried_again(cloud: LocalUp, tmp_path: Path) -> None:
    put_plate(cloud, tmp_path, "failing")
    cloud.client("s3").put_object(Bucket=cloud.bucket, Key="failing/broken.cppipe", Body=b"no pipeline")
    message = request("failing", pipeline="failing/broken.cppipe")
    cloud.send(message)
    assert cloud.summary(run_id(message))["shards"]["failed"]["0"]
    (job,) = wait_until(
        lambda: [job for job in cloud.jobs(run_id(message)) if job["status"] == "FAILED"], "the job is over"
    )
    assert len(job["attempts"]) == 1


def test_worker_that_is_killed_half_way_is_tried_again_and_leaves_nothing(cloud: LocalUp, tmp_path: Path) -> None:
    put_plate(cloud, tmp_path, "killed", wells=8)
    message = request("killed")
    run = run_id(message)
    cloud.send(message)
    plan = cloud.folder / "runs" / run / "plan.csv"
    wait_until(plan.exists, "CellProfiler has listed its image sets")
    (worker,) = processes_of(run)
    driver_pids = children_of(worker)
    assert driver_pids
    os.kill(worker, signal.SIGKILL)
    wait_until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in driver_pids), "CellProfiler died with it", 5)
    assert not (cloud.folder / "killed" / "results").exists()
    assert cloud.summary(run)["states"]["done"] == 8
    (job,) = wait_until(lambda: [job for job in cloud.jobs(run) if job["status"] == "SUCCEEDED"], "the job is over")
    assert len(job["attempts"]) == 2
    assert tables(cloud.folder / "killed" / "results")["Image.csv"]


def test_list_of_requests_is_done_in_parallel_and_each_is_a_run(cloud: LocalUp, tmp_path: Path) -> None:
    put_plate(cloud, tmp_path, "listed")
    messages = [request("listed", output=f"listed/output{number}/") for number in (1, 2)]
    cloud.send(json.dumps(messages))
    for message in messages:
        assert cloud.summary(run_id(message))["complete"]
    first, second = (cloud.folder / "listed" / f"output{number}" for number in (1, 2))
    assert tables(first) == tables(second)
    shutil.rmtree(second)
