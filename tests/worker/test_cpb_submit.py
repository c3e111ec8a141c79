"""`cpb submit` against a bucket and a queue on moto's server: what is sent, what is printed, what is refused."""

import json
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import pytest

from cellpainting.jobs import parse_message
from cellpainting.storage import S3Storage
from tests.worker.preflight.plates import (
    PIPELINE,
    REQUEST,
    bucket_with,
    csv_of,
    image_set,
    record_of,
    sites,
    write_request,
)

ROWS = sites(["A01", "A02"])


@dataclass(frozen=True)
class Cloud:
    """A bucket and a queue, and the variables with which `cpb` finds them."""

    variables: dict[str, str]
    queue_url: str
    bucket: S3Storage
    s3: Any
    sqs: Any

    def submit(self, request: Path, *options: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            ["cpb", "submit", str(request), *options],
            check=False,
            capture_output=True,
            text=True,
            env={**os.environ, **self.variables},
        )

    def received(self) -> list[str]:
        """The bodies of all messages, which are taken from the queue."""
        bodies: list[str] = []
        while messages := self.sqs.receive_message(QueueUrl=self.queue_url, MaxNumberOfMessages=10).get("Messages"):
            bodies += [message["Body"] for message in messages]
        return bodies


@pytest.fixture
def cloud(moto_url: str, tmp_path: Path, request: pytest.FixtureRequest) -> Cloud:
    """A bucket with a small plate, and an empty queue."""
    session = boto3.Session("local", "local", region_name="us-east-1")
    s3, sqs = session.client("s3", endpoint_url=moto_url), session.client("sqs", endpoint_url=moto_url)
    s3.create_bucket(Bucket="data")
    bucket = S3Storage("data", s3)
    folder = bucket_with(tmp_path / "plate", ROWS)
    for item in folder.list(""):
        bucket.write(item.key, folder.read(item.key) + item.key.encode())  # no two files of the same content
    bucket.write("p/load_data.csv", folder.read("p/load_data.csv"))
    bucket.write("p/analysis.cppipe", PIPELINE)
    queue_url = sqs.create_queue(QueueName=request.node.name[:70].replace("[", "-").replace("]", ""))["QueueUrl"]
    variables = {
        "AWS_ENDPOINT_URL": moto_url,
        "AWS_ACCESS_KEY_ID": "local",
        "AWS_SECRET_ACCESS_KEY": "local",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_BUCKET": "data",
        "SQS_URL": queue_url,
        "COLUMNS": "200",
    }
    return Cloud(variables, queue_url, bucket, s3, sqs)


def test_a_request_is_sent_as_it_was_written_and_its_run_is_printed(cloud: Cloud, tmp_path: Path) -> None:
    request = write_request(tmp_path / "r.json", REQUEST)
    ended = cloud.submit(request)
    assert (ended.returncode, ended.stdout) == (0, f"{record_of().run_id}\n"), ended.stderr
    assert "what would run" in ended.stderr
    assert cloud.received() == [request.read_text()]


def test_a_dry_run_sends_nothing_and_needs_no_queue(cloud: Cloud, tmp_path: Path) -> None:
    cloud.variables["SQS_URL"] = ""
    ended = cloud.submit(write_request(tmp_path / "r.json", REQUEST), "--dry-run")
    assert (ended.returncode, ended.stdout) == (0, f"{record_of().run_id}\n"), ended.stderr
    assert cloud.received() == []
    refused = cloud.submit(write_request(tmp_path / "r.json", REQUEST))
    assert refused.returncode == 2
    assert "which queue?" in refused.stderr


def test_a_request_that_could_not_succeed_is_not_sent_nor_is_its_list(cloud: Cloud, tmp_path: Path) -> None:
    hopeless = {**REQUEST, "output": "other", "group_by": ["Nope"]}
    ended = cloud.submit(write_request(tmp_path / "r.json", REQUEST, hopeless))
    assert (ended.returncode, ended.stdout) == (2, "")
    assert "the load data has no such column" in ended.stderr
    assert "cpb: nothing was sent" in ended.stderr
    assert cloud.received() == []


def test_what_can_be_measured_is_sent_and_the_rest_is_told(cloud: Cloud, tmp_path: Path) -> None:
    cloud.bucket.delete("p/images/P1_A01_1_DNA.tif")
    ended = cloud.submit(write_request(tmp_path / "r.json", REQUEST))
    assert ended.returncode == 0
    assert "image sets that could not be measured: 1 of 4" in ended.stderr
    assert len(cloud.received()) == 1


def test_images_in_a_public_bucket_of_others_are_looked_at(cloud: Cloud, tmp_path: Path) -> None:
    cloud.s3.create_bucket(Bucket="gallery")
    cloud.s3.put_object(Bucket="gallery", Key="images/A01_DNA.tif", Body=b"of a public data set", ACL="public-read")
    rows = [image_set("P1", "A01", site, URL_OrigDNA=f"s3://gallery/images/A0{site}_DNA.tif") for site in ("1", "2")]
    cloud.bucket.write("p/load_data.csv", csv_of(rows))
    ended = cloud.submit(write_request(tmp_path / "r.json", REQUEST), "--dry-run")
    assert ended.returncode == 0
    assert "s3://gallery/images/A02_DNA.tif (OrigDNA, 1 image set)" in ended.stderr
    assert "image sets that could not be measured: 1 of 2" in ended.stderr


def test_a_list_larger_than_a_message_is_sent_as_several(cloud: Cloud, tmp_path: Path) -> None:
    names = ("Metadata_Plate", "Metadata_Well", "Metadata_Site")
    groups = [dict(zip(names, ("P1", "A01", "1"), strict=True))] * 6_000
    documents = [{**REQUEST, "output": f"results{number}", "groups": groups} for number in range(4)]
    ended = cloud.submit(write_request(tmp_path / "r.json", *documents), "--queue-url", cloud.queue_url)
    bodies = cloud.received()
    assert len(bodies) > 1
    run_ids = {record.run_id for body in bodies for record in parse_message(body)}
    assert set(ended.stdout.split()) == run_ids
    assert len(run_ids) == 4


def test_a_job_file_of_distributed_cellprofiler_is_sent_as_it_is(cloud: Cloud, tmp_path: Path) -> None:
    job_file = {
        "_comment1": "Paths in this section are relative to the root of your S3 bucket",
        "pipeline": REQUEST["pipeline"],
        "data_file": REQUEST["load_data"],
        "input": "p/images/",
        "output": "results",
        "groups": [{"Metadata": "Metadata_Plate=P1,Metadata_Well=A01,Metadata_Site=1"}],
    }
    ended = cloud.submit(write_request(tmp_path / "job.json", job_file))
    assert ended.returncode == 0, ended.stderr
    (body,) = cloud.received()
    assert json.loads(body) == job_file


def test_a_queue_that_is_not_there_is_named(cloud: Cloud, tmp_path: Path) -> None:
    ended = cloud.submit(write_request(tmp_path / "r.json", REQUEST), "--queue-url", cloud.queue_url + "-none")
    assert (ended.returncode, ended.stdout) == (2, "")
    assert "does not take the message" in ended.stderr
    assert "Traceback" not in ended.stderr
